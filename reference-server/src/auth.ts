import type { IncomingMessage } from 'node:http';
import { messageText, messageText2, requestText, requestText2, type IdentityAnswer } from '@bot2bot/schemas';
import { credentialsOf } from './authorization.ts';
import { bytesOf, sha256, verifies } from './ed25519.ts';
import type { Client } from './address.ts';
import type { Identities } from './identities.ts';
import type { Draft } from './message.ts';
import { RequestProblem } from './problem.ts';
import type { Replays } from './replay.ts';

/** A signed request as received, not yet verified. */
export interface SignedRequest {
  readonly raw: Pick<IncomingMessage, 'headers' | 'method' | 'url'>;
  /** Bytes of the body; undefined without one. */
  readonly body: Buffer | undefined;
  readonly handle: string;
  /** The lowest form of signature that is accepted: the second form also covers the body. */
  readonly minForm: 1 | 2;
  readonly client: Client;
}

/** Verifies the signatures of requests and messages, and refuses those that were used before. */
export class Auth {
  readonly replays: Replays;
  readonly #identities: Identities;
  readonly #prefixes: readonly string[];

  /** @param publicUrls base URLs of the relay: clients sign the full path, from which a proxy may have stripped a prefix. */
  constructor(identities: Identities, replays: Replays, publicUrls: readonly string[]) {
    this.#identities = identities;
    this.#prefixes = [...new Set(['', ...publicUrls.map((url) => new URL(url).pathname.replace(/\/$/, ''))])];
    this.replays = replays;
  }

  /**
   * Verify the signature of a request and record it as used.
   * @returns the identity that signed it.
   * @throws {RequestProblem} unknown-handle, signature-invalid, replayed, rate-limited, unavailable.
   * @see REQ-1 REQ-2 REQ-3 REQ-4 REQ-5 REQ-6
   */
  verifyRequest({ raw, body, handle, minForm, client }: SignedRequest): IdentityAnswer {
    const identity = this.#identities.get(handle);
    if (identity === undefined) throw new RequestProblem('unknown-handle');
    const given = credentialsOf(raw.headers.authorization);
    if (given === null || given.form < minForm || !this.replays.isTimely(given.ts))
      throw new RequestProblem('signature-invalid');
    const { form, ts, n, sig } = given;
    const [method, sent] = [raw.method ?? '', raw.url ?? ''];
    const textOf = (target: string) =>
      form === 1
        ? requestText(method, target, ts, n)
        : requestText2(method, target, ts, n, sha256(body ?? ''));
    const key = this.#identities.key(identity);
    if (!this.#prefixes.some((prefix) => verifies(textOf(prefix + sent), sig, key)))
      throw new RequestProblem('signature-invalid');
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
   * Admit a message that is not a duplicate: record its signature as used; refuse unsigned ones in a signed-only room.
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
