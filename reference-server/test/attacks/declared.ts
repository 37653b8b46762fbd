/** What the relay says of its limits and timings: its `--help`, and the flags that it was given. */
import { spawnSync } from 'node:child_process';
import { bin } from '../process.ts';

/** Limits that a relay may not have; what their absence is judged by. */
const IN_ABSENCE: Readonly<Record<string, number>> = {
  address_share: 8,
  answer_bytes: 16 << 20,
  cache_bytes: 256 << 20,
};

export interface Declared {
  /** Value of a limit or timing, by its name with underscores. @throws {RangeError} for an unknown name. */
  readonly of: (name: string) => number;
  /** What one address may take of a table at most. */
  readonly share: (name: string) => number;
}

let known: ReadonlyMap<string, number> | undefined;

/** Every limit and timing of the relay with its default, by name. */
function defaults(): ReadonlyMap<string, number> {
  if (known !== undefined) return known;
  const help = spawnSync('node', [bin, '--help'], { encoding: 'utf8' }).stdout;
  const rows = help.matchAll(/^ +--([a-z-]+) .*; (\d+)\)$/gm);
  return (known = new Map(
    [...rows].map(([, flag = '', value]) => [flag.replaceAll('-', '_'), Number(value)]),
  ));
}

const OTHER_FLAGS = new Set(['trusted_proxies', 'log_level']);

/** The command line for these flags, without those that this relay does not have. */
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
