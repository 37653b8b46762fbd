import { Bot2BotError } from './errors.ts';

const FIRST_MS = 250;
const MOST_MS = 15_000;

export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

/** Up to `most`, doubling, and spread so that many clients do not come back at once. */
export function backoff(attempt: number, first = FIRST_MS, most = MOST_MS): number {
  return Math.min(most, first * 2 ** Math.min(attempt, 16)) * (0.5 + Math.random() / 2);
}

/**
 * Do something again while it fails in passing.
 * @param once told whether an earlier attempt may have happened.
 * @param forMs no attempt begins later than this.
 * @throws what the last attempt threw, not `definite` when any attempt may have happened.
 */
export async function retrying<T>(
  once: (unsure: boolean) => Promise<T>,
  { forMs, signal }: { forMs: number; signal: AbortSignal },
): Promise<T> {
  const until = performance.now() + forMs;
  let unsure = false;
  for (let attempt = 0; ; attempt++) {
    try {
      return await once(unsure);
    } catch (error) {
      if (!(error instanceof Bot2BotError)) throw error;
      const before = unsure;
      unsure ||= !error.definite;
      const wait = error.retryAfterMs ?? backoff(attempt);
      if (!error.passing || performance.now() + wait > until) {
        if (!before) throw error;
        const { code, message, status } = error;
        throw new Bot2BotError(code, message, { status, definite: false, cause: error });
      }
      await sleep(wait, signal);
    }
  }
}
