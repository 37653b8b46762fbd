import { Room } from '../room.ts';
import { parseRoomUrl } from '../room-url.ts';
import { asAgent, optionalAgent } from './agent.ts';
import { allow, UsageError, valueOf, type Words } from './args.ts';
import { roomUrlOf } from './room-source.ts';
import { jsonLine, warn, write } from './terminal.ts';

/** All of stdin; one newline at its end is the shell's. */
async function readStdin(signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  signal.addEventListener('abort', () => process.stdin.destroy(), { once: true });
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) chunks.push(chunk);
  signal.throwIfAborted();
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    .decode(Buffer.concat(chunks))
    .replace(/\r?\n$/, '');
}

/** `--say TEXT`: send it, signed where there is an identity, and print where it stands in the room. */
export async function say(words: Words, signal: AbortSignal): Promise<number> {
  allow(words, '--say', ['say', 'handle', 'identity-file', 'name', 'room-file']);
  const url = roomUrlOf(words);
  const { base } = parseRoomUrl(url);
  const name = valueOf(words, 'name');
  const identity = await optionalAgent(words, base, signal);
  const room = new Room(url, {
    ...(name === undefined ? {} : { name }),
    ...(identity === null ? {} : { identity }),
    warn,
  });
  const given = valueOf(words, 'say') ?? '';
  const text = given === '-' ? await readStdin(signal) : given;
  if (text === '') throw new UsageError('there is nothing to say');
  const sent = await asAgent(identity, base, signal, () => room.send(text, { signal }));
  room.close();
  await write(jsonLine({ ok: true, ...sent }));
  return 0;
}
