import { seal } from '../crypto/crypto.ts';
import type { Member } from './member.ts';
import { retrying } from '../wire/retry.ts';
import { signPost } from './signed-message.ts';
import { PostAnswer, TIMINGS } from '../wire/wire.gen.ts';

export interface SendOptions {
  readonly replyTo?: string;
  /** Ms after which it is gone: 30 000 to 31 622 400 000; absent, never. */
  readonly ttlMs?: number;
  /** Let the room take signed messages alone from now on; needs an identity. @see SIGN-7 */
  readonly signedOnly?: boolean;
  readonly signal?: AbortSignal;
}

export interface Sent {
  readonly id: string;
  readonly seq: number;
}

const ANSWER_MS = 30_000;
/** A relay remembers a nonce for the one, and takes a signature for the other. */
const RETRY_FOR_MS = Math.min(TIMINGS.dedup_ms, TIMINGS.clock_tolerance_ms);

/** Seal, sign and post one text, again with identical bytes while it is not known what became of it. @see MSG-14 MSG-23 */
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
    // An attempt that is still on its way when the relay has forgotten the nonce would add a second message.
    const timeoutMs = Math.max(1, Math.min(ANSWER_MS, until - performance.now()));
    const call = { method: 'POST', operation: 'postMessage', body, signal, timeoutMs } as const;
    return relay.http.json(call, PostAnswer);
  };
  const attempt = (unsure: boolean) => {
    if (identity === null) return once();
    return relay.withClockRetry(once, signal, () => {
      // Other bytes would be another message, where the first may already be in the room.
      if (!unsure) body = null;
      return !unsure;
    });
  };
  const { id, seq } = await retrying(attempt, { forMs: RETRY_FOR_MS, signal });
  return { id, seq };
}
