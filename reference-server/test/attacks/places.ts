/**
 * One address opens as many connections as it may, and leaves all in the same state. Meanwhile other clients must get in,
 * and the slots must be released when a declared timing has passed.
 */
import { allowance, each, NO_RATES, type Attack } from './attack.ts';
import { heldBy } from './cost.ts';
import type { Declared } from './declared.ts';
import { fill, get, LONGEST } from './room.ts';
import { health, STATES, type State } from './place-states.ts';

const CONNECTIONS = 300;
const FLAGS = {
  ...NO_RATES,
  connections: CONNECTIONS,
  header_ms: 600,
  request_ms: 900,
  stalled_ms: 2_500,
  keepalive_ms: 500,
};
/** Tolerance for the relay's timer, which runs every quarter of a second, and for closing hundreds of connections. */
const TURN_MS = 1_000;
const PROBES = 10;
/**
 * Connections that the relay is just refusing, and that it holds for a moment: sixteen are accepted per turn of the event
 * loop, and each is closed two turns later.
 */
const REFUSING = 3 * 16;

function connectionsIn({ name, about, flags, enter, until, afterwards }: State): Attack {
  return {
    name: `places/${name}`,
    about: `${about}: ${CONNECTIONS + 100} connections`,
    flags: { ...FLAGS, ...flags },
    patience: 5,
    memory: (declared) =>
      allowance(
        [declared.of('answer_bytes'), 'answer_bytes'],
        [CONNECTIONS * declared.of('subscriber_bytes'), 'connections × subscriber_bytes'],
        // The messages that `afterwards` posts.
        [100 * LONGEST, '100 × ciphertext_chars'],
      ),
    run: async (context) => {
      const { attacker, declared, relay, port } = context;
      const addresses = [attacker.address()];
      const held = () => heldBy(relay.child.pid ?? 0, port, addresses);
      if (name === 'unread-answer') await fill(context, 'places', 100, LONGEST, attacker.address(1));
      else await fill(context, 'places', 1, 8, attacker.address(1));
      await context.begin();
      await each(
        CONNECTIONS + 100,
        50,
        async (index) => enter(await attacker.open(), index, context),
        context.signal,
      );
      const since = performance.now();
      const share = declared.share('connections');
      for (let i = 0; i < 100 && held() > share + REFUSING; i++) await context.pause(20);
      const most = held();
      let refused = 0;
      await each(PROBES, 1, async () => {
        const newcomer = await attacker.open(attacker.other);
        newcomer.read().send(get(health, 'Connection: close\r\n'));
        if (!(await newcomer.first(10_000)).startsWith('HTTP/1.1 200')) refused++;
        newcomer.socket.destroy();
      });
      await afterwards?.(context);
      const bound = longest(until, declared);
      while (until.length > 0 && held() > 0 && performance.now() - since < bound && !context.signal.aborted)
        await context.pause(20);
      const took = performance.now() - since;
      return [
        {
          what: 'connections of one address',
          value: most,
          unit: 'connections',
          bound: share + REFUSING,
          from: `connections / address_share, and at most ${REFUSING} that are being refused`,
        },
        {
          what: 'other clients that were refused',
          value: refused,
          unit: `of ${PROBES}`,
          bound: 0,
          from: 'an address has a share of the connections, no more',
        },
        ...(until.length === 0
          ? []
          : [
              {
                what: `connections open after ${Math.round(took)} ms`,
                value: held(),
                unit: 'connections',
                bound: 0,
                from: `free again within ${until.map(named).join(' + ')} (and ${TURN_MS} ms)`,
              },
            ]),
      ];
    },
  };
}

const named = ([times, timing]: State['until'][number]) => (times === 1 ? timing : `${times} × ${timing}`);

function longest(until: State['until'], declared: Declared): number {
  return until.reduce((sum, [times, timing]) => sum + times * declared.of(timing), TURN_MS);
}

export const places: readonly Attack[] = STATES.map(connectionsIn);
