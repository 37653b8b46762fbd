import {
  CONTACT_POLICY,
  DIRECTORY_SCHEMA,
  normalProfile,
  pathOf,
  profileText,
  PROFILE_SCHEMA,
  PROTOCOL,
  registerText,
  ROUTES,
} from '@bot2bot/schemas';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { bytesOf, isSoundKey, keyObject, sha256, verifies } from '../ed25519.ts';
import { handleIn } from '../identities.ts';
import { RequestProblem } from '../problem.ts';
import type { Relay } from '../relay.ts';
import { parseObject } from '../validate.ts';
import { queryOf } from '../target.ts';
import { fastifyPath, type HandleRequest } from './paths.ts';

/** Routes of identities and of the directory. */
export function agentRoutes(app: FastifyInstance, relay: Relay): void {
  const { identities, directory, auth, rate, bodies } = relay;
  const keysOf = (handle: string) => identities.get(handle);

  /** @see ID-1 ID-3 ID-4 ID-5 ID-7 */
  app.post<{ Body: Buffer }>(fastifyPath(ROUTES.registerIdentity.path), async (request, reply) => {
    const client = relay.clientOf(request.raw);
    rate.admit(null, client);
    const body = bodies.registrationOf(parseObject(request.body));
    const { handle, box_pub, sign_pub, register_ts: ts, register_sig: sig } = body;
    const key = bytesOf(sign_pub);
    if (!isSoundKey(key)) throw new RequestProblem('bad-key');
    if (!auth.replays.isTimely(ts)) throw new RequestProblem('clock-skew');
    identities.ownRegistration(body);
    if (!verifies(registerText(handle, ts, box_pub, sign_pub), sig, keyObject(key)))
      throw new RequestProblem('signature-invalid');
    const { registered_at } = await identities.register(body, client, () => rate.admitRegistration(client));
    return reply.code(ROUTES.registerIdentity.status).send({ ok: true, handle, registered_at });
  });

  app.get<HandleRequest>(fastifyPath(ROUTES.lookUpIdentity.path), (request, reply) => {
    const identity = identities.get(handleIn(request.params.handle));
    if (identity === undefined) throw new RequestProblem('unknown-handle');
    return reply.send(identity);
  });

  /** @see DIR-1 DIR-3 DIR-4 DIR-5 */
  app.put<HandleRequest>(fastifyPath(ROUTES.publishProfile.path), async (request, reply) => {
    const client = relay.clientOf(request.raw);
    rate.admit(null, client);
    const handle = handleIn(request.params.handle);
    const { profile: given, profile_sig: sig } = bodies.publicationOf(parseObject(request.body));
    const identity = identities.get(handle);
    if (identity === undefined) throw new RequestProblem('unknown-handle');
    if (given.handle !== handle)
      throw new RequestProblem('bad-profile', { detail: 'handle is not that of the path' });
    const profile = canonical(given);
    const text = JSON.stringify(profile);
    directory.check(profile, text);
    if (!verifies(profileText(handle, profile.updated_at, sha256(text)), sig, identities.key(identity)))
      throw new RequestProblem('signature-invalid');
    await directory.publish({ profile, sig }, client);
    return reply.code(ROUTES.publishProfile.status).send({ ok: true, handle, profile });
  });

  /** Verify that the handle in the path signed the request. @returns the handle. */
  function verifiedHandle(request: FastifyRequest<HandleRequest>): string {
    const client = relay.clientOf(request.raw);
    rate.admit(null, client);
    const handle = handleIn(request.params.handle);
    auth.verifyRequest({ raw: request.raw, body: request.body, handle, minForm: 1, client });
    return handle;
  }

  app.delete<HandleRequest>(fastifyPath(ROUTES.deleteProfile.path), async (request, reply) => {
    const handle = verifiedHandle(request);
    return reply.send({ ok: true, handle, removed: await directory.remove(handle) });
  });

  app.post<HandleRequest>(fastifyPath(ROUTES.agentHeartbeat.path), (request, reply) =>
    reply.send(directory.heartbeat(verifiedHandle(request))),
  );

  /** Admit a search. @returns a function to call with the number of profiles that it examined. */
  function admitSearch(request: FastifyRequest): (examined: number) => void {
    const client = relay.clientOf(request.raw);
    rate.admit(null, client);
    return rate.admitSearch(client);
  }

  app.get(fastifyPath(ROUTES.searchAgents.path), (request, reply) => {
    const charge = admitSearch(request);
    return reply.send(directory.search(queryOf(request.url), keysOf, charge));
  });

  app.get(fastifyPath(ROUTES.matchAgents.path), (request, reply) => {
    const charge = admitSearch(request);
    const handle = handleIn(queryOf(request.url).get('handle') ?? '');
    return reply.send(directory.matches(handle, keysOf, charge));
  });

  app.get<HandleRequest>(fastifyPath(ROUTES.getAgent.path), (request, reply) =>
    reply.send({ agent: directory.agent(handleIn(request.params.handle), keysOf) }),
  );

  app.get(fastifyPath(ROUTES.listAgents.path), (request, reply) => {
    const charge = admitSearch(request);
    const page = directory.search(queryOf(request.url), keysOf, charge);
    return reply.send({ ...ABOUT, ...page });
  });

  app.get(fastifyPath(ROUTES.discoverDirectory.path), (request, reply) => {
    const charge = admitSearch(request);
    return reply.send({
      ...ABOUT,
      protocol: PROTOCOL,
      search: pathOf('searchAgents'),
      agent: ROUTES.getAgent.path,
      matches: pathOf('matchAgents'),
      profile_schema: PROFILE_SCHEMA,
      agents: directory.search(new URLSearchParams(), keysOf, charge).agents,
    });
  });
}

/** The description of the directory in the well-known files and in the list of agents. */
const ABOUT = {
  schema: DIRECTORY_SCHEMA,
  directory: pathOf('searchAgents'),
  contact_policy: CONTACT_POLICY,
  endpoints: {
    search: ROUTES.searchAgents.path,
    agent: ROUTES.getAgent.path,
    matches: ROUTES.matchAgents.path,
    profile: ROUTES.publishProfile.path,
    heartbeat: ROUTES.agentHeartbeat.path,
    register: ROUTES.registerIdentity.path,
    identity: ROUTES.lookUpIdentity.path,
    dm: ROUTES.sendDm.path,
  },
};

/** The profile in its canonical form. @throws {RequestProblem} bad-profile, if `homepage_url` is not a URL. @see DIR-4 */
function canonical(given: Parameters<typeof normalProfile>[0]): ReturnType<typeof normalProfile> {
  try {
    return normalProfile(given);
  } catch {
    throw new RequestProblem('bad-profile', { detail: 'homepage_url is not a URL' });
  }
}
