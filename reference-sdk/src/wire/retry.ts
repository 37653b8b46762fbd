import { Bot2BotError } from './errors.ts';

const BASE_MS = 250;
const MAX_MS = 15_000;

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

/** Exponential backoff in ms, capped at `maxMs`, with random jitter so that clients do not all return at once. */
export function backoff(attempt: number, baseMs = BASE_MS, maxMs = MAX_MS): number {
  return Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 16)) * (0.5 + Math.random() / 2);
}

/**
 * Run `once`, and again after each temporary failure.
 * @param once its argument is true when an earlier attempt may have taken effect.
 * @param forMs no attempt starts later than this.
 * @throws the error of the last attempt; its `definite` is false if any attempt may have taken effect.
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
