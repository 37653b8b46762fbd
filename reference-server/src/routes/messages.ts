import { ROUTES } from '@bot2bot/schemas';
import type { FastifyInstance } from 'fastify';
import { addressKey } from '../rate-limit.ts';
import type { Relay } from '../relay.ts';
import { parseObject } from '../validate.ts';
import { fastifyPath, type RoomRequest } from './paths.ts';

/** `POST …/messages` and `POST …/listening`. @see MSG-1 STREAM-21 */
export function messageRoutes(app: FastifyInstance, relay: Relay): void {
  const { hub, rate, bodies, clock } = relay;

  app.post<RoomRequest>(fastifyPath(ROUTES.postMessage.path), async (request, reply) => {
    const id = relay.checkRoomId(request.params.room);
    rate.admit(id, addressKey(request.socket.remoteAddress));
    const appended = await relay.post(id, bodies.draftOf(parseObject(request.body)));
    const { kind, ...place } = appended;
    return reply.send({ ok: true, ...place, ...(kind === 'duplicate' ? { duplicate: true } : {}) });
  });

  app.post<RoomRequest>(fastifyPath(ROUTES.announceListening.path), (request, reply) => {
    const id = relay.checkRoomId(request.params.room);
    rate.admit(id, addressKey(request.socket.remoteAddress));
    const { name, box_pub: boxPub } = bodies.listeningOf(parseObject(request.body));
    const room = hub.find(id);
    room.heartbeats.set(name, { boxPub, at: clock.mono() });
    hub.touch(room);
    hub.markPresence(room);
    return reply.send({ ok: true });
  });
}
