import Fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import { TIMINGS, type ProblemSlug } from '@bot2bot/schemas';
import { systemClock, type Clock } from './clock.ts';
import { DEFAULT_CONFIG, type Config } from './config.ts';
import { CORS_HEADERS, rawAnswer, RequestProblem, ROOM_HEADERS } from './problem.ts';
import { metricsOf, serveMetrics } from './metrics.ts';
import { Relay } from './relay.ts';
import { agentRoutes } from './routes/agents.ts';
import { claimRoutes } from './routes/claims.ts';
import { dmRoutes } from './routes/dms.ts';
import { messageRoutes } from './routes/messages.ts';
import { metaRoutes } from './routes/meta.ts';
import { readRoutes } from './routes/reads.ts';
import { streamRoutes } from './routes/stream.ts';
import { openStores, StoreError } from './store.ts';

const SWEEP_MS = 250;
/** What the HTTP parser gives up on. */
const PARSER_PROBLEMS: Readonly<Record<string, ProblemSlug>> = {
  HPE_HEADER_OVERFLOW: 'header-too-large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
};
const PREFLIGHT = {
  'Access-Control-Allow-Methods': 'GET, POST, PUT, DELETE, OPTIONS',
  'Access-Control-Allow-Headers': 'Content-Type, Authorization, Last-Event-ID',
  'Access-Control-Max-Age': '86400',
};

/** A relay that listens. */
export interface RunningRelay {
  /** Base URL with the port that it got. */
  readonly url: string;
  /** Where the metrics are; null when they are not served. */
  readonly metricsUrl: string | null;
  /** Send every client away, then stop. */
  close(): Promise<void>;
}

/** What the framework's own errors are on the wire. @see CORE-2 */
function problemOf(error: FastifyError | Error): RequestProblem {
  if (error instanceof RequestProblem) return error;
  if (error instanceof StoreError) return new RequestProblem('storage-failed', { retryAfter: 30 });
  const code = 'code' in error ? error.code : '';
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new RequestProblem('too-large');
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return new RequestProblem('unsupported-media-type');
  const status = 'statusCode' in error ? error.statusCode : undefined;
  return new RequestProblem(status !== undefined && status < 500 ? 'bad-request' : 'internal');
}

function build(relay: Relay): FastifyInstance {
  const { config } = relay;
  const app = Fastify({
    bodyLimit: config.limits.body_bytes,
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    keepAliveTimeout: 72_000,
    requestTimeout: config.timings.request_ms,
    http: { headersTimeout: config.timings.header_ms, connectionsCheckingInterval: SWEEP_MS },
    routerOptions: { maxParamLength: 16_384 },
    logger: {
      level: config.logLevel,
      stream: process.stderr,
      // A path names a room and a query names people: neither is logged.
      serializers: { req: ({ method }) => ({ method }), res: ({ statusCode }) => ({ statusCode }) },
    },
    frameworkErrors: (error, _request, reply) => {
      const problem = problemOf(error);
      reply.hijack();
      reply.raw
        .writeHead(problem.status, { ...ROOM_HEADERS, ...problem.headers })
        .end(JSON.stringify(problem.body));
    },
    clientErrorHandler: (error, socket) => {
      if (!socket.writable) return;
      socket.end(rawAnswer(new RequestProblem(PARSER_PROBLEMS[error.code] ?? 'bad-request')));
    },
  });

  app.server.maxConnections = config.limits.connections;
  app.addHook('onResponse', (_request, reply, done) => {
    const kind = `${Math.floor(reply.statusCode / 100)}xx`;
    if (kind in relay.counts.answers) relay.counts.answers[kind as keyof typeof relay.counts.answers]++;
    done();
  });
  app.addHook('onRequest', (request, reply, done) => {
    if (request.url.startsWith('/api/')) {
      reply.headers(/^\/api\/(?:rooms|dm)\//.test(request.url) ? ROOM_HEADERS : CORS_HEADERS);
    }
    done();
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) =>
    done(null, body),
  );
  app.addContentTypeParser('*', { parseAs: 'string' }, (request, body, done) => {
    if (request.headers['content-type'] === undefined) done(null, body);
    else done(new RequestProblem('unsupported-media-type'));
  });
  app.setErrorHandler((error: FastifyError | Error, _request, reply) => {
    const problem = problemOf(error);
    if (problem.status === 500 || error instanceof StoreError)
      app.log.error({ name: error.name, stack: error.stack, cause: error.cause }, 'a request failed');
    return reply.code(problem.status).headers(problem.headers).send(JSON.stringify(problem.body));
  });
  app.setNotFoundHandler((_request, reply) => {
    const problem = new RequestProblem('not-found');
    return reply.code(problem.status).headers(problem.headers).send(JSON.stringify(problem.body));
  });
  app.options('/api/*', (_request, reply) => reply.code(204).headers(PREFLIGHT).send());

  messageRoutes(app, relay);
  readRoutes(app, relay);
  streamRoutes(app, relay);
  claimRoutes(app, relay);
  agentRoutes(app, relay);
  dmRoutes(app, relay);
  metaRoutes(app, relay);
  return app;
}

/**
 * Start a relay.
 * @param given what differs from the defaults of the specification.
 * @throws the system's error when the address cannot be listened on; {StoreError}.
 */
export async function createRelay(given: Partial<Config> & { clock?: Clock } = {}): Promise<RunningRelay> {
  const { clock = systemClock, ...config } = given;
  const full = { ...DEFAULT_CONFIG, ...config };
  const stores = await openStores(full.dataDir, full.acceptDamage);
  const relay = new Relay(full, clock, stores);
  const app = build(relay);
  if (stores.accepted !== null) app.log.warn(stores.accepted);
  const { host, port, metricsPort } = relay.config;
  const metrics = metricsPort === null ? null : await serveMetrics(metricsOf(relay), metricsPort);
  const url = await app.listen({ host, port });
  const shortest = Math.min(
    ...(Object.keys(TIMINGS) as (keyof typeof TIMINGS)[]).map((name) => relay.config.timings[name]),
  );
  const timer = setInterval(() => relay.sweep(), Math.max(20, Math.min(SWEEP_MS, shortest / 4)));
  return {
    url,
    metricsUrl: metrics?.url ?? null,
    close: async () => {
      clearInterval(timer);
      metrics?.server.close();
      relay.dms.drain();
      await relay.hub.drain();
      await app.close();
      await stores.close();
    },
  };
}
