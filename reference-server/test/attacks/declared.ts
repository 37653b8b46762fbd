/** The limits and timings of the relay: the defaults in its `--help`, and the flags that it was given. */
import { spawnSync } from 'node:child_process';
import { bin } from '../process.ts';

/** Values to assume for limits that a relay may lack. */
const IN_ABSENCE: Readonly<Record<string, number>> = {
  address_share: 8,
  answer_bytes: 16 << 20,
  cache_bytes: 256 << 20,
};

export interface Declared {
  /** Value of a limit or timing, by its name with underscores. @throws {RangeError} for an unknown name. */
  readonly of: (name: string) => number;
  /** Maximum use of a table by one address. */
  readonly share: (name: string) => number;
}

let known: ReadonlyMap<string, number> | undefined;

/** The default of every limit and timing of the relay, by name. */
function defaults(): ReadonlyMap<string, number> {
  if (known !== undefined) return known;
  const help = spawnSync('node', [bin, '--help'], { encoding: 'utf8' }).stdout;
  const rows = help.matchAll(/^ +--([a-z-]+) .*; (\d+)\)$/gm);
  return (known = new Map(
    [...rows].map(([, flag = '', value]) => [flag.replaceAll('-', '_'), Number(value)]),
  ));
}

const OTHER_FLAGS = new Set(['trusted_proxies', 'log_level']);

/** The command line for these flags, without flags that this relay lacks. */
export function commandLine(flags: Readonly<Record<string, number | string>>): string[] {
  return Object.entries(flags).flatMap(([name, value]) =>
    defaults().has(name) || OTHER_FLAGS.has(name) ? [`--${name.replaceAll('_', '-')}`, String(value)] : [],
  );
}

export function declaredWith(flags: Readonly<Record<string, number | string>>): Declared {
  const of = (name: string): number => {
    const value = flags[name] ?? defaults().get(name) ?? IN_ABSENCE[name];
    if (typeof value !== 'number') throw new RangeError(`the relay declares no ${name}`);
    return value;
  };
  return { of, share: (name) => Math.max(1, Math.ceil(of(name) / of('address_share'))) };
}
