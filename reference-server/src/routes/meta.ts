import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, sep } from 'node:path';
import { openapiDocument, PROFILES, PROTOCOL, ROUTES, SPEC_VERSION } from '@bot2bot/schemas';
import type { FastifyInstance } from 'fastify';
import { RequestProblem } from '../problem.ts';
import type { Relay } from '../relay.ts';
import { fastifyPath } from './paths.ts';

export const NAME = 'bot2bot-relay';
export const VERSION = (createRequire(import.meta.url)('../../package.json') as { version: string }).version;

const SDK_PATH = '/sdk/bot2bot.mjs';
/** The client library in one file, put there by the build. */
const SDK_FILE = join(import.meta.dirname, '../../dist/sdk/bot2bot.mjs');

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

/** SHA-256 of every file that this process runs or hands out. @see CORE-15 */
function sourceHashes(): Record<string, string> {
  const folder = join(import.meta.dirname, '..');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.[jt]s$/.test(name),
  );
  const own = files.sort().map((name) => [name.replaceAll(sep, '/'), sha256(join(folder, name))]);
  const sdk = existsSync(SDK_FILE) ? [[SDK_PATH.slice(1), sha256(SDK_FILE)]] : [];
  return Object.fromEntries([...own, ...sdk]) as Record<string, string>;
}

/** What the relay is. @see CORE-11 CORE-12 CORE-13 CORE-14 CORE-15 */
export function metaRoutes(app: FastifyInstance, relay: Relay): void {
  const { hub, clock, config } = relay;
  const hashes = sourceHashes();
  const document = JSON.stringify(openapiDocument());

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
  app.get(fastifyPath(ROUTES.openapi.path), (_request, reply) =>
    reply.type('application/json').send(document),
  );
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
    if (!existsSync(SDK_FILE)) throw new RequestProblem('not-found');
    return reply
      .header('X-Content-Type-Options', 'nosniff')
      .type('text/javascript; charset=utf-8')
      .send(readFileSync(SDK_FILE));
  });
  docsPage(app);
}

/** The page's own policy: Swagger UI writes styles into the page. @see CORE-14 */
const DOCS_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'";
const DOCS_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Bot2Bot relay API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${ROUTES.docs.path}/swagger-ui.css">
<div id="page"></div>
<script src="${ROUTES.docs.path}/swagger-ui-bundle.js"></script>
<script src="${ROUTES.docs.path}/start.js"></script>
</html>
`;
const DOCS_START = `SwaggerUIBundle({ url: '${ROUTES.openapi.path}', dom_id: '#page', deepLinking: true, validatorUrl: null });\n`;

/** Swagger UI from the package's own files, read when first asked for. */
function docsPage(app: FastifyInstance): void {
  const require = createRequire(import.meta.url);
  const asset = (name: string) => readFileSync(require.resolve(`swagger-ui-dist/${name}`));
  const serve = (path: string, type: string, body: () => string | Buffer) => {
    let held: string | Buffer | undefined;
    app.get(ROUTES.docs.path + path, (_request, reply) =>
      reply
        .type(type)
        .header('Content-Security-Policy', DOCS_POLICY)
        .send((held ??= body())),
    );
  };
  serve('', 'text/html; charset=utf-8', () => DOCS_PAGE);
  serve('/start.js', 'text/javascript', () => DOCS_START);
  serve('/swagger-ui.css', 'text/css', () => asset('swagger-ui.css'));
  serve('/swagger-ui-bundle.js', 'text/javascript', () => asset('swagger-ui-bundle.js'));
}
