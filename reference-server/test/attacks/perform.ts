/** Runs one attack against a relay of its own, beside an honest client, and measures both. */
import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { start, stop } from '../process.ts';
import { type Allowance, type Attack, type Context, type Measured, MIB } from './attack.ts';
import { Attacker } from './attacker.ts';
import { commandLine, declaredWith } from './declared.ts';
import { clockMs, HonestClient, type Control, type Honest } from './honest.ts';
import { Watch, type Cost } from './watch.ts';

/** The honest client alone, before the attack: what its latency is compared with. */
const CALM_MS = { short: 600, full: 3_000 };
/** An attack that has not ended by itself after this long is ended. */
const MOST_MS = { short: 45_000, full: 120_000 };
/** An honest client may be this many times slower than before the attack, or as slow as presence may be. */
const SLOWER = 20;
/** Or this many times slower than one beside a relay that nobody attacks, when the machine has other things to do. */
const SLOWER_THAN_CONTROL = 8;

export interface Outcome {
  readonly attack: Pick<Attack, 'name' | 'about'>;
  readonly cost: Cost;
  readonly calm: Honest;
  readonly honest: Honest;
  readonly measured: readonly Measured[];
}

export const isBroken = ({ value, bound }: Measured) => !(value <= bound);

/** What the relay grew by. */
export function judgedMemory({ grown }: Cost, { bytes, from }: Allowance): Measured {
  const inMib = (size: number) => Math.round(size / MIB);
  return { what: 'memory grown', value: inMib(grown), unit: 'MiB', bound: inMib(bytes), from };
}

const OWN_ROOM = 'a room of its own, far below every limit';

/** What became of the messages of an honest client that were accepted. */
export function judgedLosses({ lost, twice }: Honest): Measured {
  return { what: 'honest: lost or twice', value: lost + twice, unit: 'messages', bound: 0, from: OWN_ROOM };
}

/** Whether all that it had to say was accepted in the time that it gave it. */
export function judgedRefusals({ refused }: Honest, bound = 0): Measured {
  return { what: 'honest: never accepted', value: refused, unit: 'messages', bound, from: OWN_ROOM };
}

/** @param control of a client whose relay nobody attacks, in the time of the attack. */
function judgedLatency(atMost: number, calm: Honest, control: Honest, honest: Honest): Measured {
  return {
    what: 'honest: p99',
    value: Math.round(honest.p99),
    unit: 'ms',
    bound: Math.round(Math.max(atMost, SLOWER * calm.p99, SLOWER_THAN_CONTROL * control.p99)),
    from: `presence_ms; or ${SLOWER} times its own p99 before, or ${SLOWER_THAN_CONTROL} times that of one beside a relay at peace`,
  };
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
  control: Control,
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
    const calmAt = clockMs();
    await pause(CALM_MS[size]);
    const calm = await client.between(calmAt, clockMs());
    let begunAt = 0;
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
        begunAt = clockMs();
        watch.begin();
      },
      settled: (mostMs) => watch.settled(mostMs, pause),
      pause,
    };
    const own = await attack.run(context);
    if (begunAt === 0) throw new Error(`${attack.name} never began`);
    tell('waiting for the honest client');
    const endedAt = clockMs();
    const [honest, undisturbed] = await Promise.all([
      client.between(begunAt, endedAt),
      control.client.between(begunAt, endedAt),
    ]);
    const cost = watch.cost();
    const measured = [
      ...own,
      judgedMemory(cost, attack.memory(declared)),
      judgedLosses(honest),
      judgedRefusals(honest),
      judgedLatency((attack.patience ?? 1) * declared.of('presence_ms'), calm, undisturbed, honest),
    ];
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
