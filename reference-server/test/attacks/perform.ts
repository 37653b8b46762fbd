/** Runs one attack against a new relay that also serves an honest client, and measures relay and client. */
import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { start, stop } from '../process.ts';
import { type Allowance, type Attack, type Context, type Measured, MIB } from './attack.ts';
import { Attacker } from './attacker.ts';
import { commandLine, declaredWith } from './declared.ts';
import { clockMs, HonestClient, type Control, type Honest } from './honest.ts';
import { Watch, type Cost } from './watch.ts';

/** Duration of the phase before the attack, which gives the honest client's normal latency. */
const CALM_MS = { short: 600, full: 3_000 };
/** Maximum duration of an attack; then it is aborted. */
const MOST_MS = { short: 45_000, full: 120_000 };
/** Maximum factor by which an attack may slow the honest client, compared with before the attack. */
const SLOWER = 20;
/** The same, compared with the control client, which counts when the machine has other load. */
const SLOWER_THAN_CONTROL = 8;

export interface Outcome {
  readonly attack: Pick<Attack, 'name' | 'about'>;
  readonly cost: Cost;
  readonly calm: Honest;
  readonly honest: Honest;
  readonly measured: readonly Measured[];
}

export const isBroken = ({ value, bound }: Measured) => !(value <= bound);

/** Growth of the relay's memory. */
export function judgedMemory({ grown }: Cost, { bytes, from }: Allowance): Measured {
  const inMib = (size: number) => Math.round(size / MIB);
  return { what: 'memory grown', value: inMib(grown), unit: 'MiB', bound: inMib(bytes), from };
}

const OWN_ROOM = 'a room of its own, far below every limit';

/** Accepted messages of the honest client that were lost or delivered twice. */
export function judgedLosses({ lost, twice }: Honest): Measured {
  return {
    what: 'honest client: lost or delivered twice',
    value: lost + twice,
    unit: 'messages',
    bound: 0,
    from: OWN_ROOM,
  };
}

/** Messages of the honest client that were not accepted in time. */
export function judgedRefusals({ refused }: Honest, bound = 0): Measured {
  return { what: 'honest client: never accepted', value: refused, unit: 'messages', bound, from: OWN_ROOM };
}

/** @param control results of the control client during the attack. */
function judgedLatency(atMost: number, calm: Honest, control: Honest, honest: Honest): Measured {
  return {
    what: 'honest client: p99',
    value: Math.round(honest.p99),
    unit: 'ms',
    bound: Math.round(Math.max(atMost, SLOWER * calm.p99, SLOWER_THAN_CONTROL * control.p99)),
    from: `presence_ms; or ${SLOWER} times its own p99 before, or ${SLOWER_THAN_CONTROL} times that of a client of a relay that is not attacked`,
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
 * Run an attack.
 * @param net third octet of the attacker's addresses.
 * @throws when the relay exits during the attack.
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
        // Work that remains from the preparation does not count.
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
