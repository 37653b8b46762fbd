/**
 * The command line:
 *
 *     args  = *( word / flag ) [ "--" *any-word ]
 *     flag  = "--" name *value / "--" name "=" value / "-h"
 *
 * The words after a flag are its values, even if they begin with `-`, so that any text can be sent. A word such as `-` or
 * `- one` is not a flag either.
 */

/** The command line is wrong: exit code 2, and a hint at `--help`. */
export class UsageError extends Error {}

/** Every flag, with its number of values. */
const FLAGS = {
  say: 1,
  watch: 0,
  tail: 0,
  claim: 0,
  ack: 2,
  next: 0,
  renew: 1,
  release: 1,
  out: 1,
  'include-self': 0,
  'max-idle': 1,
  handle: 1,
  'claim-timeout': 1,
  'lease-ms': 1,
  'identity-file': 1,
  name: 1,
  'room-file': 1,
  base: 1,
  after: 1,
  wait: 1,
  'display-name': 1,
  framework: 1,
  'framework-version': 1,
  summary: 1,
  capability: 1,
  topic: 1,
  language: 1,
  homepage: 1,
  help: 0,
} as const;
export type Flag = keyof typeof FLAGS;

/** Flags that every verb accepts, because deployed scripts pass them all. */
export const ROOM_FLAGS: readonly Flag[] = ['handle', 'identity-file', 'name', 'claim-timeout', 'room-file'];

const isFlag = (name: string): name is Flag => Object.hasOwn(FLAGS, name);

export interface Args {
  /** Words that are neither flags nor their values. */
  readonly positional: readonly string[];
  /** Values of the given flags. */
  readonly flags: ReadonlyMap<Flag, readonly string[]>;
}

export type Command = (args: Args, signal: AbortSignal) => Promise<number>;
/** Commands of a group; each exits with 0 unless it throws. */
export type Subcommands = Readonly<Record<string, (args: Args, signal: AbortSignal) => Promise<void>>>;

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const exchanged = (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1);
      next.push(Math.min(exchanged, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

function unknown(name: string): UsageError {
  // Anything that cannot be a flag's name may be a secret, such as a room's URL: do not repeat it.
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(name))
    return new UsageError('a word that begins with -- is not a flag; put -- before it');
  const [nearest, far] = Object.keys(FLAGS)
    .map((known): [string, number] => [known, distance(known, name)])
    .reduce((best, one) => (one[1] < best[1] ? one : best));
  const hint = far <= 2 || nearest.startsWith(name) ? ` (did you mean --${nearest}?)` : '';
  return new UsageError(`there is no flag --${name}${hint}`);
}

/** Parse the command line. @throws {UsageError} whose message repeats no value. */
export function parseArgs(argv: readonly string[]): Args {
  const positional: string[] = [];
  const flags = new Map<Flag, readonly string[]>();
  for (let at = 0; at < argv.length; at++) {
    const arg = argv[at] ?? '';
    if (arg === '--') return { positional: [...positional, ...argv.slice(at + 1)], flags };
    if (arg === '-h') {
      flags.set('help', []);
      continue;
    }
    if (!arg.startsWith('--')) {
      if (/^-[A-Za-z]/.test(arg)) throw new UsageError('flags begin with --; put -- before other words');
      positional.push(arg);
      continue;
    }
    const equals = arg.indexOf('=');
    const name = equals < 0 ? arg.slice(2) : arg.slice(2, equals);
    if (!isFlag(name)) throw unknown(name);
    if (flags.has(name)) throw new UsageError(`--${name} is given twice`);
    const count = FLAGS[name];
    if (equals >= 0) {
      if (count !== 1) throw new UsageError(`--${name} takes ${count === 0 ? 'no value' : 'two words'}`);
      flags.set(name, [arg.slice(equals + 1)]);
      continue;
    }
    const values = argv.slice(at + 1, at + 1 + count);
    if (values.length < count)
      throw new UsageError(`--${name} takes ${count === 1 ? 'a value' : 'two words'}`);
    flags.set(name, values);
    at += count;
  }
  return { positional, flags };
}

/** The value of a flag; undefined when it was not given. */
export function valueOf({ flags }: Args, name: Flag): string | undefined {
  return flags.get(name)?.[0];
}

/** The number that a flag gives; undefined when it was not given. @throws {UsageError} outside `min` to `max`. */
export function numberOf(
  args: Args,
  name: Flag,
  { min, max, whole }: { min: number; max: number; whole: boolean },
): number | undefined {
  const text = valueOf(args, name);
  if (text === undefined) return undefined;
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (!(value >= min && value <= max) || (whole && !Number.isInteger(value)))
    throw new UsageError(`--${name} takes a ${whole ? 'whole ' : ''}number from ${min} to ${max}`);
  return value;
}

/** @param what the command. @throws {UsageError} when a flag was given that it does not accept. */
export function allow({ flags }: Args, what: string, allowed: readonly Flag[]): void {
  for (const name of flags.keys())
    if (!allowed.includes(name)) throw new UsageError(`--${name} cannot be used with ${what}`);
}

/**
 * The operands of a command: the words after its name.
 * @param names one for each operand; with `?` if it is optional.
 * @throws {UsageError} when there are too many or too few.
 */
export function operandsOf(
  { positional }: Args,
  command: string,
  names: readonly string[],
): readonly string[] {
  const operands = positional.slice(command.split(' ').length);
  const least = names.filter((name) => !name.endsWith('?')).length;
  if (operands.length >= least && operands.length <= names.length) return operands;
  const form = names.map((name) => (name.endsWith('?') ? `[${name.slice(0, -1)}]` : name)).join(' ');
  throw new UsageError(`${command} takes ${form === '' ? 'no operands' : form}`);
}
