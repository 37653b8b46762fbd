import { styleText } from 'node:util';
import { parseRoomUrl } from '../room/room-url.ts';
import { namedIdentity, openRoom } from './own-identity.ts';
import { allow, ROOM_FLAGS, type Args } from './args.ts';
import { followRoom } from './follow.ts';
import { roomOf } from './room-source.ts';
import { plain, plainLine, write } from './terminal.ts';

/** Indents the further lines of a text, so that they cannot be mistaken for another message. */
const INDENT = '    ';

/** `--watch`: print the room for a person to read. */
export async function watch(args: Args, signal: AbortSignal): Promise<number> {
  allow(args, '--watch', ['watch', 'include-self', ...ROOM_FLAGS]);
  const url = roomOf(args);
  const room = openRoom(args, url, await namedIdentity(args, parseRoomUrl(url).base, signal));
  const colour = process.stdout.isTTY === true && (process.env['NO_COLOR'] ?? '') === '';
  const paint = (style: Parameters<typeof styleText>[0], text: string) =>
    colour ? styleText(style, text, { validateStream: false }) : text;
  const clock = (ts: number) => new Date(ts).toTimeString().slice(0, 8);

  await followRoom(room, {
    includeSelf: true,
    signal,
    onMessage: ({ ts, sender, signedBy, text }) => {
      const mark = signedBy === null ? ' ' : paint('green', '✓');
      const who = paint(['bold', 'cyan'], plainLine(signedBy === null ? sender : `@${signedBy}`));
      const lines = plain(text).replaceAll('\n', `\n${INDENT}`);
      return write(`${mark} ${paint('gray', clock(ts))} ${who}: ${lines}\n`);
    },
    onNotice: (said) => write(`${paint('yellow', `! ${plainLine(said)}`)}\n`),
  }).finally(() => room.close());
  return 0;
}
