import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { BoxPub, Name, queryNumber, ROUTES } from '@bot2bot/schemas';
import type { FastifyInstance } from 'fastify';
import { Compile } from 'typebox/compile';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Client } from '../address.ts';
import { Incoming } from '../connections.ts';
import { LAST_CHUNK } from '../encoding.ts';
import { positionOf } from '../page.ts';
import { NO_STORE_HEADERS, RequestProblem, STREAM_HEADERS } from '../problem.ts';
import type { Relay } from '../relay.ts';
import type { Room, Subscriber } from '../room.ts';
import { queryOf, streamAt } from '../target.ts';
import { echoableNonce, fromSocket, parseObject } from '../validate.ts';
import { fastifyPath, type RoomRequest } from './paths.ts';

const isName = Compile(Name);
const isBoxPub = Compile(BoxPub);

function streamHead(more: Readonly<Record<string, string>>): Buffer {
  const headers = { 'Content-Type': 'text/event-stream; charset=utf-8', ...STREAM_HEADERS, ...more };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return Buffer.from(`HTTP/1.1 200 OK\r\n${lines.join('\r\n')}\r\n\r\n`);
}

/** Status line and headers of event streams. HTTP/1.0 has no chunks: the stream ends when the connection closes. */
const HEADS = {
  sse: streamHead({ 'Transfer-Encoding': 'chunked', Connection: 'close' }),
  'sse-plain': streamHead({ Connection: 'close' }),
} as const;
/** Maximum number of fragments of a WebSocket message (RFC 6455 §5.4); each uses memory until the last one arrives. */
const MOST_FRAGMENTS = 64;

/** The `Last-Event-ID` of this relay: `<epoch>:<seq>`. Any other value is ignored. @see STREAM-8 */
const EVENT_ID = /^([A-Za-z0-9_-]{8,32}):(\d{1,16})$/;

/** A request to open a stream. */
interface JoinRequest {
  readonly room: Room;
  readonly query: URLSearchParams;
  readonly lastEventId?: string | undefined;
}

/** Routes of streams: SSE and WebSocket. @see STREAM-1 STREAM-9 */
export function streamRoutes(app: FastifyInstance, relay: Relay): void {
  const { hub, clock, config, rate } = relay;
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: config.limits.frame_bytes,
    maxFragments: MOST_FRAGMENTS,
    maxBufferedChunks: config.limits.frame_bytes >> 6,
    clientTracking: false,
  });

  /** A subscriber at the position that the request names; not yet added to the room. @see STREAM-8 STREAM-10 READ-12 */
  function subscriber(
    join: JoinRequest,
    format: Subscriber['format'],
    socket: Socket,
    act: Pick<Subscriber, 'end' | 'hold'>,
  ): Subscriber {
    const { room } = join;
    const resumed = EVENT_ID.exec(join.lastEventId ?? '');
    const after = resumed === null ? join.query.get('after') : resumed[2];
    const epoch = resumed === null ? join.query.get('epoch') : (resumed[1] ?? null);
    const number = queryNumber(after, { min: 0, max: Number.MAX_SAFE_INTEGER, fallback: 0 });
    const position = positionOf(room, number, epoch);
    const name = join.query.get('name');
    const boxPub = join.query.get('box_pub');
    const now = clock.mono();
    return {
      format,
      socket,
      room,
      cursor: Math.max(position.after, room.log.oldestSeq - 1),
      // As of now: a message that is evicted during the replay was either sent already, or cuts the stream (READ-10).
      joining: {
        reset: position.reset,
        gap: room.log.gap(position.after),
        oldestSeq: room.log.oldestSeq,
      },
      blocked: false,
      blockedAt: 0,
      owesPresence: false,
      name: name !== null && isName.Check(name) ? name : undefined,
      boxPub: boxPub !== null && isBoxPub.Check(boxPub) ? boxPub : undefined,
      seenAt: now,
      heardAt: now,
      pingedAt: now,
      writtenAt: now,
      own: [],
      ...act,
    };
  }

  /** Reached only by requests that cannot take over their connection: HEAD, and requests pipelined after others. */
  app.get<RoomRequest>(fastifyPath(ROUTES.streamEvents.path), (request, reply) => {
    relay.checkRoomId(request.params.room);
    if (request.method === 'HEAD') {
      reply.hijack();
      reply.raw.writeHead(200, { ...STREAM_HEADERS, 'Content-Type': 'text/event-stream; charset=utf-8' });
      reply.raw.end();
      return reply;
    }
    reply.header('Connection', 'close');
    throw new RequestProblem('bad-request', { detail: 'a stream takes a connection of its own' });
  });

  app.get<RoomRequest>(fastifyPath(ROUTES.openSocket.path), (request) => {
    relay.checkRoomId(request.params.room);
    throw new RequestProblem('upgrade-required');
  });

  app.server.on('upgrade', (request: IncomingMessage, _duplex: Duplex, head: Buffer) => {
    const { socket } = request;
    socket.on('error', () => socket.destroy());
    if (request instanceof Incoming && request.hasTooManyPending) {
      socket.destroy();
      return;
    }
    try {
      const url = request.url ?? '/';
      const stream = streamAt(url);
      if (stream === null) throw new RequestProblem('not-found');
      const id = relay.checkRoomId(stream.room);
      const client = relay.clientOf(request);
      socket.on('close', relay.streams.take(client));
      const isNew = !hub.rooms.has(id);
      const room = hub.enter(id, client);
      const join = { room, query: queryOf(url) };
      if (stream.operation === 'streamEvents') openEvents(request, join);
      else sockets.handleUpgrade(request, socket, head, (ws) => accept(ws, socket, client, join));
      // If the handshake failed, do not keep the room that was created for it.
      if (isNew) hub.removeIfEmpty(room);
    } catch (error) {
      relay.connections.refuse(
        socket,
        error instanceof RequestProblem ? error : new RequestProblem('internal'),
      );
      socket.resume();
    }
  });
  sockets.on('headers', (headers) => {
    for (const [name, value] of Object.entries(NO_STORE_HEADERS)) headers.push(`${name}: ${value}`);
  });
  sockets.on('wsClientError', (_error, socket) => {
    if (socket instanceof Socket) relay.connections.refuse(socket, new RequestProblem('bad-request'));
  });

  function openEvents(request: IncomingMessage, join: Omit<JoinRequest, 'lastEventId'>): void {
    const { socket, headers, httpVersion } = request;
    const format = httpVersion === '1.0' ? 'sse-plain' : 'sse';
    socket.setNoDelay(true);
    const lastEventId = headers['last-event-id'];
    const resumed = typeof lastEventId === 'string' ? { ...join, lastEventId } : join;
    const end = () => (format === 'sse' ? socket.end(LAST_CHUNK) : socket.end());
    const sub = subscriber(resumed, format, socket, { end, hold: () => undefined });
    socket.on('close', () => hub.leave(sub));
    // Discard anything that the client sends; when it closes its side, close the stream.
    socket.on('end', () => socket.end()).resume();
    socket.write(HEADS[format]);
    hub.join(sub);
  }

  function accept(ws: WebSocket, socket: Socket, client: Client, join: JoinRequest): void {
    socket.setNoDelay(true);
    const sub = subscriber(join, 'ws', socket, {
      end: (code) => ws.close(code),
      hold: (held) => (held ? ws.pause() : ws.resume()),
    });
    ws.on('error', () => undefined);
    ws.on('close', () => hub.leave(sub));
    ws.on('pong', () => (sub.heardAt = clock.mono()));
    ws.on('ping', () => (sub.heardAt = clock.mono()));
    ws.on('message', (data, isBinary) => {
      sub.seenAt = sub.heardAt = clock.mono();
      void receive(sub, client, isBinary ? '' : Buffer.from(data as Buffer).toString());
    });
    hub.join(sub);
  }

  /** One text frame of a client. @see STREAM-14 STREAM-18 */
  async function receive(sub: Subscriber, client: Client, text: string): Promise<void> {
    const { id } = sub.room;
    let body: Record<string, unknown> | undefined;
    try {
      body = parseObject(text);
      const given = body;
      if (given['type'] === 'hello') {
        rate.admit(id, client);
        hello(sub, given);
      }
      if (Object.hasOwn(given, 'type')) return;
      const { kind, ...accepted } = await relay.post(id, client, () => fromSocket(given));
      hub.send(sub, {
        type: 'sent',
        nonce: given['nonce'],
        ...accepted,
        ...(kind === 'duplicate' ? { duplicate: true } : {}),
      });
    } catch (error) {
      const problem = error instanceof RequestProblem ? error : new RequestProblem('internal');
      const nonce = echoableNonce(body);
      hub.send(sub, {
        type: 'error',
        code: problem.status,
        error: problem.body.error,
        ...(nonce === undefined ? {} : { nonce }),
        ...(problem.retryAfter === undefined ? {} : { retry_after: problem.retryAfter }),
      });
    }
  }

  /** @see STREAM-13 STREAM-22 */
  function hello(sub: Subscriber, frame: Record<string, unknown>): void {
    const { name, box_pub: boxPub } = frame;
    if (!isName.Check(name)) return;
    if (sub.name !== undefined && sub.name !== name) {
      sub.room.notices.push(JSON.stringify({ type: 'rename', from: sub.name, to: name }));
    }
    sub.name = name;
    if (boxPub === null) sub.boxPub = undefined;
    else if (isBoxPub.Check(boxPub)) sub.boxPub = boxPub;
    hub.touch(sub.room);
    hub.markPresence(sub.room);
  }
}
