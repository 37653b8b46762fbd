import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyRequest } from 'fastify';
import { TIMINGS, type ProblemSlug } from '@bot2bot/schemas';
import { readBody } from './body.ts';
import { systemClock, type Clock } from './clock.ts';
import { Incoming } from './connections.ts';
import { DEFAULT_CONFIG, type Config } from './config.ts';
import { onceClosed } from './room.ts';
import { answerProblem, NO_STORE_HEADERS, RequestProblem } from './problem.ts';
import { openAcceptors } from './acceptors.ts';
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
import { methodsAt, originForm } from './target.ts';

const SWEEP_MS = 250;
/** Connections that the system queues until the relay accepts them; clients beyond it retry after a second or longer. */
const BACKLOG = 4_096;
/** A connection without a request is closed after this. */
const KEEP_ALIVE_MS = 72_000;
/** Problems for the error codes of Node's HTTP parser. */
const PARSER_PROBLEMS: Readonly<Record<string, ProblemSlug>> = {
  HPE_HEADER_OVERFLOW: 'header-too-large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'too-large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
};
const PREFLIGHT = {
  'Access-Control-Allow-Methods': 'GET, HEAD, POST, PUT, DELETE, OPTIONS',
  'Access-Control-Allow-Headers': 'Content-Type, Authorization, Last-Event-ID, Cache-Control',
  'Access-Control-Max-Age': '86400',
};
/** Answers up to this size are not counted against a client's bytes in flight. */
const SMALL_BYTES = 4 << 10;

/** A listening relay. */
export interface RunningRelay {
  /** Base URL, with the actual port. */
  readonly url: string;
  /** URL of the metrics; null when they are not served. */
  readonly metricsUrl: string | null;
  /** Answer all parked requests, close all streams and connections, then stop. */
  close(): Promise<void>;
}

/** The problem to answer for any error that Fastify reports. @see CORE-2 */
function problemOf(error: FastifyError | Error): RequestProblem {
  if (error instanceof RequestProblem) return error;
  if (error instanceof StoreError) return new RequestProblem('storage-failed', { retryAfter: 30 });
  const status = 'statusCode' in error ? error.statusCode : undefined;
  return new RequestProblem(status !== undefined && status < 500 ? 'bad-request' : 'internal');
}

function build(relay: Relay): FastifyInstance {
  const { config, connections } = relay;
  const app = Fastify({
    exposeHeadRoutes: true,
    forceCloseConnections: true,
    rewriteUrl: ({ url = '/' }) => originForm(url),
    routerOptions: { maxParamLength: 16_384, ignoreTrailingSlash: true },
    logger: {
      level: config.logLevel,
      stream: process.stderr,
      // Paths contain room ids and queries contain names: neither is logged.
      serializers: { req: ({ method }) => ({ method }), res: ({ statusCode }) => ({ statusCode }) },
    },
    frameworkErrors: (error, _request, reply) => {
      reply.hijack();
      answerProblem(reply.raw, problemOf(error));
    },
    clientErrorHandler: (error, socket) =>
      connections.refuse(socket, new RequestProblem(PARSER_PROBLEMS[error.code] ?? 'bad-request')),
    serverFactory: (handler) => serverOf(relay, handler),
  });

  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(NO_STORE_HEADERS);
    // Bodies are parsed as JSON whatever the Content-Type.
    if (request.raw.headers['content-type'] !== undefined)
      request.raw.headers['content-type'] = 'application/json';
    done();
  });
  app.addHook('onSend', (request, reply, payload, done) => {
    const bytes = typeof payload === 'string' || payload instanceof Buffer ? payload.length : 0;
    try {
      if (bytes > SMALL_BYTES)
        onceClosed(reply.raw, relay.inFlightBytes.take(relay.clientOf(request.raw), bytes));
      done(null, payload);
    } catch (error) {
      const problem = problemOf(error instanceof Error ? error : new Error('unknown'));
      reply.code(problem.status).headers(problem.headers);
      done(null, JSON.stringify(problem.body));
    }
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (request: FastifyRequest, payload: IncomingMessage) => {
    const client = relay.clientOf(request.raw);
    const { raw } = request;
    const releases: (() => void)[] = [];
    return readBody(payload, config.limits.body_bytes, (bytes) => {
      if (releases.length === 0) raw.on('close', () => releases.forEach((release) => release()));
      releases.push(relay.inFlightBytes.take(client, bytes));
    });
  });
  app.setErrorHandler((error: FastifyError | Error, _request, reply) => {
    const problem = problemOf(error);
    if (problem.status === 500 || error instanceof StoreError)
      app.log.error({ name: error.name, stack: error.stack, cause: error.cause }, 'a request failed');
    return reply.code(problem.status).headers(problem.headers).send(JSON.stringify(problem.body));
  });
  app.setNotFoundHandler((request, reply) => {
    if (request.method === 'OPTIONS') return reply.code(204).headers(PREFLIGHT).send();
    const methods = methodsAt(request.url);
    const problem = new RequestProblem(methods.length === 0 ? 'not-found' : 'method-not-allowed');
    if (methods.length > 0) reply.header('Allow', methods.join(', '));
    // A client that asked for another protocol will not send HTTP on this connection.
    if (request.headers.upgrade !== undefined) reply.header('Connection', 'close');
    return reply.code(problem.status).headers(problem.headers).send(JSON.stringify(problem.body));
  });

  messageRoutes(app, relay);
  readRoutes(app, relay);
  streamRoutes(app, relay);
  claimRoutes(app, relay);
  agentRoutes(app, relay);
  dmRoutes(app, relay);
  metaRoutes(app, relay);
  return app;
}

/** An HTTP server that registers each connection, and each request before Fastify handles it, with `Connections`. */
function serverOf(
  { connections, config, countAnswer }: Relay,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Server {
  const { timings } = config;
  const server = createServer({
    headersTimeout: timings.header_ms,
    requestTimeout: timings.request_ms,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: SWEEP_MS,
    keepAlive: true,
    keepAliveInitialDelay: timings.keepalive_ms,
    requireHostHeader: false,
    IncomingMessage: Incoming,
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    response.on('finish', () => countAnswer(response.statusCode));
    connections.begin(request, response, () => handle(request, response));
  });
  server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) =>
    answerProblem(response, new RequestProblem('expectation-failed')),
  );
  server.on('connection', (socket) => connections.admit(socket));
  return server;
}

/**
 * Start a relay.
 * @param given settings that differ from the defaults.
 * @throws {StoreError}; {UsageError} for the metrics port; the system's error when it cannot listen on the address.
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
  const url = await app.listen({ host, port, backlog: BACKLOG });
  const acceptors = openAcceptors(app.server);
  const shortestMs = Math.min(
    ...(Object.keys(TIMINGS) as (keyof typeof TIMINGS)[]).map((name) => relay.config.timings[name]),
  );
  const timer = setInterval(() => relay.sweep(), Math.max(20, Math.min(SWEEP_MS, shortestMs / 4)));
  return {
    url,
    metricsUrl: metrics?.url ?? null,
    close: async () => {
      clearInterval(timer);
      metrics?.server.close();
      relay.dms.drain();
      await relay.hub.drain();
      acceptors.close();
      await app.close();
      relay.connections.destroyAll();
      await stores.close();
    },
  };
}
