import { parseRoomUrl } from '../room/room-url.ts';
import { asAgent, openRoom, speakingAgent } from './own-identity.ts';
import { allow, ROOM_FLAGS, valueOf, type Words } from './args.ts';
import { roomOf } from './room-source.ts';
import { textOf } from './stdin.ts';
import { jsonLine, warn, write } from './terminal.ts';

/** `--say TEXT`: send it, signed where there is an identity, and print where it stands in the room. */
export async function say(words: Words, signal: AbortSignal): Promise<number> {
  allow(words, '--say', ['say', ...ROOM_FLAGS]);
  const url = roomOf(words);
  const { base } = parseRoomUrl(url);
  const identity = await speakingAgent(words, base, signal);
  const room = openRoom(words, url, identity, warn);
  const text = await textOf(valueOf(words, 'say') ?? '', signal);
  const sent = await asAgent(identity, base, signal, () => room.send(text, { signal }));
  await write(jsonLine({ ok: true, ...sent }));
  return 0;
}
