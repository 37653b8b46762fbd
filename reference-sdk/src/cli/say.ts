import { Room } from '../room.ts';
import { parseRoomUrl } from '../room-url.ts';
import { asAgent, optionalAgent } from './agent.ts';
import { allow, valueOf, type Words } from './args.ts';
import { roomOf } from './room-source.ts';
import { textOf } from './stdin.ts';
import { jsonLine, warn, write } from './terminal.ts';

/** `--say TEXT`: send it, signed where there is an identity, and print where it stands in the room. */
export async function say(words: Words, signal: AbortSignal): Promise<number> {
  allow(words, '--say', ['say', 'handle', 'identity-file', 'name', 'room-file']);
  const url = roomOf(words);
  const { base } = parseRoomUrl(url);
  const name = valueOf(words, 'name');
  const identity = await optionalAgent(words, base, signal);
  const room = new Room(url, {
    ...(name === undefined ? {} : { name }),
    ...(identity === null ? {} : { identity }),
    warn,
  });
  const text = await textOf(valueOf(words, 'say') ?? '', signal);
  const sent = await asAgent(identity, base, signal, () => room.send(text, { signal }));
  room.close();
  await write(jsonLine({ ok: true, ...sent }));
  return 0;
}
