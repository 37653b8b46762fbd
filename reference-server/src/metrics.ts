import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import { UsageError } from './config.ts';
import type { Relay } from './relay.ts';

/** Metrics, computed when they are scraped. They contain no room ids, sender labels or addresses. */
export function metricsOf(relay: Relay): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const { hub, engine, limits, counts } = relay;
  const rooms = () => [...hub.rooms.values()];
  const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
  const streams = () => {
    const open = { sse: 0, ws: 0 };
    for (const { subscribers } of hub.rooms.values())
      for (const { format } of subscribers) open[format === 'ws' ? 'ws' : 'sse']++;
    return open;
  };
  type Rows = Readonly<Record<string, number>>;

  /** Add a metric: a single value, or one value for each value of a label. */
  function add(
    kind: typeof Gauge | typeof Counter,
    name: string,
    help: string,
    read: () => number | Rows,
    label?: string,
  ): void {
    const metric = new kind({
      name: `bot2bot_${name}`,
      help,
      registers: [registry],
      labelNames: label === undefined ? [] : [label],
      collect: () => {
        metric.reset();
        const now = read();
        if (typeof now === 'number') metric.inc(now);
        else for (const [value, figure] of Object.entries(now)) metric.inc({ [label ?? '']: value }, figure);
      },
    });
  }
  add(Gauge, 'rooms', 'Rooms that exist', () => hub.rooms.size);
  add(Gauge, 'waiters', 'Parked requests', () => sum(rooms().map((room) => room.parked)));
  add(Gauge, 'streams', 'Open streams', streams, 'transport');
  add(Gauge, 'connections', 'Open connections', () => relay.connections.size);
  add(
    Gauge,
    'encoded_bytes',
    'Bytes of messages cached in encoded form for streams',
    () => engine.cache.bytes,
  );
  add(Gauge, 'buffered_bytes', 'Bytes held for the messages of all rooms', () => engine.budget.bytes);
  add(Gauge, 'buffered_bytes_limit', 'relay_bytes', () => limits.relay_bytes);
  add(Counter, 'posts_total', 'Posts over HTTP and WebSocket', () => counts.posts, 'outcome');
  add(Counter, 'http_answers_total', 'Answers to HTTP requests', () => counts.answers, 'class');
  add(Counter, 'streams_cut_total', 'Streams cut for being too slow', () => hub.counts.cut);
  add(
    Counter,
    'messages_evicted_total',
    'Messages evicted to stay inside relay_bytes',
    () => hub.counts.evicted,
  );
  add(Counter, 'claims_total', 'Claims that were granted', () => relay.claims.counts, 'kind');
  add(Gauge, 'identities', 'Registered handles', () => relay.identities.size);
  add(Gauge, 'profiles', 'Published profiles', () => relay.directory.count());
  add(Gauge, 'inbox_bytes', 'Bytes held for direct messages', () => relay.dms.bytes);
  return registry;
}

/**
 * Serve the metrics on a separate port of 127.0.0.1, which clients cannot reach.
 * @throws {UsageError} the port cannot be opened.
 */
export async function serveMetrics(
  registry: Registry,
  port: number,
): Promise<{ url: string; server: Server }> {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    void registry.metrics().then((text) => {
      response
        .writeHead(200, { 'Content-Type': registry.contentType, 'Cache-Control': 'no-store' })
        .end(text);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', ({ message }) =>
      reject(new UsageError(`cannot serve metrics (${message}); choose another with --metrics-port`)),
    );
    server.listen(port, '127.0.0.1', resolve);
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`, server };
}
