/** Stands between the suite and a relay, and alters one field of what the relay answers and sends. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer, type RawData } from 'ws';
import { operationOf } from '../src/trace/operations.ts';
import { Alteration, type Mutation } from './fields.ts';

/** More than a frame of a relay or of the suite holds. */
const MOST_BYTES = 80 << 20;

export interface Proxy {
  readonly url: string;
  /** Alter this from now on, or nothing; connections that are open stay as they are. */
  alter(mutation: Mutation | null): void;
  stop(): Promise<void>;
}

/** @param target base URL of the relay, without a path. */
export async function startProxy(target: string): Promise<Proxy> {
  const { hostname, port, host } = new URL(target);
  const agent = new http.Agent({ keepAlive: true });
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MOST_BYTES, perMessageDeflate: false });
  let alteration: Alteration | null = null;

  const server = http.createServer(
    { insecureHTTPParser: true, keepAliveTimeout: 120_000 },
    (request, response) => {
      const operation = operationOf(request.method ?? '', request.url ?? '');
      const mine = alteration?.concerns(operation) === true ? alteration : null;
      const upstream = http.request({
        hostname,
        port,
        agent,
        method: request.method,
        path: request.url,
        headers: request.rawHeaders,
        insecureHTTPParser: true,
      });
      upstream.on('error', () => response.destroy());
      response.on('close', () => upstream.destroy());
      request.on('error', () => upstream.destroy()).pipe(upstream);
      upstream.on('response', (answer) => {
        const { statusCode = 502, statusMessage, rawHeaders } = answer;
        answer.on('error', () => response.destroy());
        if (mine === null || statusCode < 200 || statusCode > 299) {
          response.writeHead(statusCode, statusMessage, rawHeaders);
          response.flushHeaders();
          answer.pipe(response);
          return;
        }
        if ((answer.headers['content-type'] ?? '').includes('event-stream')) {
          response.writeHead(statusCode, statusMessage, rawHeaders);
          response.flushHeaders();
          alterEvents(answer, mine, (text) => response.write(text));
          answer.on('end', () => response.end());
          return;
        }
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () => {
          const body = Buffer.from(mine.json(Buffer.concat(chunks).toString()));
          const { 'content-length': _, 'transfer-encoding': __, ...headers } = answer.headers;
          response.writeHead(statusCode, statusMessage, { ...headers, 'content-length': body.length });
          response.end(body);
        });
      });
    },
  );

  server.on('upgrade', (request, socket, head) => {
    const operation = operationOf(request.method ?? '', request.url ?? '');
    const mine = alteration?.concerns(operation) === true ? alteration : null;
    const { host: _, upgrade: __, connection: ___, ...rest } = request.headers;
    const headers = Object.fromEntries(
      Object.entries(rest).filter(([name]) => !name.startsWith('sec-websocket-')),
    ) as Record<string, string>;
    const upstream = new WebSocket(`ws://${host}${request.url ?? ''}`, {
      headers,
      maxPayload: MOST_BYTES,
      perMessageDeflate: false,
    });
    socket.on('error', () => upstream.terminate());
    upstream.on('error', () => socket.destroy());
    upstream.on('unexpected-response', (_request, answer) => refuse(socket, answer));
    upstream.on('open', () => {
      upstream.pause();
      sockets.handleUpgrade(request, socket, head, (client) => {
        couple(upstream, client, (text) => mine?.json(text) ?? text);
        upstream.resume();
      });
    });
  });

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    alter: (mutation) => (alteration = mutation === null ? null : new Alteration(mutation)),
    stop: async () => {
      for (const client of sockets.clients) client.terminate();
      agent.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Pass a refusal of a handshake on. */
function refuse(socket: Duplex, answer: http.IncomingMessage): void {
  const { statusCode, statusMessage, rawHeaders } = answer;
  const lines = rawHeaders.flatMap((name, at) =>
    at % 2 === 0 ? [`${name}: ${rawHeaders[at + 1] ?? ''}`] : [],
  );
  socket.write(`HTTP/1.1 ${statusCode} ${statusMessage}\r\n${lines.join('\r\n')}\r\n\r\n`);
  answer.pipe(socket);
}

/** Pass frames and the end of each connection on to the other. */
function couple(upstream: WebSocket, client: WebSocket, altered: (text: string) => string): void {
  upstream.on('message', (data: RawData, isBinary) =>
    client.send(isBinary ? (data as Buffer) : altered((data as Buffer).toString()), { binary: isBinary }),
  );
  client.on('message', (data: RawData, isBinary) => upstream.send(data as Buffer, { binary: isBinary }));
  for (const [from, to] of [
    [upstream, client],
    [client, upstream],
  ] as const) {
    from.on('error', () => to.terminate());
    from.on('close', (code, reason) => {
      if (code === 1005 || code === 1006) to.terminate();
      else to.close(code, reason);
    });
  }
}

/**
 * Alter the data and the id of server-sent events.
 *
 *   stream = (event | comment)*        event = (line LF)+ LF        line = name ": " value
 */
function alterEvents(
  answer: http.IncomingMessage,
  alteration: Alteration,
  write: (text: string) => void,
): void {
  let pending = '';
  answer.setEncoding('utf8').on('data', (text: string) => {
    const blocks = (pending + text).split('\n\n');
    pending = blocks.pop() ?? '';
    for (const block of blocks) write(`${alteredEvent(block, alteration)}\n\n`);
  });
}

function alteredEvent(block: string, alteration: Alteration): string {
  const lines = block.split('\n');
  const valueOf = (name: string) =>
    lines
      .find((line) => line.startsWith(`${name}:`))
      ?.slice(name.length + 1)
      .replace(/^ /, '');
  const data = valueOf('data');
  if (data === undefined) return block;
  const id = alteration.eventId(valueOf('id'));
  const others = lines.filter((line) => !/^(id|data):/.test(line));
  return [...others, ...(id === undefined ? [] : [`id: ${id}`]), `data: ${alteration.json(data)}`].join('\n');
}
