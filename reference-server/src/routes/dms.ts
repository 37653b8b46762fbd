import { dmSealedText, dmText, queryNumber, ROUTES, type DmBody } from '@bot2bot/schemas';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { sha256, verifies } from '../ed25519.ts';
import { handleIn } from '../identities.ts';
import { RequestProblem } from '../problem.ts';
import type { Relay } from '../relay.ts';
import type { Use } from '../replay.ts';
import { parseObject } from '../validate.ts';
import { queryOf } from '../target.ts';
import { fastifyPath, waitMs, type HandleRequest } from './paths.ts';

interface InboxEntryRequest extends HandleRequest {
  readonly Params: { readonly handle: string; readonly id: string };
}

/** Routes of direct messages. @see DM-1 DM-2 DM-5 */
export function dmRoutes(app: FastifyInstance, relay: Relay): void {
  const { dms, identities, auth, rate, clock, config } = relay;

  /**
   * Verify the signature of a message that names its sender.
   * @returns the key for replay detection, the timestamp and the sender; null for an unsigned message.
   * @throws {RequestProblem} unknown-sender, clock-skew, signature-invalid.
   * @see DM-4
   */
  function verified(to: string, body: DmBody): Omit<Use, 'client'> | null {
    const { ciphertext, nonce, sender_eph_pub: eph, from_handle: from, from_ts: ts, from_sig: sig } = body;
    if (from === undefined) return null;
    const identity = identities.get(from);
    if (identity === undefined) throw new RequestProblem('unknown-sender');
    if (ts === undefined || !auth.replays.isTimely(ts)) throw new RequestProblem('clock-skew');
    const sealed = sha256(dmSealedText(ciphertext, nonce, eph));
    if (!verifies(dmText(to, from, ts, sealed), sig ?? '', identities.key(identity)))
      throw new RequestProblem('signature-invalid');
    return { key: `d ${to} ${from} ${ts} ${sealed}`, ts, handle: from };
  }

  app.post<HandleRequest>(fastifyPath(ROUTES.sendDm.path), (request, reply) => {
    const client = relay.clientOf(request.raw);
    rate.admit(null, client);
    const to = handleIn(request.params.handle);
    const body = relay.bodies.dmOf(parseObject(request.body));
    if (identities.get(to) === undefined) throw new RequestProblem('unknown-handle');
    const use = verified(to, body);
    const accepted = dms.post(to, body, client, () => {
      if (use !== null) auth.replays.use({ ...use, client });
    });
    return reply.send({ ok: true, ...accepted });
  });

  /** Verify that the owner of the inbox signed the request. @returns the owner's handle. @see DM-6 */
  function verifiedOwner(request: FastifyRequest<HandleRequest>): string {
    const client = relay.clientOf(request.raw);
    rate.admit(null, client);
    const handle = handleIn(request.params.handle);
    auth.verifyRequest({ raw: request.raw, body: request.body, handle, minForm: 1, client });
    return handle;
  }

  app.get<HandleRequest>(fastifyPath(ROUTES.waitForDms.path), (request, reply) => {
    const handle = verifiedOwner(request);
    const query = queryOf(request.url);
    const after = queryNumber(query.get('after'), { min: 0, max: Number.MAX_SAFE_INTEGER, fallback: 0 });
    const page = dms.page(handle, after);
    if (page.messages.length > 0) return reply.send(page);
    relay.parkIn(null, relay.clientOf(request.raw), reply);
    const deadline = clock.mono() + waitMs(query, config.timings);
    dms.park(handle, { after, deadline, response: reply.raw, writtenAt: clock.mono() });
    return reply;
  });

  app.delete<InboxEntryRequest>(fastifyPath(ROUTES.deleteDm.path), (request, reply) =>
    reply.send({ ok: true, removed: dms.remove(verifiedOwner(request), request.params.id) }),
  );
}
