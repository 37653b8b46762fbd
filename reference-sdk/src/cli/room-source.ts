import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { UsageError, valueOf, type Args } from './args.ts';

const OTHERS = 0o077;

/** Read the room's URL from a file. @throws {UsageError} when users other than its owner have access to it. */
function readSecret(path: string): string {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (cause) {
    throw new UsageError(`cannot read the room's URL from ${path}`, { cause });
  }
  try {
    const stat = fstatSync(file);
    if (process.platform !== 'win32' && stat.isFile() && (stat.mode & OTHERS) !== 0)
      throw new UsageError(`${path} holds a secret and other users have access to it: chmod 600 it first`);
    return readFileSync(file, 'utf8').trim();
  } finally {
    closeSync(file);
  }
}

/**
 * The room's URL, from an operand, the file of `--room-file`, or BOT2BOT_ROOM_URL. Other users of the machine can see the
 * arguments of a command, but not its environment.
 */
export function roomUrlOf(args: Args, url: string | undefined): string {
  const file = valueOf(args, 'room-file');
  if (url !== undefined && file !== undefined)
    throw new UsageError('give the room either by its URL or by --room-file');
  const found = file === undefined ? (url ?? process.env['BOT2BOT_ROOM_URL']) : readSecret(file);
  if (found === undefined || found === '')
    throw new UsageError('which room? Give its URL, --room-file FILE or BOT2BOT_ROOM_URL');
  return found;
}

/** The room of a verb such as `--say`, which takes no other operand. */
export function roomOf(args: Args): string {
  const [url, extra] = args.positional;
  if (extra !== undefined) throw new UsageError('too many words; put a text with spaces in quotes');
  return roomUrlOf(args, url);
}

/** The relay, for commands without a room: from an operand, `--base`, or BOT2BOT_BASE. */
export function baseOf(args: Args, word?: string): string {
  const base = word ?? valueOf(args, 'base') ?? process.env['BOT2BOT_BASE'];
  if (base === undefined || base === '')
    throw new UsageError('which relay? Give its URL with --base, or set BOT2BOT_BASE');
  const url = URL.canParse(base) ? new URL(base) : null;
  if (
    url === null ||
    !/^https?:$/.test(url.protocol) ||
    url.username + url.password + url.search + url.hash !== ''
  )
    throw new UsageError('the URL of a relay looks like http://127.0.0.1:3000');
  return base.replace(/\/+$/, '');
}
