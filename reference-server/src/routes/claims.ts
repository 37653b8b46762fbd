import { queryNumber, ROUTES } from '@bot2bot/schemas';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ClaimRequest } from '../leases.ts';
import { JSON_TYPE, RequestProblem } from '../problem.ts';
import { positionOf } from '../page.ts';
import type { Relay } from '../relay.ts';
import { parseObject } from '../validate.ts';
import { queryOf } from '../target.ts';
import { fastifyPath, waitMs, type RoomRequest } from './paths.ts';

/** `claim`, `ack`, `renew` and `release`. None of them creates a room (CLAIM-11). */
export function claimRoutes(app: FastifyInstance, relay: Relay): void {
  const { hub, engine, claims, clock, config, bodies } = relay;
  const { timings } = config;

  /** Validate a request and verify that the handle in its body signed it. @returns the room id and the body. */
  function verified<T extends { handle: string }>(
    request: FastifyRequest<RoomRequest>,
    check: (value: unknown) => T,
    minForm: 1 | 2,
  ): { id: string; body: T } {
    const id = relay.checkRoomId(request.params.room);
    const client = relay.clientOf(request.raw);
    relay.rate.admit(null, client);
    const body = check(parseObject(request.body));
    relay.auth.verifyRequest({ raw: request.raw, body: request.body, handle: body.handle, minForm, client });
    return { id, body };
  }

  /** The requested lease in ms. @throws {RequestProblem} bad-lease. @see CLAIM-17 CLAIM-18 */
  function leaseOf(query: URLSearchParams): number {
    const lease = query.get('lease_ms');
    if (lease !== null) {
      const ms = /^\d{1,9}$/.test(lease) ? Number(lease) : NaN;
      if (!(ms >= timings.lease_min_ms && ms <= timings.lease_max_ms)) throw new RequestProblem('bad-lease');
      return ms;
    }
    if (!query.has('ttl_ms')) return timings.lease_default_ms;
    return queryNumber(query.get('ttl_ms'), {
      min: timings.claim_ttl_min_ms,
      max: timings.claim_ttl_max_ms,
      fallback: timings.lease_default_ms,
    });
  }

  app.post<RoomRequest>(fastifyPath(ROUTES.claimMessage.path), async (request, reply) => {
    const { id, body } = verified(request, bodies.claimOf, 1);
    const query = queryOf(request.url);
    const claimRequest: ClaimRequest = {
      handle: body.handle,
      client: relay.clientOf(request.raw),
      leaseMs: leaseOf(query),
      exclude: new Set(body.exclude_senders),
      self: body.exclude_self ?? 'label',
      searched: 0,
    };
    const room = hub.rooms.get(id);
    const { reset } = positionOf(room, 0, query.get('epoch'));
    if (room === undefined)
      return reply.send({
        ok: true,
        empty: true,
        cursor: 0,
        last_seq: 0,
        exists: false,
        ...(reset ? { reset } : {}),
      });
    await engine.admit(room.log, body.handle, claimRequest.client);
    const answer = await claims.now(room, claimRequest, reset);
    if (answer !== null) return reply.type(JSON_TYPE).send(answer);
    relay.parkIn(room, claimRequest.client, reply);
    const deadline = clock.mono() + waitMs(query, timings);
    claims.park(room, claimRequest, { reset, deadline, response: reply.raw });
    return reply;
  });

  app.post<RoomRequest>(fastifyPath(ROUTES.ackMessage.path), async (request, reply) => {
    const { id, body } = verified(request, bodies.ackOf, 1);
    const room = hub.rooms.get(id);
    if (room === undefined) return reply.send({ ok: true, advanced: false, cursor: 0 });
    const acked = await engine.ack(room.log, body.handle, body.claim_id, body.seq);
    const { cursor } = acked;
    if (acked.kind === 'gone') throw new RequestProblem('claim-gone', { fields: { cursor } });
    if (acked.advanced) hub.touch(room);
    return reply.send({ ok: true, advanced: acked.advanced, cursor });
  });

  app.post<RoomRequest>(fastifyPath(ROUTES.renewClaim.path), async (request, reply) => {
    const { id, body } = verified(request, bodies.claimRefOf, 2);
    const leaseMs = leaseOf(queryOf(request.url));
    const room = hub.rooms.get(id);
    const left =
      room === undefined ? null : await engine.renew(room.log, body.handle, body.claim_id, leaseMs);
    if (left !== null) return reply.send({ ok: true, lease_remaining_ms: left });
    const cursor = room === undefined ? 0 : await engine.cursor(room.log, body.handle);
    throw new RequestProblem('claim-gone', { fields: { cursor } });
  });

  app.post<RoomRequest>(fastifyPath(ROUTES.releaseClaim.path), async (request, reply) => {
    const { id, body } = verified(request, bodies.claimRefOf, 2);
    const room = hub.rooms.get(id);
    const released = room !== undefined && (await engine.release(room.log, body.handle, body.claim_id));
    if (released) hub.touch(room);
    return reply.send({ ok: true, released });
  });
}
