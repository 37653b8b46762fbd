/** Definitions of an attack and of its bounds. */
import type { Declared } from './declared.ts';
import type { Attacker } from './attacker.ts';
import type { Started } from '../process.ts';

/** A measured value and its upper bound. */
export interface Measured {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly bound: number;
  /** How the bound is derived from the limits and timings that the relay declares. */
  readonly from: string;
}

/** Maximum growth of the relay's memory in bytes, and how it is derived. */
export interface Allowance {
  readonly bytes: number;
  readonly from: string;
}

export interface Context {
  readonly relay: Started;
  readonly port: number;
  /** `short` takes a few seconds, for the tests; `full` takes as long as it needs to show the cost. */
  readonly size: 'short' | 'full';
  readonly declared: Declared;
  readonly attacker: Attacker;
  /** Aborted when the attack has to end: it then stops at once. */
  readonly signal: AbortSignal;
  /** Report progress. */
  readonly tell: (text: string) => void;
  /** End the preparation: cost is measured from now on. */
  readonly begin: () => Promise<void>;
  /** Resolves when the relay is idle, or after `mostMs`. */
  readonly settled: (mostMs: number) => Promise<void>;
  /** Resolves after `ms`, or when the attack has to end. */
  readonly pause: (ms: number) => Promise<void>;
}

export interface Attack {
  /** `kind/idea`. */
  readonly name: string;
  /** What the attack does, in one line. */
  readonly about: string;
  /** Flags for the relay, by name with underscores; flags that the relay does not know are omitted. */
  readonly flags: Readonly<Record<string, number | string>>;
  readonly memory: (declared: Declared) => Allowance;
  /**
   * Latency bound of the honest client as a multiple of `presence_ms`; 1 if absent. Higher for attacks that run without rate
   * limits: they test the limits of tables, not latency.
   */
  readonly patience?: number;
  /** Run the attack. @returns its own measurements; the caller measures memory and the honest client. */
  readonly run: (context: Context) => Promise<readonly Measured[]>;
}

const MANY = 1_000_000_000;
/** Flags that disable rate limits, for attacks that test other limits. */
export const NO_RATES = {
  room_burst: MANY,
  room_rate: MANY,
  address_burst: MANY,
  address_rate: MANY,
  address_registrations: MANY,
} as const;

export const MIB = 1 << 20;
/** Heap growth under load that is independent of what the relay holds: garbage between two collections. */
const RUNTIME_MIB = 96;

/** The sum of the declared amounts that the relay may hold, plus RUNTIME_MIB. */
export function allowance(...parts: readonly (readonly [bytes: number, from: string])[]): Allowance {
  return {
    bytes: parts.reduce((sum, [bytes]) => sum + bytes, 0) + RUNTIME_MIB * MIB,
    from: [...parts.map(([, from]) => from), `${RUNTIME_MIB} MiB of runtime`].join(' + '),
  };
}

/** Call `act` with 0 to `count - 1`, with at most `atOnce` calls in progress. */
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

/** Call `act` at a constant rate per second for `ms`, even if earlier calls have not resolved; then wait for all calls. */
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
