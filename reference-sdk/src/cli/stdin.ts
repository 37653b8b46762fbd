import { UsageError } from './args.ts';

/** Read all of stdin, without the newline that shells add at its end. */
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
    throw new UsageError('stdin is not valid UTF-8', { cause });
  }
}

/** The text to send: the operand itself, or all of stdin for `-`. @throws {UsageError} when it is empty. */
export async function textOf(word: string, signal: AbortSignal): Promise<string> {
  const text = word === '-' ? await readStdin(signal) : word;
  if (text === '') throw new UsageError('there is no text to send');
  return text;
}
