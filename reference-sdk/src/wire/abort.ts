/**
 * Abort `controller` when `signal` aborts, with its reason. In place of `AbortSignal.any`, which leaves something behind
 * in a long-lived signal every time.
 * @returns undoes it.
 */
export function follows(controller: AbortController, signal: AbortSignal): () => void {
  const abort = () => controller.abort(signal.reason);
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  return () => signal.removeEventListener('abort', abort);
}
