import { ROUTES } from '@bot2bot/schemas';
import type { FastifyInstance } from 'fastify';
import { RequestProblem } from '../problem.ts';
import type { Relay } from '../relay.ts';
import { parseObject } from '../validate.ts';
import { fastifyPath, type RoomRequest } from './paths.ts';

/** Routes that write to a room: `POST …/messages` and `POST …/listening`. @see MSG-1 STREAM-21 */
export function messageRoutes(app: FastifyInstance, relay: Relay): void {
  const { hub, rate, bodies, clock, config } = relay;

  app.post<RoomRequest>(fastifyPath(ROUTES.postMessage.path), async (request, reply) => {
    const id = relay.checkRoomId(request.params.room);
    const posted = await relay.post(id, relay.clientOf(request.raw), () => parseObject(request.body));
    const { kind, ...accepted } = posted;
    return reply.send({ ok: true, ...accepted, ...(kind === 'duplicate' ? { duplicate: true } : {}) });
  });

  app.post<RoomRequest>(fastifyPath(ROUTES.announceListening.path), (request, reply) => {
    const id = relay.checkRoomId(request.params.room);
    const client = relay.clientOf(request.raw);
    rate.admit(id, client);
    const { name, box_pub: boxPub } = bodies.listeningOf(parseObject(request.body));
    const room = hub.find(id);
    const before = room.heartbeats.get(name);
    if (before === undefined && room.heartbeats.size >= config.limits.room_listeners)
      throw new RequestProblem('rate-limited', { retryAfter: 5 });
    const release = before?.release ?? relay.roomListeners.take(client, 1, `${id} `);
    room.heartbeats.set(name, { boxPub, at: clock.mono(), release });
    hub.touch(room);
    hub.markPresence(room);
    return reply.send({ ok: true });
  });
}
