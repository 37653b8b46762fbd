import { abortWith } from '../wire/abort.ts';
import type { Claim, ClaimListeners, Claims } from './claims.ts';
import { Bot2BotError } from '../wire/errors.ts';
import type { MessageEvent } from './events.ts';
import { backoff, sleep } from '../wire/retry.ts';

export interface WorkOptions extends ClaimListeners {
  /** 1 000 to 600 000; 60 000 when absent. The lease is renewed while the handler runs. */
  readonly leaseMs?: number;
  readonly excludeSenders?: readonly string[];
  readonly signal?: AbortSignal;
}

/**
 * Handles one message. When it returns, the message is acked; when it throws, the message is released and delivered again.
 * `signal` aborts when the lease is lost: stop then, because another worker may have the message.
 */
export type Handler = (event: MessageEvent, context: { signal: AbortSignal; claim: Claim }) => unknown;

const HANDLER_FAILED_MIN_MS = 1_000;
const FAILED_MOST_MS = 60_000;
const RENEWALS_PER_LEASE = 3;
const RENEW_AGAIN_MS = 500;

/**
 * Renew a claim until `done` aborts.
 * @returns when the lease was lost.
 * @throws the reason of `done` when it aborts.
 * @see CLAIM-30
 */
async function renewUntil(
  claims: Claims,
  claim: Claim,
  leaseMs: number | undefined,
  done: AbortSignal,
): Promise<void> {
  let pauseMs = claim.leaseRemainingMs / RENEWALS_PER_LEASE;
  let renewable = true;
  for (;;) {
    await sleep(renewable ? Math.min(pauseMs, claim.leaseRemainingMs) : claim.leaseRemainingMs, done);
    if (claim.leaseRemainingMs === 0) return;
    try {
      const late = AbortSignal.timeout(Math.ceil(claim.leaseRemainingMs));
      await claims.renew(claim, leaseMs, AbortSignal.any([done, late]));
      pauseMs = claim.leaseRemainingMs / RENEWALS_PER_LEASE;
    } catch (error) {
      done.throwIfAborted();
      if (!(error instanceof Bot2BotError)) return;
      if (error.code === 'claim-gone') return;
      renewable = error.passing;
      pauseMs = error.retryAfterMs ?? RENEW_AGAIN_MS;
    }
  }
}

/** Run the handler while renewing the lease. @returns `done`, `failed` (it threw), or `lost` (the lease expired). */
async function runHandler(
  claims: Claims,
  claim: Claim,
  handler: Handler,
  { leaseMs, signal }: { leaseMs: number | undefined; signal: AbortSignal },
): Promise<'done' | 'failed' | 'lost'> {
  const done = new AbortController();
  const lost = new AbortController();
  const stop = new AbortController();
  const unfollow = [abortWith(stop, signal), abortWith(stop, lost.signal)];
  const kept = renewUntil(claims, claim, leaseMs, done.signal).then(
    () => lost.abort(new Bot2BotError('claim-gone', 'the lease of the message is over', { definite: true })),
    () => undefined,
  );
  let failed = false;
  try {
    await handler(claim.event, { signal: stop.signal, claim });
  } catch {
    failed = true;
  } finally {
    done.abort();
    await kept;
    for (const undo of unfollow) undo();
  }
  if (lost.signal.aborted || claim.leaseRemainingMs === 0) return 'lost';
  return failed ? 'failed' : 'done';
}

/**
 * Claim, handle and ack messages in a loop.
 * @param signal stops the loop; a handled message is still acked.
 * @param closing also cancels that ack.
 */
export async function work(
  claims: Claims,
  handler: Handler,
  options: WorkOptions,
  { signal, closing, warn }: { signal: AbortSignal; closing: AbortSignal; warn: (text: string) => void },
): Promise<never> {
  const { leaseMs } = options;
  let failures = 0;
  let broken = 0;
  for (;;) {
    let claim: Claim | null;
    try {
      claim = await claims.claim(options, signal);
      if (claim === null) continue;
      const how = await runHandler(claims, claim, handler, { leaseMs, signal });
      if (how === 'done') {
        await claims.ack(claim, closing);
        failures = 0;
      } else if (how === 'failed') await claims.release(claim, closing);
      broken = 0;
      signal.throwIfAborted();
      if (how === 'done') continue;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof Bot2BotError) || !(error.passing || error.code === 'claim-gone')) throw error;
      if (error.code === 'claim-gone') continue;
      await sleep(error.retryAfterMs ?? backoff(broken++), signal);
      continue;
    }
    const pauseMs = Math.round(backoff(failures++, HANDLER_FAILED_MIN_MS, FAILED_MOST_MS));
    warn(`bot2bot: the handler failed on message ${claim.seq}; it will be delivered again in ${pauseMs} ms`);
    await sleep(pauseMs, signal);
  }
}
