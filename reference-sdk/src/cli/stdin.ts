import { UsageError } from './args.ts';

/** All of stdin; one newline at its end is the shell's. */
async function readStdin(signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  signal.addEventListener('abort', () => process.stdin.destroy(), { once: true });
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) chunks.push(chunk);
  signal.throwIfAborted();
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
      .decode(Buffer.concat(chunks))
      .replace(/\r?\n$/, '');
  } catch (cause) {
    throw new UsageError('what stdin holds is no UTF-8', { cause });
  }
}

/** A text to send: the word itself, or all of stdin for `-`. @throws {UsageError} when it is empty. */
export async function textOf(word: string, signal: AbortSignal): Promise<string> {
  const text = word === '-' ? await readStdin(signal) : word;
  if (text === '') throw new UsageError('there is no text to send');
  return text;
}
