/**
 * Connections in every state in which a client can leave one, as many as the relay lets one address have: others get in
 * meanwhile, and each place is free again when a declared timing has run out.
 */
import { pathOf } from '@bot2bot/schemas';
import { allowance, each, NO_RATES, type Attack, type Context, type Measured } from './attack.ts';
import type { Peer } from './attacker.ts';
import { heldBy } from './cost.ts';
import type { Declared } from './declared.ts';
import { fill, get, LONGEST } from './room.ts';
import { clientFrame, upgrade } from './websocket.ts';

const CONNECTIONS = 300;
const FLAGS = {
  ...NO_RATES,
  connections: CONNECTIONS,
  header_ms: 600,
  request_ms: 900,
  stalled_ms: 1_000,
  keepalive_ms: 500,
};
/** Timers of the relay look at everything every quarter of a second; and a turn to close hundreds. */
const TURN_MS = 1_000;
const PROBES = 10;

interface State {
  readonly name: string;
  readonly about: string;
  /** Bring a connection into it. @param index of the connection. */
  readonly enter: (peer: Peer, index: number, context: Context) => void;
  /** Timings whose sum is the longest that it may keep its place; empty when it may keep it. */
  readonly until: readonly (readonly [times: number, timing: string])[];
  /** What the attacker does once all are in it. */
  readonly then?: (context: Context) => Promise<unknown>;
}

const health = '/api/health';
const bodied = (length: number) =>
  `POST ${pathOf('postMessage', 'places')} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;

/** Send a character every tenth of a second for as long as it can. */
function drip(peer: Peer, { signal }: Context): void {
  const timer = setInterval(() => peer.send('x'), 100);
  const stop = () => clearInterval(timer);
  peer.socket.on('close', stop);
  signal.addEventListener('abort', stop);
}

const REFUSED_UPGRADES = [
  upgrade(pathOf('openSocket', '%')),
  upgrade('/nowhere'),
  upgrade(pathOf('openSocket', 'places'), ''),
];

const STATES: readonly State[] = [
  {
    name: 'silent',
    about: 'connected, and not a byte',
    enter: () => undefined,
    until: [
      [1, 'header_ms'],
      [1, 'stalled_ms'],
    ],
  },
  {
    name: 'half-a-header',
    about: 'half a header, then nothing',
    enter: (peer) => peer.send(`GET ${health} HTTP/1.1\r\nHost: x\r\nX-A: `),
    until: [
      [1, 'header_ms'],
      [1, 'stalled_ms'],
    ],
  },
  {
    name: 'dripping-header',
    about: 'a header that comes by the character',
    enter: (peer, _index, context) => {
      peer.send(`GET ${health} HTTP/1.1\r\nHost: x\r\nX-A: `);
      drip(peer, context);
    },
    until: [
      [1, 'header_ms'],
      [1, 'stalled_ms'],
    ],
  },
  {
    name: 'half-a-body',
    about: 'half a body, then nothing',
    enter: (peer) => peer.send(`${bodied(1_000)}{`),
    until: [
      [1, 'request_ms'],
      [1, 'stalled_ms'],
    ],
  },
  {
    name: 'dripping-body',
    about: 'a body that comes by the character',
    enter: (peer, _index, context) => {
      peer.send(`${bodied(1_000)}{`);
      drip(peer, context);
    },
    until: [
      [1, 'request_ms'],
      [1, 'stalled_ms'],
    ],
  },
  {
    name: 'half-closed',
    about: 'a request, then the end of what the client sends; the answer is not read',
    enter: (peer) => peer.socket.end(get(health)),
    until: [[1, 'stalled_ms']],
  },
  {
    name: 'half-closed-early',
    about: 'half a header, then the end of what the client sends',
    enter: (peer) => peer.socket.end(`GET ${health} HTTP/1.1\r\nHos`),
    until: [
      [1, 'header_ms'],
      [1, 'stalled_ms'],
    ],
  },
  {
    name: 'half-closed-waiter',
    about: 'a wait that parks, then the end of what the client sends',
    enter: (peer) => peer.socket.end(get(`${pathOf('waitForMessages', 'places')}?timeout=1`)),
    until: [
      [1, 'wait_min_ms'],
      [1, 'stalled_ms'],
    ],
  },
  {
    name: 'answered-with-close',
    about: 'answered with Connection: close; the client neither reads nor closes',
    enter: (peer) => peer.send(get(health, 'Connection: close\r\n')),
    until: [[1, 'stalled_ms']],
  },
  {
    name: 'unread-answer',
    about: 'more asked for than a socket takes, no answer read, every other client half-closed',
    enter: (peer, index) => {
      peer.send(get(`${pathOf('readTranscript', 'places')}?limit=500`));
      if (index % 2 === 1) peer.socket.end();
    },
    until: [[2, 'stalled_ms']],
  },
  {
    name: 'refused-upgrade',
    about: 'an upgrade that is refused (room, path, key); the client does not close',
    enter: (peer, index) => peer.send(REFUSED_UPGRADES[index % REFUSED_UPGRADES.length] ?? ''),
    until: [[1, 'stalled_ms']],
  },
  {
    name: 'garbage',
    about: 'what is no HTTP, answered with 400; the client does not close',
    enter: (peer) => peer.send('\u0001\u0002 nonsense\r\n\r\n'),
    until: [[1, 'stalled_ms']],
  },
  {
    name: 'too-large',
    about: 'a body that is refused with 413; the client sends no more of it and does not close',
    enter: (peer) => peer.send(bodied(10_000_000) + 'x'.repeat(1_000)),
    until: [
      [1, 'request_ms'],
      [1, 'stalled_ms'],
    ],
  },
  {
    name: 'unread-events',
    about: 'SSE that is opened and never read, in a room that goes on',
    enter: (peer) => peer.send(get(pathOf('streamEvents', 'places'))),
    // What the system's own buffers take comes first.
    then: (context) => fill(context, 'places', 100, LONGEST, context.attacker.address(1)),
    until: [[2, 'stalled_ms']],
  },
  {
    name: 'idle-events',
    about: 'SSE that is opened and never read, in a room where nothing happens',
    enter: (peer) => peer.send(get(pathOf('streamEvents', 'quiet'))),
    until: [],
  },
  {
    name: 'half-a-frame',
    about: 'a WebSocket with half a frame, then nothing',
    enter: (peer) => {
      peer.send(upgrade(pathOf('openSocket', 'quiet')));
      peer.send(clientFrame(0x81, Buffer.from('{"a":1}')).subarray(0, 5));
    },
    until: [
      [2, 'keepalive_ms'],
      [1, 'stalled_ms'],
    ],
  },
  {
    name: 'no-pong',
    about: 'a WebSocket that answers no ping',
    enter: (peer) => peer.send(upgrade(pathOf('openSocket', 'quiet'))),
    until: [
      [2, 'keepalive_ms'],
      [1, 'stalled_ms'],
    ],
  },
  {
    name: 'idle',
    about: 'a kept connection on which nothing is asked any more',
    enter: (peer) => peer.read().send(get(health)),
    until: [],
  },
];

function placesIn({ name, about, enter, until, then }: State): Attack {
  return {
    name: `places/${name}`,
    about: `${about}: ${CONNECTIONS + 100} connections`,
    flags: FLAGS,
    memory: (declared) =>
      allowance(
        [declared.of('answer_bytes'), 'answer_bytes'],
        [CONNECTIONS * declared.of('subscriber_bytes'), 'connections × subscriber_bytes'],
        // What `then` posts.
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
      await context.pause(100);
      const most = held();
      let refused = 0;
      await each(PROBES, 1, async () => {
        const newcomer = await attacker.open(attacker.other);
        newcomer.read().send(get(health, 'Connection: close\r\n'));
        if (!(await newcomer.first(2_000)).startsWith('HTTP/1.1 200')) refused++;
        newcomer.socket.destroy();
      });
      await then?.(context);
      const bound = longest(until, declared);
      while (until.length > 0 && held() > 0 && performance.now() - since < bound && !context.signal.aborted)
        await context.pause(20);
      const took = performance.now() - since;
      return [
        {
          what: 'places of one address',
          value: most,
          unit: 'connections',
          bound: declared.share('connections'),
          from: 'connections / address_share',
        },
        {
          what: 'newcomers that were kept out',
          value: refused,
          unit: `of ${PROBES}`,
          bound: 0,
          from: 'an address has a share of the connections, no more',
        },
        ...(until.length === 0
          ? []
          : [
              {
                what: `places held after ${Math.round(took)} ms`,
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

export const places: readonly Attack[] = STATES.map(placesIn);
