import { seal } from '../crypto/crypto.ts';
import type { Member } from './member.ts';
import { retrying } from '../wire/retry.ts';
import { signPost } from './signed-message.ts';
import { PostAnswer, TIMINGS } from '../wire/wire.gen.ts';

export interface SendOptions {
  readonly replyTo?: string;
  /** Milliseconds until the message expires: 30 000 to 31 622 400 000. It never expires when absent. */
  readonly ttlMs?: number;
  /** Lock the room: from now on it accepts only signed messages. Needs an identity. @see SIGN-7 */
  readonly signedOnly?: boolean;
  readonly signal?: AbortSignal;
}

export interface Sent {
  readonly id: string;
  readonly seq: number;
}

const ANSWER_MS = 30_000;
/** Retry only while both the nonce and the signature's timestamp are valid. */
const RETRY_FOR_MS = Math.min(TIMINGS.dedup_ms, TIMINGS.clock_tolerance_ms);

/** Seal, sign and post one text. Retries send identical bytes while an earlier attempt may have succeeded. @see MSG-14 MSG-23 */
export async function post(
  member: Member,
  text: string,
  { replyTo, ttlMs, signedOnly }: SendOptions,
  signal: AbortSignal,
): Promise<Sent> {
  const { relay, identity, roomId } = member;
  if (signedOnly === true && identity === null) throw new TypeError('signedOnly needs an identity');
  const fields = {
    sender: member.name,
    ...seal(member.key, text),
    ...(ttlMs === undefined ? {} : { ttl_ms: ttlMs }),
    ...(replyTo === undefined ? {} : { reply_to: replyTo }),
    ...(signedOnly === true ? { signed_only: true } : {}),
  };
  member.sent.add(fields.nonce);
  const until = performance.now() + RETRY_FOR_MS;
  let body: string | null = null;
  const once = async () => {
    body ??= JSON.stringify({
      ...fields,
      ...(identity === null ? {} : await signPost(identity, roomId, fields, Math.round(relay.now()))),
    });
    // A request that arrives after the relay has forgotten the nonce would add the message a second time.
    const timeoutMs = Math.max(1, Math.min(ANSWER_MS, until - performance.now()));
    const call = { method: 'POST', operation: 'postMessage', body, signal, timeoutMs } as const;
    return relay.http.json(call, PostAnswer);
  };
  const attempt = (unsure: boolean) => {
    if (identity === null) return once();
    return relay.withClockRetry(once, signal, () => {
      // A new signature changes the bytes; if the first attempt succeeded, they would be a second message.
      if (!unsure) body = null;
      return !unsure;
    });
  };
  const { id, seq } = await retrying(attempt, { forMs: RETRY_FOR_MS, signal });
  return { id, seq };
}
