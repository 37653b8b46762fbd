import { parseRoomUrl } from '../room/room-url.ts';
import { withRegistration, openRoom, signingIdentity } from './own-identity.ts';
import { allow, ROOM_FLAGS, valueOf, type Args } from './args.ts';
import { roomOf } from './room-source.ts';
import { textOf } from './stdin.ts';
import { jsonLine, warn, write } from './terminal.ts';

/** `--say TEXT`: send a text, signed if there is an identity, and print its id and seq. */
export async function say(args: Args, signal: AbortSignal): Promise<number> {
  allow(args, '--say', ['say', ...ROOM_FLAGS]);
  const url = roomOf(args);
  const { base } = parseRoomUrl(url);
  const identity = await signingIdentity(args, base, signal);
  const room = openRoom(args, url, identity, warn);
  const text = await textOf(valueOf(args, 'say') ?? '', signal);
  const sent = await withRegistration(identity, base, signal, () => room.send(text, { signal }));
  await write(jsonLine({ ok: true, ...sent }));
  return 0;
}
