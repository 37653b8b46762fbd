import { queryNumber, ROUTES, TRANSCRIPT_LIMIT } from '@bot2bot/schemas';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { answerOf, BLOCK_BYTES, positionOf, sendAnswer, type ReadAnswer } from '../page.ts';
import { JSON_TYPE, NO_STORE_HEADERS } from '../problem.ts';
import type { Relay } from '../relay.ts';
import { onceClosed, type Waiter } from '../room.ts';
import { queryOf } from '../target.ts';
import { fastifyPath, waitMs, type RoomRequest } from './paths.ts';

/** The answer of a read when the room does not exist. @see ROOM-3 READ-12 */
function noRoom(reset: boolean) {
  return { messages: [], last_seq: 0, exists: false, ...(reset ? { reset: true } : {}) };
}

/** `wait`, `transcript` and `status`. None of them creates a room; only a parked `wait` prolongs its life (ROOM-2, ROOM-8). */
export function readRoutes(app: FastifyInstance, relay: Relay): void {
  const { hub, clock, config } = relay;
  const { limits, timings } = config;

  /** The room of a read (undefined if it does not exist), and the position at which it begins. */
  function locate(id: string, query: URLSearchParams) {
    const room = hub.rooms.get(relay.checkRoomId(id));
    const after = queryNumber(query.get('after'), { min: 0, max: Number.MAX_SAFE_INTEGER, fallback: 0 });
    return { room, position: positionOf(room, after, query.get('epoch')) };
  }

  app.get<RoomRequest>(fastifyPath(ROUTES.waitForMessages.path), (request, reply) => {
    const query = queryOf(request.url);
    const { room, position } = locate(request.params.room, query);
    if (room === undefined) return reply.send(noRoom(position.reset));
    if (room.log.hasAbove(position.after, clock.wall()))
      return answer(request, reply, answerOf(room, position, limits.page_messages, clock.wall()));
    const client = relay.clientOf(request.raw);
    relay.parkIn(room, client, reply);
    const response = reply.raw;
    if (request.method === 'HEAD') {
      response.end();
      return reply;
    }
    const now = clock.mono();
    const waiter: Waiter = {
      position,
      deadline: now + waitMs(query, timings),
      response,
      writtenAt: now,
    };
    hub.park(room, waiter);
    return reply;
  });

  /** @throws {RequestProblem} rate-limited, when the client has too many bytes in flight already. */
  function answer(request: FastifyRequest, reply: FastifyReply, read: ReadAnswer): FastifyReply {
    const release = relay.inFlightBytes.take(relay.clientOf(request.raw), Math.min(read.bytes, BLOCK_BYTES));
    reply.hijack();
    const response = reply.raw;
    onceClosed(response, release);
    response.writeHead(200, {
      ...NO_STORE_HEADERS,
      'Content-Type': JSON_TYPE,
      'Content-Length': read.bytes,
    });
    if (request.method === 'HEAD') response.end();
    else sendAnswer(response, read);
    return reply;
  }

  app.get<RoomRequest>(fastifyPath(ROUTES.readTranscript.path), (request, reply) => {
    const query = queryOf(request.url);
    const { room, position } = locate(request.params.room, query);
    if (room === undefined) return reply.send(noRoom(position.reset));
    const limit = queryNumber(query.get('limit'), {
      min: 1,
      max: limits.page_messages,
      fallback: TRANSCRIPT_LIMIT,
    });
    return answer(request, reply, answerOf(room, position, limit, clock.wall(), true));
  });

  app.get<RoomRequest>(fastifyPath(ROUTES.probeRoom.path), (request, reply) => {
    const roomId = relay.checkRoomId(request.params.room);
    const room = hub.rooms.get(roomId);
    if (room === undefined) return reply.send({ exists: false, roomId });
    const now = clock.mono();
    return reply.send({
      exists: true,
      roomId,
      participants: room.size,
      recent_count: room.log.count(clock.wall()),
      last_seq: room.log.lastSeq(clock.wall()),
      age_seconds: Math.floor((now - room.createdAt) / 1000),
      idle_seconds: room.inUse ? 0 : Math.floor((now - room.activeAt) / 1000),
      signed_only: room.log.locked,
      epoch: room.log.epoch,
      oldest_seq: room.log.oldestSeq,
    });
  });
}
