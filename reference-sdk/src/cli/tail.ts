import { open } from 'node:fs/promises';
import { parseRoomUrl } from '../room/room-url.ts';
import { namedIdentity, openRoom } from './own-identity.ts';
import { allow, numberOf, ROOM_FLAGS, UsageError, valueOf, type Args } from './args.ts';
import { followRoom } from './follow.ts';
import { roomOf } from './room-source.ts';
import { jsonLine, warn, write } from './terminal.ts';

const OWNER_ONLY = 0o600;
const MAX_SECONDS = 1_000_000;

/** Append lines to a file. A new file gets mode 0600. */
async function appender(path: string): Promise<(line: string) => Promise<void>> {
  try {
    const file = await open(path, 'a', OWNER_ONLY);
    return (line) => file.appendFile(line);
  } catch (cause) {
    throw new UsageError(`cannot write to ${path}`, { cause });
  }
}

/** `--tail`: print the messages in the room, then new ones, each as a JSON line, to stdout or to a file. */
export async function tail(args: Args, signal: AbortSignal): Promise<number> {
  allow(args, '--tail', ['tail', 'out', 'include-self', 'max-idle', ...ROOM_FLAGS]);
  const idleSeconds = numberOf(args, 'max-idle', { min: 0.1, max: MAX_SECONDS, whole: false });
  const url = roomOf(args);
  const room = openRoom(args, url, await namedIdentity(args, parseRoomUrl(url).base, signal));
  const path = valueOf(args, 'out');
  const take = path === undefined ? write : await appender(path);

  const idle = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const restart = () => {
    clearTimeout(timer);
    if (idleSeconds !== undefined) timer = setTimeout(() => idle.abort(), idleSeconds * 1000);
  };
  restart();
  try {
    await followRoom(room, {
      includeSelf: args.flags.has('include-self'),
      signal: AbortSignal.any([signal, idle.signal]),
      onMessage: async ({ seq, ts, sender, text, own }) => {
        restart();
        await take(jsonLine({ seq, ts, sender, text, is_self: own }));
      },
      onNotice: (text) => warn(text),
    });
  } catch (error) {
    signal.throwIfAborted();
    if (!idle.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
    room.close();
  }
  return 0;
}
