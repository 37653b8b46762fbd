import { isUtf8 } from 'node:buffer';
import {
  AckBody,
  BIO_CHARS,
  BoxPub,
  ClaimBody,
  ClaimRef,
  DmBody,
  Handle,
  ListeningBody,
  NAME_CHARS,
  PostBody,
  PublishBody,
  RegisterBody,
  Signature,
  SigningNonce,
  type Limits,
  type Timings,
} from '@bot2bot/schemas';
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { checker, isRecord } from './fields.ts';
import { handleIn } from './identities.ts';
import type { Draft, MessageSignature } from './message.ts';
import { RequestProblem } from './problem.ts';

/** Default sender labels, for compatibility with deployed relays: for HTTP posts, and for messages on a WebSocket. @see MSG-2 */
const DEFAULT_SENDER = 'agent';
const DEFAULT_SOCKET_SENDER = 'user';

const BOM = '\uFEFF';
/** Maximum length of a handle with its `@`. */
const HANDLE_CHARS = 33;
/** Fields that only a signed message has. */
const SIGNATURE_FIELDS = ['sender_ts', 'sender_nonce', 'sender_sig', 'sender_sig2'] as const;

const isBoxPub = Compile(BoxPub);

const signatureFields = Compile(
  Type.Object({
    sender_handle: Handle,
    sender_ts: Type.Integer({ minimum: 0 }),
    sender_nonce: SigningNonce,
    sender_sig: Signature,
    sender_sig2: Type.Optional(Signature),
  }),
);

type Body = Readonly<Record<string, unknown>>;

/**
 * The signature of a message; undefined if it has none. A `sender_handle` alone does not make a message signed, as on
 * deployed relays.
 * @throws {RequestProblem} signature-invalid, if fields are missing or malformed.
 * @see SIGN-2
 */
function signatureOf(body: Body): MessageSignature | undefined {
  if (body['sender_handle'] === undefined) return undefined;
  if (SIGNATURE_FIELDS.every((field) => body[field] === undefined)) return undefined;
  if (!signatureFields.Check(body)) throw new RequestProblem('signature-invalid');
  return {
    handle: body.sender_handle,
    ts: body.sender_ts,
    nonce: body.sender_nonce,
    sig: body.sender_sig,
    sig2: body.sender_sig2,
  };
}

/** Any string: a malformed signature is answered like one that does not verify, not as an invalid body. @see ID-5 DM-4 DIR-4 */
const anySignature = Type.String();

/**
 * Parse a body: a JSON object in UTF-8, with or without a byte order mark.
 * @param body its bytes, or its text where another layer has checked that it is UTF-8.
 * @throws {RequestProblem} bad-json, also for an empty or absent body.
 * @see CORE-7
 */
export function parseObject(body: Buffer | string | undefined): Record<string, unknown> {
  let value: unknown;
  try {
    if (body === undefined || (typeof body !== 'string' && !isUtf8(body))) throw new TypeError('not UTF-8');
    const text = body.toString();
    value = JSON.parse(text.startsWith(BOM) ? text.slice(BOM.length) : text);
  } catch {
    throw new RequestProblem('bad-json');
  }
  if (!isRecord(value)) throw new RequestProblem('bad-json');
  return value;
}

/*
 * Conversions of fields before they are checked, for deployed clients. They leave a value of another type as it is, so that
 * the check refuses it, or drop it where deployed relays ignore it.
 */

const handle = (given: unknown) =>
  typeof given === 'string' && given.length <= HANDLE_CHARS ? handleIn(given) : given;
const nonEmpty = (given: unknown) => (given === '' ? undefined : given);
const decimal = (given: unknown) =>
  typeof given === 'string' && /^[0-9]{1,16}$/.test(given) ? Number(given) : given;
/** Truncate to this many Unicode characters (code points). The first slice bounds the cost for a long text. */
const truncate = (chars: number) => (given: unknown) =>
  typeof given === 'string'
    ? Array.from(given.slice(0, 2 * chars))
        .slice(0, chars)
        .join('')
    : given;
const boxPub = (given: unknown) => (isBoxPub.Check(given) ? given : undefined);
const meta = (given: unknown) => (isRecord(given) ? given : undefined);
const bio = (given: unknown) => (typeof given === 'string' ? truncate(BIO_CHARS)(given) : undefined);

/** The labels that a claim excludes: the first `most` strings of a list; other items are ignored. @see CLAIM-13 */
const labels = (most: number) => (given: unknown) => {
  const found: string[] = [];
  if (!Array.isArray(given)) return found;
  for (const label of given) {
    if (found.length === most) break;
    if (typeof label === 'string') found.push(label);
  }
  return found;
};

/** Validators of all request bodies, with the limits of this relay. A field that is `null` counts as absent. */
export function bodyChecks(limits: Limits, timings: Timings) {
  // TTL and signature are checked by hand, since they have their own problems; lengths follow the relay's limits.
  const { nonce, reply_to, ext, signed_only, ciphertext } = PostBody.properties;
  const ciphertextHere = { ...ciphertext, maxLength: limits.ciphertext_chars };
  const unchecked = Type.Optional(Type.Unknown());
  const check = checker(
    Type.Object({
      nonce,
      reply_to,
      ext,
      signed_only,
      ciphertext: ciphertextHere,
      sender: Type.Optional(Type.String({ maxLength: limits.sender_chars })),
      ttl_ms: unchecked,
      sender_handle: unchecked,
      ...Object.fromEntries(SIGNATURE_FIELDS.map((field) => [field, unchecked])),
    }),
    { sender: nonEmpty, sender_handle: handle },
  );

  /** @throws {RequestProblem} too-large. @see MSG-4 */
  function checkLength(text: unknown): void {
    if (typeof text === 'string' && text.length > limits.ciphertext_chars) {
      throw new RequestProblem('too-large', {
        detail: `ciphertext is longer than ${limits.ciphertext_chars} characters`,
      });
    }
  }

  /** @see MSG-4 MSG-5 MSG-6 MSG-7 MSG-8 MSG-18 */
  function draftOf(body: Body): Draft {
    checkLength(body['ciphertext']);
    const valid = check(body);
    const { ttl_ms: ttl = 0 } = valid;
    const inRange = typeof ttl === 'number' && ttl >= timings.ttl_min_ms && ttl <= timings.ttl_max_ms;
    if (ttl !== 0 && !(inRange && Number.isInteger(ttl))) throw new RequestProblem('bad-ttl');
    const signature = signatureOf(valid);
    const signedOnly = valid.signed_only === true;
    if (signedOnly && signature === undefined) throw new RequestProblem('signature-required');
    return {
      sender: signature === undefined ? (valid.sender ?? DEFAULT_SENDER) : `@${signature.handle}`,
      signature,
      signedOnly,
      ciphertext: valid.ciphertext,
      nonce: valid.nonce,
      ttlMs: ttl as number,
      replyTo: valid.reply_to,
      ext: valid.ext,
    };
  }

  const dmOf = checker(
    Type.Object({
      ...DmBody.properties,
      ciphertext: ciphertextHere,
      from_sig: Type.Optional(anySignature),
    }),
    { from_handle: handle },
  );

  return {
    draftOf,
    listeningOf: checker(ListeningBody, { name: truncate(NAME_CHARS), box_pub: boxPub }),
    claimOf: checker(ClaimBody, { handle, exclude_senders: labels(limits.exclude_senders) }),
    ackOf: checker(AckBody, { handle, seq: decimal }),
    claimRefOf: checker(ClaimRef, { handle }),
    registrationOf: checker(Type.Object({ ...RegisterBody.properties, register_sig: anySignature }), {
      handle,
      meta,
      bio,
    }),
    dmOf: (body: Body) => {
      checkLength(body['ciphertext']);
      const { from_handle, from_ts, from_sig, ...unsigned } = body;
      // A handle without a signature proves nothing: the message counts as unsigned.
      const isSigned = from_handle !== undefined && from_sig !== undefined && from_sig !== null;
      return dmOf(isSigned ? { ...unsigned, from_handle, from_ts, from_sig } : unsigned);
    },
    publicationOf: checker(Type.Object({ ...PublishBody.properties, profile_sig: anySignature }), { handle }),
  };
}

/** The message in a WebSocket frame, with the default sender label if it has none. @see STREAM-14 */
export function fromSocket(body: Record<string, unknown>): Record<string, unknown> {
  return Object.assign(body, { sender: nonEmpty(body['sender']) ?? DEFAULT_SOCKET_SENDER });
}

/** The nonce to include in the error for a refused frame; undefined unless it is a string of at most 64. @see STREAM-17 */
export function echoableNonce(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null || !('nonce' in body)) return undefined;
  const { nonce } = body;
  return typeof nonce === 'string' && nonce.length <= 64 ? nonce : undefined;
}
