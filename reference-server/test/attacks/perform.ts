/** Runs one attack against a relay of its own, beside an honest client, and measures both. */
import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { totalmem } from 'node:os';
import { start, stop, type Started } from '../process.ts';
import { type Attack, type Context, type Measured, MIB } from './attack.ts';
import { Attacker } from './attacker.ts';
import { forgetPeak, memoryOf, processorSeconds } from './cost.ts';
import { commandLine, declaredWith, type Declared } from './declared.ts';
import { HonestClient, type Honest } from './honest.ts';

/** The honest client alone, before the attack: what its latency is compared with. */
const CALM_MS = { short: 600, full: 3_000 };
/** An attack that has not ended by itself after this long is ended. */
const MOST_MS = { short: 45_000, full: 120_000 };
/** A relay that holds this much is stopped before the machine is out of memory. */
const TOO_MUCH = Math.min(8_192 * MIB, totalmem() / 2);
/** An honest client may be this much slower than without the attack, or as slow as presence may be. */
const SLOWER = 20;

export interface Cost {
  /** Peak of resident memory above what it was when the attack began, in bytes. */
  readonly grown: number;
  readonly processorSeconds: number;
  /** How long the attack took, in seconds. */
  readonly seconds: number;
}

export interface Outcome {
  readonly attack: Pick<Attack, 'name' | 'about'>;
  readonly cost: Cost;
  readonly calm: Honest;
  readonly honest: Honest;
  readonly measured: readonly Measured[];
}

export const isBroken = ({ value, bound }: Measured) => !(value <= bound);

/** What every attack is judged by besides its own figures. */
export function judged(
  declared: Declared,
  { grown }: Cost,
  allowed: { readonly bytes: number; readonly from: string },
  calm: Honest,
  honest: Honest,
): Measured[] {
  const presence = declared.of('presence_ms');
  return [
    {
      what: 'memory grown',
      value: Math.round(grown / MIB),
      unit: 'MiB',
      bound: Math.round(allowed.bytes / MIB),
      from: allowed.from,
    },
    {
      what: 'honest: lost, twice or never accepted',
      value: honest.lost + honest.twice + honest.refused,
      unit: 'messages',
      bound: 0,
      from: 'a room of its own, far below every limit',
    },
    {
      what: 'honest: p99',
      value: Math.round(honest.p99),
      unit: 'ms',
      bound: Math.round(Math.max(presence, SLOWER * calm.p99)),
      from: `presence_ms, or ${SLOWER} times its own p99 without the attack`,
    },
  ];
}

/** Watches the relay's process from outside. */
export class Watch {
  readonly #pid: number;
  #base = { memory: 0, processor: 0, at: 0 };
  readonly #guard: NodeJS.Timeout;

  constructor(relay: Started, onTooMuch: () => void) {
    this.#pid = relay.child.pid ?? 0;
    this.#guard = setInterval(() => {
      try {
        if (memoryOf(this.#pid).now <= TOO_MUCH) return;
      } catch {
        // It is gone; whoever asks it will know.
        return;
      }
      relay.child.kill('SIGKILL');
      onTooMuch();
    }, 100);
    this.begin();
  }

  begin(): void {
    forgetPeak(this.#pid);
    this.#base = {
      memory: memoryOf(this.#pid).now,
      processor: processorSeconds(this.#pid),
      at: performance.now(),
    };
  }

  /** @throws the system's error when the relay is gone. */
  cost(): Cost {
    return {
      grown: memoryOf(this.#pid).peak - this.#base.memory,
      processorSeconds: processorSeconds(this.#pid) - this.#base.processor,
      seconds: (performance.now() - this.#base.at) / 1000,
    };
  }

  /** Resolves when the relay hardly works any more. */
  async settled(mostMs: number, pause: (ms: number) => Promise<void>): Promise<void> {
    const until = performance.now() + mostMs;
    for (let idle = 0; idle < 2 && performance.now() < until;) {
      const before = processorSeconds(this.#pid);
      await pause(150);
      idle = processorSeconds(this.#pid) - before <= 0.05 ? idle + 1 : 0;
    }
  }

  close(): void {
    clearInterval(this.#guard);
  }
}

/** Resolves after `ms`, or when `signal` is aborted. */
export function pauseUntil(signal: AbortSignal): (ms: number) => Promise<void> {
  return (ms) =>
    new Promise((resolve) => {
      if (signal.aborted) {
        resolve();
        return;
      }
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done);
    });
}

/**
 * Run it.
 * @param net third number of the attacker's addresses.
 * @throws when the relay did not outlive the attack.
 */
export async function perform(
  attack: Attack,
  size: 'short' | 'full',
  { net = 1, tell = () => undefined }: { net?: number; tell?: (text: string) => void } = {},
): Promise<Outcome> {
  const relay = await start(commandLine(attack.flags));
  const port = Number(new URL(relay.url).port);
  const declared = declaredWith(attack.flags);
  const end = new AbortController();
  setMaxListeners(0, end.signal);
  const watch = new Watch(relay, () => end.abort());
  const attacker = new Attacker(port, net);
  const room = `honest-${randomUUID()}`;
  let honestClient: HonestClient | undefined;
  const timer = setTimeout(() => end.abort(), MOST_MS[size]);
  const pause = pauseUntil(end.signal);
  try {
    const client = (honestClient = await HonestClient.start(port, room));
    let calm: Honest | undefined;
    const context: Context = {
      relay,
      port,
      size,
      declared,
      attacker,
      signal: end.signal,
      tell,
      begin: async () => {
        // What the preparation left to do is not counted.
        await watch.settled(2_000, pause);
        await client.window();
        await pause(CALM_MS[size]);
        calm = await client.window();
        watch.begin();
      },
      settled: (mostMs) => watch.settled(mostMs, pause),
      pause,
    };
    const own = await attack.run(context);
    if (calm === undefined) throw new Error(`${attack.name} never began`);
    tell('waiting for the honest client');
    const honest = await client.window();
    const cost = watch.cost();
    const measured = [...own, ...judged(declared, cost, attack.memory(declared), calm, honest)];
    return { attack, cost, calm, honest, measured };
  } catch (error) {
    const { exitCode, signalCode } = relay.child;
    if (exitCode === null && signalCode === null) throw error;
    throw new Error(`the relay did not outlive ${attack.name} (${exitCode ?? signalCode})`, { cause: error });
  } finally {
    clearTimeout(timer);
    end.abort();
    watch.close();
    honestClient?.close();
    attacker.close();
    await stop(relay, 'SIGKILL');
  }
}
