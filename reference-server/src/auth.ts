import type { IncomingMessage } from 'node:http';
import {
  AUTH_SCHEME,
  messageText,
  messageText2,
  requestText,
  requestText2,
  Signature,
  SigningNonce,
  type IdentityAnswer,
} from '@bot2bot/schemas';
import { Compile } from 'typebox/compile';
import { bytesOf, sha256, verifies } from './ed25519.ts';
import type { Client } from './address.ts';
import type { Identities } from './identities.ts';
import type { Draft } from './log.ts';
import { RequestProblem } from './problem.ts';
import type { Replays } from './replay.ts';

const isNonce = Compile(SigningNonce);
const isSignature = Compile(Signature);
const SCHEME = new RegExp(`^${AUTH_SCHEME} +(.*)$`, 'i');

/** A request that its handle signed, as it came. */
export interface SignedRequest {
  readonly raw: Pick<IncomingMessage, 'headers' | 'method' | 'url'>;
  /** Text of the body; empty without one. */
  readonly body: string;
  readonly handle: string;
  /** The first form of the signature that is good enough. */
  readonly least: 1 | 2;
  readonly client: Client;
}

interface Credentials {
  readonly form: 1 | 2;
  readonly ts: number;
  readonly n: string;
  readonly sig: string;
}

/**
 * `Authorization: Bot2Bot [v=2,]ts=<ts>,n=<n>,sig=<base64>`, in any order.
 * @returns null for anything else.
 */
function credentialsOf(header: string | undefined): Credentials | null {
  const list = SCHEME.exec(header ?? '')?.[1];
  if (list === undefined) return null;
  const fields = new Map<string, string>();
  for (const part of list.split(',')) {
    const [, name, value] = /^ *([a-z]+)=(.*?) *$/.exec(part) ?? [];
    if (name === undefined || value === undefined || fields.has(name)) return null;
    fields.set(name, value);
  }
  const [v = '1', ts = '', n = '', sig = ''] = ['v', 'ts', 'n', 'sig'].map((name) => fields.get(name));
  if (v !== '1' && v !== '2') return null;
  if (!/^\d{1,15}$/.test(ts) || !isNonce.Check(n) || !isSignature.Check(sig)) return null;
  return { form: v === '2' ? 2 : 1, ts: Number(ts), n, sig };
}

/** Who signed what, and whether it was signed before. */
export class Auth {
  readonly replays: Replays;
  readonly #identities: Identities;

  constructor(identities: Identities, replays: Replays) {
    this.#identities = identities;
    this.replays = replays;
  }

  /**
   * @returns who signed the request.
   * @throws {RequestProblem} unknown-handle, signature-invalid, replayed, rate-limited, unavailable.
   * @see REQ-1 REQ-2 REQ-3 REQ-4 REQ-5 REQ-6
   */
  verifyRequest({ raw, body, handle, least, client }: SignedRequest): IdentityAnswer {
    const identity = this.#identities.get(handle);
    if (identity === undefined) throw new RequestProblem('unknown-handle');
    const given = credentialsOf(raw.headers.authorization);
    if (given === null || given.form < least || !this.replays.isTimely(given.ts))
      throw new RequestProblem('signature-invalid');
    const { form, ts, n, sig } = given;
    const [method, target] = [raw.method ?? '', raw.url ?? ''];
    const text =
      form === 1 ? requestText(method, target, ts, n) : requestText2(method, target, ts, n, sha256(body));
    if (!verifies(text, sig, this.#identities.key(identity))) throw new RequestProblem('signature-invalid');
    this.replays.use({ key: `r ${handle} ${n}`, ts, handle, client });
    return identity;
  }

  /** @throws {RequestProblem} signature-invalid. @see SIGN-2 SIGN-6 */
  verifyMessage(room: string, draft: Draft): void {
    const { signature: given } = draft;
    if (given === undefined) return;
    const identity = this.#identities.get(given.handle);
    if (identity === undefined || !this.replays.isTimely(given.ts))
      throw new RequestProblem('signature-invalid');
    const key = this.#identities.key(identity);
    const ciphertextSha256 = sha256(draft.ciphertext);
    const text = messageText(room, given.ts, given.nonce, ciphertextSha256);
    if (!verifies(text, given.sig, key)) throw new RequestProblem('signature-invalid');
    if (given.sig2 === undefined) return;
    const bound = messageText2({
      room,
      handle: given.handle,
      signPub: bytesOf(identity.sign_pub).toString('base64'),
      ts: given.ts,
      senderNonce: given.nonce,
      ciphertextSha256,
      nonce: draft.nonce,
      ttlMs: draft.ttlMs,
      replyTo: draft.replyTo,
      signedOnly: draft.signedOnly,
      extSha256: sha256(draft.ext ?? ''),
    });
    if (!verifies(bound, given.sig2, key)) throw new RequestProblem('signature-invalid');
  }

  /**
   * Let a message that is new to its room in.
   * @throws {RequestProblem} replayed, rate-limited, unavailable, signed-only.
   * @see SIGN-3 SIGN-8
   */
  admitMessage({ signature }: Draft, locked: boolean, client: Client): void {
    if (signature !== undefined) {
      const { handle, nonce, ts } = signature;
      this.replays.use({ key: `m ${handle} ${nonce}`, ts, handle, client });
    } else if (locked) throw new RequestProblem('signed-only');
  }
}
