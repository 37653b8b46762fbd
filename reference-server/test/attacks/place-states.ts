/** States in which a client can leave a connection, and the timings after which the relay must close it. */
import { pathOf } from '@bot2bot/schemas';
import type { Context } from './attack.ts';
import type { Peer } from './attacker.ts';
import { fill, get, LONGEST } from './room.ts';
import { clientFrame, upgrade } from './websocket.ts';

export interface State {
  readonly name: string;
  readonly about: string;
  /** Additional flags of the relay for this state. */
  readonly flags?: Readonly<Record<string, number>>;
  /** Bring a connection into this state. @param index number of the connection. */
  readonly enter: (peer: Peer, index: number, context: Context) => void;
  /** Timings whose sum is the maximum time until the relay closes the connection; empty if it may stay open. */
  readonly until: readonly (readonly [times: number, timing: string])[];
  /** Further actions of the attacker, when all connections are in this state. */
  readonly afterwards?: (context: Context) => Promise<unknown>;
}

export const health = '/api/health';
const bodied = (length: number) =>
  `POST ${pathOf('postMessage', 'places')} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;

/** Send a character every tenth of a second until the connection closes. */
function drip(peer: Peer, { signal }: Context): void {
  const timer = setInterval(() => peer.send('x'), 100);
  const stop = () => clearInterval(timer);
  peer.socket.on('close', stop);
  signal.addEventListener('abort', stop);
}

const REFUSED_UPGRADES = [
  upgrade(pathOf('openSocket', '%')),
  upgrade(pathOf('openSocket', 'places'), ''),
  upgrade(pathOf('openSocket', 'places'), 'Sec-WebSocket-Key: A\r\n'),
];

/** An interval of pings that allows a missed pong, as on a bad network. */
const PINGED = { keepalive_ms: 3_000 };

export const STATES: readonly State[] = [
  {
    name: 'silent',
    about: 'connected, then nothing is sent',
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
    about: 'a header that is sent one character at a time',
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
    about: 'a body that is sent one character at a time',
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
    about: 'answers larger than the socket buffers, not read; every second client half-closed',
    enter: (peer, index) => {
      peer.send(get(`${pathOf('readTranscript', 'places')}?limit=500`));
      if (index % 2 === 1) peer.socket.end();
    },
    until: [[2, 'stalled_ms']],
  },
  {
    name: 'refused-upgrade',
    about: 'an upgrade that is refused (room, no key, a bad one); the client does not close',
    enter: (peer, index) => peer.send(REFUSED_UPGRADES[index % REFUSED_UPGRADES.length] ?? ''),
    until: [[1, 'stalled_ms']],
  },
  {
    name: 'ignored-upgrade',
    about: 'an upgrade on a path without WebSockets, handled as an ordinary request; then nothing',
    enter: (peer) => peer.send(upgrade('/nowhere')),
    until: [],
  },
  {
    name: 'garbage',
    about: 'bytes that are not HTTP, answered with 400; the client does not close',
    enter: (peer) => peer.send('\u0001\u0002 nonsense\r\n\r\n'),
    until: [[1, 'stalled_ms']],
  },
  {
    name: 'too-large',
    about: 'a body that is refused with 413; the client stops sending and does not close',
    enter: (peer) => peer.send(bodied(10_000_000) + 'x'.repeat(1_000)),
    until: [
      [1, 'request_ms'],
      [1, 'stalled_ms'],
    ],
  },
  {
    name: 'unread-events',
    about: 'an SSE stream that is never read, in an active room',
    enter: (peer) => peer.send(get(pathOf('streamEvents', 'places'))),
    // First fill the buffers of the operating system.
    afterwards: (context) => fill(context, 'places', 100, LONGEST, context.attacker.address(1)),
    until: [[2, 'stalled_ms']],
  },
  {
    name: 'idle-events',
    about: 'an SSE stream that is never read, in an idle room',
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
    until: [[4, 'keepalive_ms']],
    flags: PINGED,
  },
  {
    name: 'no-pong',
    about: 'a WebSocket that never answers pings',
    enter: (peer) => peer.send(upgrade(pathOf('openSocket', 'quiet'))),
    until: [[4, 'keepalive_ms']],
    flags: PINGED,
  },
  {
    name: 'idle',
    about: 'a keep-alive connection without further requests',
    enter: (peer) => peer.read().send(get(health)),
    until: [],
  },
];
