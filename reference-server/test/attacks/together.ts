/** All attacks at once, again and again, against one relay with the limits that it has by itself. */
import { setMaxListeners } from 'node:events';
import { stop, start } from '../process.ts';
import { allowance, type Attack, type Context } from './attack.ts';
import { Attacker } from './attacker.ts';
import { declaredWith } from './declared.ts';
import { clockMs, HonestClient } from './honest.ts';
import { judgedMemory, judgedLosses, judgedRefusals, pauseUntil, type Outcome } from './perform.ts';
import { Watch } from './watch.ts';

/** The first of their networks: each attack has addresses of its own. */
const FIRST_NET = 10;

/**
 * @param seconds how long.
 * @throws when the relay did not outlive them.
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
        // What it finds is for a run of its own; here it only has to go on.
        await attack.run(context).catch(() => undefined);
        context.attacker.letGo();
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
      // Together they may write as often as so many addresses: what that leaves of one processor is printed, not bound.
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
