import { COMPONENTS, ListeningBody, PostBody, type Limits, type Timings } from '@bot2bot/schemas';
import { Type, type Static, type TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Draft } from './log.ts';
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

/** Parse a body. @throws {RequestProblem} bad-json. @see CORE-7 */
export function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
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
  const { ttl_ms: _ttl, ciphertext, sender: _sender, ...properties } = PostBody.properties;
  const check = checker(
    Type.Object({
      ...properties,
      ciphertext: { ...ciphertext, maxLength: limits.ciphertext_chars },
      sender: Type.Optional(Type.String({ maxLength: limits.sender_chars })),
    }),
  );

  /** @see MSG-4 MSG-5 MSG-6 MSG-7 MSG-8 MSG-18 */
  function draftOf(body: Record<string, unknown>): Draft {
    const { ciphertext: text, ttl_ms: ttl = 0 } = body;
    if (typeof text === 'string' && text.length > limits.ciphertext_chars) {
      throw new RequestProblem('too-large', {
        detail: `ciphertext is longer than ${limits.ciphertext_chars} characters`,
      });
    }
    const valid = check(body);
    const inRange = typeof ttl === 'number' && ttl >= timings.ttl_min_ms && ttl <= timings.ttl_max_ms;
    if (ttl !== 0 && !(inRange && Number.isInteger(ttl))) throw new RequestProblem('bad-ttl');
    if (valid.sender_handle !== undefined) throw new RequestProblem('signature-invalid');
    if (valid.signed_only === true) throw new RequestProblem('signature-required');
    return {
      sender: valid.sender ?? ANONYMOUS,
      ciphertext: valid.ciphertext,
      nonce: valid.nonce,
      ttlMs: ttl as number,
      replyTo: valid.reply_to,
      ext: valid.ext,
    };
  }

  return { draftOf, listeningOf: checker(ListeningBody) };
}

/** Whether a frame that was refused carried a nonce worth repeating. @see STREAM-17 */
export function echoableNonce(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null || !('nonce' in body)) return undefined;
  const { nonce } = body;
  return typeof nonce === 'string' && nonce.length <= 64 ? nonce : undefined;
}
