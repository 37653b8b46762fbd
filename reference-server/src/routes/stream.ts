import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { BoxPub, Name, queryNumber, ROUTES } from '@bot2bot/schemas';
import type { FastifyInstance } from 'fastify';
import { Compile } from 'typebox/compile';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Client } from '../address.ts';
import { rawAnswer, RequestProblem, ROOM_HEADERS } from '../problem.ts';
import { positionOf, type Relay } from '../relay.ts';
import type { Subscriber } from '../room.ts';
import { echoableNonce, fromSocket, parseObject } from '../validate.ts';
import { fastifyPath, queryOf, type RoomRequest } from './paths.ts';

const isName = Compile(Name);
const isBoxPub = Compile(BoxPub);

const SSE_HEAD = Buffer.from(
  [
    'HTTP/1.1 200 OK',
    'Content-Type: text/event-stream; charset=utf-8',
    ...Object.entries(ROOM_HEADERS).map(([name, value]) => `${name}: ${value}`),
    'X-Accel-Buffering: no',
    'Connection: close',
    '\r\n',
  ].join('\r\n'),
);

/** `<epoch>:<seq>`; anything else is not ours. @see STREAM-8 */
const EVENT_ID = /^([A-Za-z0-9_-]{8,32}):(\d{1,16})$/;
const ROOM_OF_SOCKET = new RegExp(`^${ROUTES.openSocket.path.replace('{room}', '([^/]*)')}$`);

/** What of a query makes a subscriber. */
interface Place {
  readonly id: string;
  readonly query: URLSearchParams;
  readonly lastEventId?: string | undefined;
}

/** SSE and WebSocket. @see STREAM-1 STREAM-9 */
export function streamRoutes(app: FastifyInstance, relay: Relay): void {
  const { hub, clock, config, rate } = relay;
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: config.limits.frame_bytes,
    clientTracking: false,
  });

  /** A subscriber that stands where the request says; not yet in the room. @see STREAM-8 STREAM-10 READ-12 */
  function subscriber(
    place: Place,
    format: Subscriber['format'],
    socket: Socket,
    act: Pick<Subscriber, 'end' | 'hold'>,
  ): Subscriber {
    const room = hub.enter(place.id);
    const resumed = EVENT_ID.exec(place.lastEventId ?? '');
    const after = resumed === null ? place.query.get('after') : resumed[2];
    const epoch = resumed === null ? place.query.get('epoch') : (resumed[1] ?? null);
    const number = queryNumber(after, { min: 0, max: Number.MAX_SAFE_INTEGER, fallback: 0 });
    const position = positionOf(room, number, epoch);
    const name = place.query.get('name');
    const boxPub = place.query.get('box_pub');
    const now = clock.mono();
    return {
      format,
      socket,
      room,
      cursor: Math.max(position.after, room.log.oldestSeq - 1),
      // As they are now: what goes while it is replayed has been sent, or cuts the stream (READ-10).
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
      writtenAt: now,
      own: [],
      ...act,
    };
  }

  app.get<RoomRequest>(fastifyPath(ROUTES.streamEvents.path), (request, reply) => {
    const id = relay.checkRoomId(request.params.room);
    const release = relay.streams.take(relay.clientOf(request.raw));
    reply.hijack();
    const { socket } = request.raw;
    socket.setNoDelay(true);
    const lastEventId = request.headers['last-event-id'];
    const place = {
      id,
      query: queryOf(request.url),
      lastEventId: typeof lastEventId === 'string' ? lastEventId : undefined,
    };
    const sub = subscriber(place, 'sse', socket, { end: () => socket.end(), hold: () => undefined });
    socket.on('close', () => {
      release();
      hub.leave(sub);
    });
    socket.write(SSE_HEAD);
    hub.join(sub);
    return reply;
  });

  app.get<RoomRequest>(fastifyPath(ROUTES.openSocket.path), (request) => {
    relay.checkRoomId(request.params.room);
    throw new RequestProblem('upgrade-required');
  });

  app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    let release: (() => void) | undefined;
    try {
      const url = request.url ?? '/';
      const match = ROOM_OF_SOCKET.exec(url.split('?', 1)[0] ?? '');
      if (match?.[1] === undefined) throw new RequestProblem('not-found');
      const id = relay.checkRoomId(match[1]);
      if (request.headers.upgrade?.toLowerCase() !== 'websocket')
        throw new RequestProblem('upgrade-required');
      const client = relay.clientOf(request);
      release = relay.streams.take(client);
      const taken = release;
      socket.on('close', taken);
      sockets.handleUpgrade(request, socket, head, (ws) =>
        accept(ws, request.socket, client, { id, query: queryOf(url) }),
      );
    } catch (error) {
      release?.();
      const problem = error instanceof RequestProblem ? error : new RequestProblem('internal');
      socket.end(rawAnswer(problem));
    }
  });

  function accept(ws: WebSocket, socket: Socket, client: Client, place: Place): void {
    socket.setNoDelay(true);
    const sub = subscriber(place, 'ws', socket, {
      end: (code) => ws.close(code),
      hold: (held) => (held ? ws.pause() : ws.resume()),
    });
    ws.on('error', () => undefined);
    ws.on('close', () => hub.leave(sub));
    ws.on('message', (data, isBinary) => {
      sub.seenAt = clock.mono();
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
      const { kind, ...place } = await relay.post(id, client, () => fromSocket(given));
      hub.tell(sub, {
        type: 'sent',
        nonce: given['nonce'],
        ...place,
        ...(kind === 'duplicate' ? { duplicate: true } : {}),
      });
    } catch (error) {
      const problem = error instanceof RequestProblem ? error : new RequestProblem('internal');
      const nonce = echoableNonce(body);
      hub.tell(sub, {
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
      sub.room.news.push(JSON.stringify({ type: 'rename', from: sub.name, to: name }));
    }
    sub.name = name;
    if (boxPub === null) sub.boxPub = undefined;
    else if (isBoxPub.Check(boxPub)) sub.boxPub = boxPub;
    hub.touch(sub.room);
    hub.markPresence(sub.room);
  }
}
