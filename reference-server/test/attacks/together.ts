/** All attacks at once, repeatedly, against one relay with its default limits. */
import { setMaxListeners } from 'node:events';
import { stop, start } from '../process.ts';
import { allowance, type Attack, type Context } from './attack.ts';
import { Attacker } from './attacker.ts';
import { declaredWith } from './declared.ts';
import { clockMs, HonestClient } from './honest.ts';
import { judgedMemory, judgedLosses, judgedRefusals, pauseUntil, type Outcome } from './perform.ts';
import { Watch } from './watch.ts';

/** Network number of the first attack: each attack has its own addresses. */
const FIRST_NET = 10;

/**
 * Run all attacks at once.
 * @param seconds duration.
 * @throws when the relay exits.
 */
export async function allAtOnce(
  attacks: readonly Attack[],
  seconds: number,
  tell: (text: string) => void,
): Promise<Outcome> {
  const relay = await start([]);
  const port = Number(new URL(relay.url).port);
  const declared = declaredWith({});
  const end = new AbortController();
  setMaxListeners(0, end.signal);
  const watch = new Watch(relay, () => end.abort());
  const pause = pauseUntil(end.signal);
  const attackers = attacks.map((_attack, i) => new Attacker(port, FIRST_NET + i));
  let client: HonestClient | undefined;
  try {
    client = await HonestClient.start(port, 'honest-room');
    const calmAt = clockMs();
    await pause(3_000);
    const begunAt = clockMs();
    const calm = await client.between(calmAt, begunAt);
    watch.begin();
    const rounds = attacks.map(async (attack, i) => {
      const attacker = attackers[i];
      const context: Context = {
        relay,
        port,
        size: 'short',
        declared,
        attacker: attacker ?? new Attacker(port, FIRST_NET),
        signal: end.signal,
        tell: () => undefined,
        begin: async () => undefined,
        settled: (mostMs) => watch.settled(Math.min(mostMs, 5_000), pause),
        pause,
      };
      while (!end.signal.aborted) {
        // Measurements and failures of single attacks do not count here: attacks just have to continue.
        await attack.run(context).catch(() => undefined);
        context.attacker.destroyAll();
        await pause(100);
      }
    });
    for (let second = 0; second < seconds && !end.signal.aborted; second++) {
      tell(`${attacks.length} attacks at once, ${second} of ${seconds} s`);
      await pause(1_000);
    }
    const cost = watch.cost();
    const reported = client.between(begunAt, clockMs());
    end.abort();
    for (const attacker of attackers) attacker.close();
    tell('waiting for the honest client');
    const honest = await reported;
    await Promise.race([Promise.allSettled(rounds), new Promise((resolve) => setTimeout(resolve, 2_000))]);
    const { of } = declared;
    const allowed = allowance(
      [of('relay_bytes'), 'relay_bytes'],
      [of('cache_bytes'), 'cache_bytes'],
      [of('dm_bytes'), 'dm_bytes'],
      [of('profiles') * of('profile_bytes'), 'profiles × profile_bytes'],
      [of('connections') * of('subscriber_bytes'), 'connections × subscriber_bytes'],
      [attacks.length * of('answer_bytes'), `${attacks.length} × answer_bytes`],
    );
    return {
      attack: { name: 'all-at-once', about: `all of them for ${seconds} s, with the default limits` },
      cost,
      calm,
      honest,
      // Together, their addresses may legitimately use up the processor: latency and refusals are printed, but have no bound.
      measured: [judgedMemory(cost, allowed), judgedLosses(honest), judgedRefusals(honest, Infinity)],
    };
  } catch (error) {
    const { exitCode, signalCode } = relay.child;
    if (exitCode === null && signalCode === null) throw error;
    throw new Error(`the relay did not outlive them (${exitCode ?? signalCode})`, { cause: error });
  } finally {
    end.abort();
    watch.close();
    client?.close();
    for (const attacker of attackers) attacker.close();
    await stop(relay, 'SIGKILL');
  }
}
