/** Chapter 00: malformed requests, and bodies at the limit. */
import { pathOf } from '@bot2bot/schemas';
import type { Check } from '../check.ts';
import type { RelayScript } from '../../script/claims.ts';
import { headerOf } from '../../script/reply.ts';

/** Longer than the header limit of any HTTP library. */
const LONG_HEADER = 80_000;

interface Malformed {
  readonly what: string;
  readonly method: string;
  readonly path: string;
  readonly raw: string;
}

/** Requests that an HTTP library refuses before any handler is called. */
function malformed(t: RelayScript, room: string): Malformed[] {
  const base = new URL(t.target.url).pathname.replace(/\/$/, '');
  const [status, messages, socket] = [
    pathOf('probeRoom', room),
    pathOf('postMessage', room),
    pathOf('openSocket', room),
  ];
  const made = (what: string, line: string, headers: readonly string[], body = ''): Malformed => {
    const [method = '', target = ''] = line.split(' ');
    const path = target.startsWith('/') ? target : '*';
    const sent = path === '*' ? line : line.replace(target, base + target);
    const host = `Host: ${new URL(t.target.url).host}`;
    return { what, method, path, raw: [sent, host, ...headers, '', body].join('\r\n') };
  };
  return [
    made('a line that is no request', 'nonsense', []),
    made('a version that nobody speaks', `GET ${status} HTTP/9.9`, []),
    made('a request line without a version', `GET ${status}`, []),
    made('a method that nobody knows', `FROB ${status} HTTP/1.1`, []),
    made('a header without a colon', `GET ${status} HTTP/1.1`, ['no colon']),
    made('a header with a NUL', `GET ${status} HTTP/1.1`, ['X-Odd: a\0b']),
    made('a header that is too long', `GET ${status} HTTP/1.1`, [`X-Long: ${'x'.repeat(LONG_HEADER)}`]),
    made('an expectation that nobody meets', `GET ${status} HTTP/1.1`, ['Expect: the-unexpected']),
    made('a length that is no number', `POST ${messages} HTTP/1.1`, ['Content-Length: many'], '{}'),
    made('a negative length', `POST ${messages} HTTP/1.1`, ['Content-Length: -1'], '{}'),
    made('two lengths', `POST ${messages} HTTP/1.1`, ['Content-Length: 2', 'Content-Length: 3'], '{}'),
    made(
      'a chunk without a size',
      `POST ${messages} HTTP/1.1`,
      ['Transfer-Encoding: chunked'],
      'zz\r\n{}\r\n',
    ),
    made('half a handshake', `GET ${socket} HTTP/1.1`, ['Connection: Upgrade', 'Upgrade: websocket']),
    made('a handshake of another version', `GET ${socket} HTTP/1.1`, [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
      'Sec-WebSocket-Version: 99',
    ]),
  ];
}

export const MALFORMED_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'CORE-4/no-http',
    title: 'malformed HTTP is refused like other invalid requests, and the relay continues to serve',
    lane: 'quick',
    also: ['CORE-2'],
    run: async (t) => {
      const room = t.room();
      const replies = await t.all(
        ...malformed(t, room).map(({ what, method, path, raw }) => async (branch: RelayScript) => {
          const reply = await branch.raw(method, path, raw);
          // The relay may close the connection without an answer: no rule requires an answer to bytes that are not a request.
          const ok = reply.status < 500 || reply.status === 503;
          branch.require('CORE-4', ok, `no 5xx but 503 to ${what}`, reply);
          if (branch.hardened && reply.status >= 400)
            branch.require(
              'CORE-2',
              reply.header('content-type').includes('application/problem+json'),
              `a problem document to ${what}`,
              headerOf(reply, 'Content-Type'),
            );
          return reply;
        }),
      );
      const after = await t.post(room);
      t.require('CORE-4', after.status === 200, 'a valid post is accepted afterwards', ...replies, after);
    },
  },
  {
    id: 'CORE-8/at-the-limit',
    title: 'a body of body_bytes is accepted and a longer one refused, with Content-Length or chunked',
    lane: 'quick',
    also: ['CORE-5'],
    run: async (t) => {
      const most = t.target.limits.body_bytes;
      for (const [how, headers] of [
        ['with its length', {}],
        ['in chunks', { 'Transfer-Encoding': 'chunked' }],
      ] as const) {
        for (const length of [most, most + 1, most * 2]) {
          const body = { ...t.sealed(), filler: '' };
          const filler = 'x'.repeat(length - JSON.stringify(body).length);
          const reply = await t.send('postMessage', t.room(), { ...body, filler }, { headers });
          const [rule, status] = length > most ? (['CORE-8', 413] as const) : (['CORE-5', 200] as const);
          t.require(rule, reply.status === status, `${status} to ${length} bytes ${how}`, reply);
        }
      }
    },
  },
];
