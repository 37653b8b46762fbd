/** For calls without a caller's signal: it never aborts. */
export const NEVER_ABORTED = new AbortController().signal;

/**
 * Abort `controller` when `signal` aborts, with the same reason. `AbortSignal.any` would do the same, but each call of it
 * leaks memory in a long-lived signal.
 * @returns a function that removes the listener.
 */
export function abortWith(controller: AbortController, signal: AbortSignal): () => void {
  const abort = () => controller.abort(signal.reason);
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  return () => signal.removeEventListener('abort', abort);
}
