/** A proxy between the suite and a relay that changes the relay's answers and frames, or how they are transferred. */
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { Readable, type Duplex } from 'node:stream';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { ROUTES, type OperationId } from '@bot2bot/schemas';
import { Client } from 'undici';
import { WebSocket, WebSocketServer, type RawData } from 'ws';
import { operationOf } from '../src/trace/operations.ts';

/** Maximum WebSocket payload; larger than any frame of a relay or of the suite. */
const MOST_BYTES = 80 << 20;

/** A change to answers and frames. */
export interface Alteration {
  /** Whether answers of this operation with this status may be changed. @param status 101 for frames of a WebSocket. */
  concerns(operation: OperationId | null, status: number): boolean;
  /** Change the JSON of an answer or frame. @returns the same text if there is nothing to change. */
  json(text: string): string;
  /** Change the id of a server-sent event. @param id undefined if the event has none. */
  eventId(id: string | undefined): string | undefined;
}

/** Changes to the transfer of bytes. */
export interface Transport {
  /** Close connections that have been idle for this time, in ms. */
  readonly idleMs?: number;
  /** Delay each answer by a random time up to this, in ms. */
  readonly slowMs?: number;
  /** Send bodies, events and frames in small chunks, split between any two bytes. */
  readonly inPieces?: boolean;
  /** Write header names in mixed case. */
  readonly mixedCase?: boolean;
  /** Send idempotent requests to the relay on one shared connection, pipelined. */
  readonly pipelined?: boolean;
}

export interface Proxy {
  readonly url: string;
  /** Replace the alteration from now on; null: none. Open connections keep theirs. */
  alter(alteration: Alteration | null): void;
  stop(): Promise<void>;
}

/** A relay's answer whose body has not been read yet. */
interface Answer {
  readonly status: number;
  readonly statusMessage: string;
  /** Names and values, alternating. */
  readonly rawHeaders: readonly string[];
  readonly body: Readable;
}

/** Whether the proxy may pipeline this request, and so repeat it if the connection ends: it does not write, use up a nonce, or park. */
function isPipelined(request: http.IncomingMessage, operation: OperationId | null): boolean {
  return (
    request.method === 'GET' &&
    operation !== null &&
    ROUTES[operation].answers === 'json' &&
    !/wait/i.test(operation) &&
    ['authorization', 'expect', 'content-length', 'transfer-encoding'].every(
      (name) => request.headers[name] === undefined,
    )
  );
}

/** Start a proxy on 127.0.0.1. @param target base URL of the relay, without a path. */
export async function startProxy(target: string, transport: Transport = {}): Promise<Proxy> {
  const { hostname, port, host } = new URL(target);
  const agent = new http.Agent({ keepAlive: true });
  const shared = transport.pipelined === true ? new Client(target, { pipelining: 8 }) : null;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MOST_BYTES, perMessageDeflate: false });
  /** The headers with which the relay answered a handshake. */
  const greetings = new WeakMap<http.IncomingMessage, readonly string[]>();
  sockets.on('headers', (lines, request) => lines.push(...linesOf(greetings.get(request) ?? [])));
  let alteration: Alteration | null = null;

  /** Forward a request to the relay on a new connection. */
  function ask(request: http.IncomingMessage, response: http.ServerResponse): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const upstream = http.request({
        hostname,
        port,
        agent,
        method: request.method,
        path: request.url,
        headers: request.rawHeaders,
        insecureHTTPParser: true,
      });
      upstream.on('error', reject);
      response.on('close', () => upstream.destroy());
      request.on('error', () => upstream.destroy()).pipe(upstream);
      upstream.on('response', (body) => {
        const { statusCode: status = 502, statusMessage = '', rawHeaders } = body;
        resolve({ status, statusMessage, rawHeaders, body });
      });
    });
  }

  async function askShared(client: Client, request: http.IncomingMessage): Promise<Answer> {
    const { connection: _, 'keep-alive': __, ...headers } = request.headers;
    const {
      statusCode,
      headers: answered,
      body,
    } = await client.request({
      method: 'GET',
      path: request.url ?? '',
      headers,
    });
    const { connection: ___, 'keep-alive': ____, ...rest } = answered;
    const rawHeaders = Object.entries(rest).flatMap(([name, value]) =>
      [value ?? []].flat().flatMap((each) => [name, each]),
    );
    return { status: statusCode, statusMessage: http.STATUS_CODES[statusCode] ?? '', rawHeaders, body };
  }

  const closeWhenIdle = transport.idleMs === undefined ? undefined : idleCloser(transport.idleMs);
  // No time-out of Node's own: it would announce itself in a Keep-Alive header, and clients would not reuse connections.
  const server = http.createServer({ keepAliveTimeout: 0 }, (request, response) => {
    closeWhenIdle?.(request, response);
    const operation = operationOf(request.method ?? '', request.url ?? '');
    const altering = alteration;
    const answered =
      shared !== null && isPipelined(request, operation)
        ? askShared(shared, request)
        : ask(request, response);
    answered
      .then(async (answer) => {
        const mine = altering?.concerns(operation, answer.status) === true ? altering : null;
        await setTimeout(Math.random() * (transport.slowMs ?? 0));
        pass(answer, response, mine, request.method === 'HEAD', transport);
      })
      .catch(() => response.destroy());
  });

  const tunnels = new Set<Duplex>();
  /** Connect a client directly to the relay. @param sent bytes that the client has sent already. */
  function tunnel(socket: Duplex, sent: Buffer): void {
    const upstream = net.connect(Number(port), hostname);
    tunnels.add(socket);
    if (socket instanceof net.Socket) socket.setTimeout(0);
    // Bytes that arrived before the relay closed the connection are still forwarded.
    upstream.on('error', () => socket.end());
    socket
      .on('error', () => upstream.destroy())
      .on('close', () => {
        tunnels.delete(socket);
        upstream.destroy();
      });
    upstream.write(sent);
    upstream.pipe(socket).pipe(upstream);
  }

  // The relay decides about Expect headers.
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  // Bytes that are not HTTP are forwarded unchanged: the relay has to refuse them.
  server.on('clientError', (error: Error & { rawPacket?: Buffer }, socket) => {
    if (tunnels.has(socket)) return;
    tunnel(socket, error.rawPacket ?? Buffer.alloc(0));
  });

  server.on('upgrade', (request, socket, head) => {
    const operation = operationOf(request.method ?? '', request.url ?? '');
    const mine = alteration?.concerns(operation, 101) === true ? alteration : null;
    const isHandshake =
      request.headers['sec-websocket-version'] === '13' &&
      /^[A-Za-z0-9+/]{22}==$/.test(request.headers['sec-websocket-key'] ?? '');
    if (!isHandshake || (mine === null && transport.inPieces !== true)) {
      const start = `${request.method} ${request.url} HTTP/1.1`;
      const lines = [start, ...linesOf(request.rawHeaders), '', ''].join('\r\n');
      tunnel(socket, Buffer.concat([Buffer.from(lines, 'latin1'), head]));
      return;
    }
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
    let answered: readonly string[] = [];
    upstream.on('upgrade', ({ rawHeaders }) => (answered = without(rawHeaders, HANDSHAKE)));
    upstream.on('open', () => {
      upstream.pause();
      greetings.set(request, answered);
      sockets.handleUpgrade(request, socket, head, (client) => {
        const altered = (text: string) => mine?.json(text) ?? text;
        couple(upstream, { client, socket }, altered, transport.inPieces === true);
        upstream.resume();
      });
    });
  });

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    alter: (given) => (alteration = given),
    stop: async () => {
      for (const client of sockets.clients) client.terminate();
      for (const socket of tunnels) socket.destroy();
      agent.destroy();
      await shared?.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Closes connections on which no request came for a time after the last answer. */
function idleCloser(ms: number) {
  /** Requests whose answer is not finished. */
  const open = new WeakMap<net.Socket, number>();
  return ({ socket }: http.IncomingMessage, response: http.ServerResponse): void => {
    socket.setTimeout(0);
    open.set(socket, (open.get(socket) ?? 0) + 1);
    response.on('finish', () => {
      const left = (open.get(socket) ?? 1) - 1;
      open.set(socket, left);
      if (left === 0) socket.setTimeout(ms);
    });
  };
}

function headerOf(rawHeaders: readonly string[], name: string): string {
  const at = rawHeaders.findIndex((each, index) => index % 2 === 0 && each.toLowerCase() === name);
  return at < 0 ? '' : (rawHeaders[at + 1] ?? '');
}

/** The headers except these. */
function without(rawHeaders: readonly string[], names: readonly string[]): string[] {
  return rawHeaders.filter((_, at) => !names.includes((rawHeaders[at - (at % 2)] ?? '').toLowerCase()));
}

function linesOf(rawHeaders: readonly string[]): string[] {
  return rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${rawHeaders[at + 1] ?? ''}`] : []));
}

/** Hop-by-hop headers (RFC 9110 §7.6.1). */
const HOP = ['connection', 'keep-alive', 'transfer-encoding'];
/** Headers of the answer to a WebSocket handshake (RFC 6455 §4.2.2). */
const HANDSHAKE = ['connection', 'upgrade', 'sec-websocket-accept'];

const inMixedCase = (name: string) =>
  Array.from(name, (letter, at) => (at % 2 === 0 ? letter.toLowerCase() : letter.toUpperCase())).join('');

/** Forward an answer to the client. */
function pass(
  { status, statusMessage, rawHeaders, body }: Answer,
  response: http.ServerResponse,
  alteration: Alteration | null,
  isHead: boolean,
  { inPieces, mixedCase }: Transport,
): void {
  const isEvents = headerOf(rawHeaders, 'content-type').includes('event-stream');
  const isWhole = alteration !== null && !isEvents && !isHead && status !== 204 && status !== 304;
  const isCut = inPieces === true && !isHead;
  const begin = (more: readonly string[] = []) => {
    const gone = isWhole || isCut ? [...HOP, 'content-length'] : HOP;
    if (/close/i.test(headerOf(rawHeaders, 'connection'))) response.shouldKeepAlive = false;
    const headers = [...without(rawHeaders, gone), ...more].map((text, at) =>
      mixedCase === true && at % 2 === 0 ? inMixedCase(text) : text,
    );
    response.writeHead(status, statusMessage, headers);
    response.flushHeaders();
  };
  body.on('error', () => response.destroy());
  if (isWhole) {
    const chunks: Buffer[] = [];
    body.on('data', (chunk: Buffer) => chunks.push(chunk));
    body.on('end', () => {
      const bytes = Buffer.from(alteration.json(Buffer.concat(chunks).toString()));
      begin(isCut ? [] : ['Content-Length', String(bytes.length)]);
      if (isCut) Readable.from(pieces([bytes])).pipe(response);
      else response.end(bytes);
    });
    return;
  }
  begin();
  const source = alteration !== null && isEvents ? Readable.from(alteredEvents(body, alteration)) : body;
  source.on('error', () => response.destroy());
  (isCut ? Readable.from(pieces(source)).on('error', () => response.destroy()) : source).pipe(response);
}

/** Maximum number of pieces of one chunk; pieces of a long chunk are longer. */
const MOST_PIECES = 20;
/** Odd, so that it splits multi-byte characters. */
const PIECE_BYTES = 7;

/** Split chunks into small pieces that are sent one by one. */
async function* pieces(chunks: AsyncIterable<Buffer | string> | Iterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk);
    const size = Math.max(PIECE_BYTES, Math.ceil(bytes.length / MOST_PIECES));
    for (let at = 0; at < bytes.length; at += size) {
      yield bytes.subarray(at, at + size);
      await setImmediate();
    }
  }
}

/** Forward the refusal of a handshake. */
function refuse(socket: Duplex, answer: http.IncomingMessage): void {
  const { statusCode, statusMessage, rawHeaders } = answer;
  socket.write(`HTTP/1.1 ${statusCode} ${statusMessage}\r\n${linesOf(rawHeaders).join('\r\n')}\r\n\r\n`);
  answer.pipe(socket);
}

/** Forward frames and the end of each connection to the other. */
function couple(
  upstream: WebSocket,
  { client, socket }: { readonly client: WebSocket; readonly socket: Duplex },
  altered: (text: string) => string,
  inPieces: boolean,
): void {
  upstream.on('message', (data: RawData, binary) => {
    const bytes = binary ? (data as Buffer) : Buffer.from(altered((data as Buffer).toString()));
    const cut = inPieces ? Math.min(PIECE_BYTES, bytes.length) : 0;
    if (cut > 0) client.send(bytes.subarray(0, cut), { binary, fin: false });
    client.send(bytes.subarray(cut), { binary });
  });
  client.on('message', (data: RawData, isBinary) => upstream.send(data as Buffer, { binary: isBinary }));
  for (const [from, to, cut] of [
    // Frames sent before the end are still forwarded.
    [upstream, client, () => socket.end()],
    [client, upstream, () => upstream.terminate()],
  ] as const) {
    from.on('error', cut);
    from.on('close', (code, reason) => {
      if (code === 1005 || code === 1006) cut();
      else to.close(code, reason);
    });
  }
}

/**
 * Change the data and the ids of server-sent events.
 *
 *   stream = (event | comment)*        event = (line LF)+ LF        line = name ": " value
 */
async function* alteredEvents(body: Readable, alteration: Alteration): AsyncGenerator<string> {
  let pending = '';
  for await (const text of body.setEncoding('utf8') as AsyncIterable<string>) {
    const blocks = (pending + text).split('\n\n');
    pending = blocks.pop() ?? '';
    for (const block of blocks) yield `${alteredEvent(block, alteration)}\n\n`;
  }
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
  const altered = alteration.json(data).split('\n');
  return [
    ...others,
    ...(id === undefined ? [] : [`id: ${id}`]),
    ...altered.map((line) => `data: ${line}`),
  ].join('\n');
}
