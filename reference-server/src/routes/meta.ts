import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, sep } from 'node:path';
import { openapiDocument, PROFILES, PROTOCOL, ROUTES, SPEC_VERSION } from '@bot2bot/schemas';
import type { FastifyInstance } from 'fastify';
import { RequestProblem } from '../problem.ts';
import { originReader } from '../public-url.ts';
import type { Relay } from '../relay.ts';
import { readBuilt, docsRoutes, sendShared } from './docs.ts';
import { fastifyPath } from './paths.ts';

export const NAME = 'bot2bot-relay';
export const VERSION = (createRequire(import.meta.url)('../../package.json') as { version: string }).version;

const SDK_PATH = '/sdk/bot2bot.mjs';
/** The client library in one file, which the build creates. */
const SDK_FILE = join(import.meta.dirname, '../../dist/sdk/bot2bot.mjs');

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/**
 * SHA-256 of every source file that this process runs, and of every static file that it serves.
 * @param served contents of the static files, by name.
 * @see CORE-15
 */
function sourceHashes(served: Readonly<Record<string, Buffer>>): Record<string, string> {
  const folder = join(import.meta.dirname, '..');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.[jt]s$/.test(name),
  );
  const own = files
    .sort()
    .map((name) => [name.replaceAll(sep, '/'), readFileSync(join(folder, name))] as const);
  return Object.fromEntries(
    [...own, ...Object.entries(served)].map(([name, bytes]) => [name, sha256(bytes)] as const),
  );
}

/**
 * The OpenAPI document in pieces. Answers differ only in `servers` and share the other pieces, so that an answer that is
 * not read does not hold a copy.
 * @returns a function from base URLs to the document that lists them in `servers`; without any, `servers` stays relative.
 */
function openapiPieces(): (bases: readonly string[]) => readonly Buffer[] {
  const text = JSON.stringify(openapiDocument());
  const relative = JSON.stringify(openapiDocument()['servers']);
  const at = text.indexOf(relative);
  const before = Buffer.from(text.slice(0, at));
  const after = Buffer.from(text.slice(at + relative.length));
  return (bases) => [
    before,
    Buffer.from(bases.length === 0 ? relative : JSON.stringify(bases.map((url) => ({ url })))),
    after,
  ];
}

/** Routes that describe the relay: health, status, discovery, OpenAPI, documentation, client library. @see CORE-11 CORE-12 CORE-13 CORE-14 CORE-15 */
export function metaRoutes(app: FastifyInstance, relay: Relay): void {
  const { hub, clock, config } = relay;
  const sdk = readBuilt(SDK_FILE);
  const hashes = sourceHashes({
    ...docsRoutes(app),
    ...(sdk === undefined ? {} : { [SDK_PATH.slice(1)]: sdk }),
  });
  const openapi = openapiPieces();
  const originOf = originReader(config.trustedProxies);

  app.get(fastifyPath(ROUTES.health.path), (_request, reply) =>
    reply.send({ ok: true, rooms: hub.rooms.size, ts: clock.wall() }),
  );
  app.get(fastifyPath(ROUTES.relayStatus.path), (_request, reply) =>
    reply.send({
      ok: true,
      started_at: new Date(relay.startedAt).toISOString(),
      uptime_seconds: Math.max(0, Math.floor((clock.wall() - relay.startedAt) / 1000)),
      rooms: hub.rooms.size,
      source_hashes: hashes,
    }),
  );
  app.get(fastifyPath(ROUTES.openapi.path), (request, reply) => {
    const origin = config.publicUrls.length === 0 ? originOf(request.raw) : null;
    const pieces = openapi(origin === null ? config.publicUrls : [origin]);
    return sendShared(reply.type('application/json'), ...pieces);
  });
  app.get(fastifyPath(ROUTES.discovery.path), (_request, reply) =>
    reply.send({
      protocol: PROTOCOL,
      spec_version: SPEC_VERSION,
      level: 'hardened',
      profiles: PROFILES,
      limits: config.limits,
      timings: config.timings,
      implementation: { name: NAME, version: VERSION },
    }),
  );
  app.get(SDK_PATH, (_request, reply) => {
    if (sdk === undefined) throw new RequestProblem('not-found');
    reply.header('X-Content-Type-Options', 'nosniff').type('text/javascript; charset=utf-8');
    return sendShared(reply, sdk);
  });
}
