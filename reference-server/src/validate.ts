import {
  AckBody,
  ClaimBody,
  ClaimRef,
  COMPONENTS,
  DmBody,
  Handle,
  ListeningBody,
  PostBody,
  PublishBody,
  RegisterBody,
  Signature,
  SigningNonce,
  type Limits,
  type Timings,
} from '@bot2bot/schemas';
import { Type, type Static, type TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Draft, MessageSignature } from './message.ts';
import { RequestProblem } from './problem.ts';

/** Label of a sender that gave none. */
const ANONYMOUS = 'anon';

function checker<T extends TSchema>(schema: T) {
  const compiled = Compile(COMPONENTS as Record<string, TSchema>, schema);
  /** @throws {RequestProblem} naming the field, never repeating its value. */
  return (value: unknown): Static<T> => {
    if (compiled.Check(value)) return value as Static<T>;
    const [error] = compiled.Errors(value);
    const where = error === undefined || error.instancePath === '' ? 'the body' : error.instancePath.slice(1);
    throw new RequestProblem('bad-request', { detail: `${where} ${error?.message ?? 'is not valid'}` });
  };
}

const signatureFields = Compile(
  Type.Object({
    sender_handle: Handle,
    sender_ts: Type.Integer({ minimum: 0 }),
    sender_nonce: SigningNonce,
    sender_sig: Signature,
    sender_sig2: Type.Optional(Signature),
  }),
);

/** The signature of a message that has one. @throws {RequestProblem} signature-invalid, for half of one. @see SIGN-2 */
function signatureOf(body: Record<string, unknown>): MessageSignature | undefined {
  if (body['sender_handle'] === undefined) return undefined;
  if (!signatureFields.Check(body)) throw new RequestProblem('signature-invalid');
  return {
    handle: body.sender_handle,
    ts: body.sender_ts,
    nonce: body.sender_nonce,
    sig: body.sender_sig,
    sig2: body.sender_sig2,
  };
}

/** A signature that is no base64 is one that does not verify, and no fault of the body. @see ID-5 DM-4 DIR-4 */
const anySignature = Type.String();

/** Parse a body. @throws {RequestProblem} bad-json. @see CORE-7 */
export function parseObject(body: string | Buffer | undefined): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(body?.toString() ?? '');
  } catch {
    throw new RequestProblem('bad-json');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new RequestProblem('bad-json');
  return value as Record<string, unknown>;
}

/** Checks of bodies, under the limits of this relay. */
export function bodyChecks(limits: Limits, timings: Timings) {
  // The TTL has a problem of its own; what the limits set is checked against the limits.
  const { nonce, reply_to, ext, signed_only, ciphertext } = PostBody.properties;
  const ciphertextHere = { ...ciphertext, maxLength: limits.ciphertext_chars };
  const check = checker(
    Type.Object({
      nonce,
      reply_to,
      ext,
      signed_only,
      ciphertext: ciphertextHere,
      sender: Type.Optional(Type.String({ maxLength: limits.sender_chars })),
    }),
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
  function draftOf(body: Record<string, unknown>): Draft {
    const { ciphertext: text, ttl_ms: ttl = 0 } = body;
    checkLength(text);
    const valid = check(body);
    const inRange = typeof ttl === 'number' && ttl >= timings.ttl_min_ms && ttl <= timings.ttl_max_ms;
    if (ttl !== 0 && !(inRange && Number.isInteger(ttl))) throw new RequestProblem('bad-ttl');
    const signature = signatureOf(body);
    const signedOnly = valid.signed_only === true;
    if (signedOnly && signature === undefined) throw new RequestProblem('signature-required');
    return {
      sender: signature === undefined ? (valid.sender ?? ANONYMOUS) : `@${signature.handle}`,
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
  );

  return {
    draftOf,
    listeningOf: checker(ListeningBody),
    claimOf: checker(ClaimBody),
    ackOf: checker(AckBody),
    claimRefOf: checker(ClaimRef),
    registrationOf: checker(Type.Object({ ...RegisterBody.properties, register_sig: anySignature })),
    dmOf: (body: Record<string, unknown>) => {
      checkLength(body['ciphertext']);
      return dmOf(body);
    },
    publicationOf: checker(Type.Object({ ...PublishBody.properties, profile_sig: anySignature })),
  };
}

/** Whether a frame that was refused carried a nonce worth repeating. @see STREAM-17 */
export function echoableNonce(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null || !('nonce' in body)) return undefined;
  const { nonce } = body;
  return typeof nonce === 'string' && nonce.length <= 64 ? nonce : undefined;
}
