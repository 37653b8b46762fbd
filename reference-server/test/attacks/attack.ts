/** What an attack is, and what it is judged by. */
import type { Declared } from './declared.ts';
import type { Attacker } from './attacker.ts';
import type { Started } from '../process.ts';

/** A figure and what it may be at most. */
export interface Measured {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly bound: number;
  /** What the bound follows from: limits and timings that the relay declares. */
  readonly from: string;
}

/** What an attack may add to the relay's memory, in bytes, and what that follows from. */
export interface Allowance {
  readonly bytes: number;
  readonly from: string;
}

export interface Context {
  readonly relay: Started;
  readonly port: number;
  /** A few seconds, for the tests; or as much as shows the cost well. */
  readonly size: 'short' | 'full';
  readonly declared: Declared;
  readonly attacker: Attacker;
  /** Aborted when the attack has to end: it then stops what it does, in any state. */
  readonly signal: AbortSignal;
  /** Say how far it has come. */
  readonly tell: (text: string) => void;
  /** What came before was preparation; cost is counted from now on. */
  readonly begin: () => Promise<void>;
  /** Resolves when the relay has nothing more to do, or after `mostMs`. */
  readonly settled: (mostMs: number) => Promise<void>;
  /** Resolves after `ms`, or when the attack has to end. */
  readonly pause: (ms: number) => Promise<void>;
}

export interface Attack {
  /** `kind/idea`. */
  readonly name: string;
  /** What is done to the relay, in a sentence. */
  readonly about: string;
  /** Flags of the relay by name with underscores; those that a relay does not know are left out. */
  readonly flags: Readonly<Record<string, number | string>>;
  readonly memory: (declared: Declared) => Allowance;
  /**
   * How many times `presence_ms` an honest client may wait; 1 if absent. More for those that do what is allowed at full
   * speed, without rates: they are about what is left of a table afterwards.
   */
  readonly patience?: number;
  /** @returns what is its own; memory and what became of the honest client are measured around it. */
  readonly run: (context: Context) => Promise<readonly Measured[]>;
}

const MANY = 1_000_000_000;
/** For attacks that are about something else than the rates. */
export const NO_RATES = {
  room_burst: MANY,
  room_rate: MANY,
  address_burst: MANY,
  address_rate: MANY,
  address_registrations: MANY,
} as const;

export const MIB = 1 << 20;
/** What the runtime's heap may grow by under load, whatever the relay holds: garbage between two collections. */
const RUNTIME_MIB = 96;

/** Sum of what the relay declares that it may hold, and the runtime's own. */
export function allowance(...parts: readonly (readonly [bytes: number, from: string])[]): Allowance {
  return {
    bytes: parts.reduce((sum, [bytes]) => sum + bytes, 0) + RUNTIME_MIB * MIB,
    from: [...parts.map(([, from]) => from), `${RUNTIME_MIB} MiB of runtime`].join(' + '),
  };
}

/** Call `act` with 0 to `count - 1`, at most `atOnce` at a time. */
export async function each(
  count: number,
  atOnce: number,
  act: (index: number) => Promise<unknown>,
  signal?: AbortSignal,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < count && signal?.aborted !== true; index = next++) await act(index);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, worker));
}

/** Call `act` so many times a second for `ms`, whether or not earlier calls have resolved; wait for all of them. */
export async function steadily(
  { perSecond, ms }: { perSecond: number; ms: number },
  { pause, signal }: Pick<Context, 'pause' | 'signal'>,
  act: (index: number) => Promise<unknown>,
): Promise<void> {
  const startedAt = performance.now();
  const calls: Promise<unknown>[] = [];
  for (;;) {
    const elapsed = performance.now() - startedAt;
    if (elapsed >= ms || signal.aborted) break;
    while (calls.length < (elapsed / 1000) * perSecond) calls.push(act(calls.length));
    await pause(10);
  }
  await Promise.allSettled(calls);
}
