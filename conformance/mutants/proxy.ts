/** Stands between the suite and a relay, and carries or writes what the relay answers and sends otherwise. */
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { Readable, type Duplex } from 'node:stream';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { ROUTES, type OperationId } from '@bot2bot/schemas';
import { Client } from 'undici';
import { WebSocket, WebSocketServer, type RawData } from 'ws';
import { operationOf } from '../src/trace/operations.ts';

/** More than a frame of a relay or of the suite holds. */
const MOST_BYTES = 80 << 20;

/** Changes what a relay says. */
export interface Alteration {
  /** Whether answers with this status to this operation are altered. @param status 101 for frames of a WebSocket. */
  concerns(operation: OperationId | null, status: number): boolean;
  /** @param text the JSON of an answer or frame. @returns the same text where there is nothing to alter. */
  json(text: string): string;
  /** @param id of a server-sent event; absent when it had none. */
  eventId(id: string | undefined): string | undefined;
}

/** How bytes are carried, where that is not as the relay sent them. */
export interface Transport {
  /** A connection is closed when it has been idle for so long, in ms. */
  readonly idleMs?: number;
  /** Each answer begins late, by up to so many ms. */
  readonly slowMs?: number;
  /** Bodies, events and frames come in small chunks, cut between any two bytes. */
  readonly inPieces?: boolean;
  /** Names of headers come in upper and lower case. */
  readonly mixedCase?: boolean;
  /** Requests that may be sent again share one connection to the relay, which does not wait for their answers in between. */
  readonly pipelined?: boolean;
}

export interface Proxy {
  readonly url: string;
  /** Alter this from now on, or nothing; connections that are open stay as they are. */
  alter(alteration: Alteration | null): void;
  stop(): Promise<void>;
}

/** A relay's answer, of which the body is still to come. */
interface Answer {
  readonly status: number;
  readonly statusMessage: string;
  /** Name, value, name, value, … */
  readonly rawHeaders: readonly string[];
  readonly body: Readable;
}

/** Whether a pipelining proxy may send this request once more when its connection ends: it neither writes, nor spends a nonce, nor parks. */
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

/** @param target base URL of the relay, without a path. */
export async function startProxy(target: string, transport: Transport = {}): Promise<Proxy> {
  const { hostname, port, host } = new URL(target);
  const agent = new http.Agent({ keepAlive: true });
  const shared = transport.pipelined === true ? new Client(target, { pipelining: 8 }) : null;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MOST_BYTES, perMessageDeflate: false });
  /** The relay's own headers of an answer to a handshake. */
  const greetings = new WeakMap<http.IncomingMessage, readonly string[]>();
  sockets.on('headers', (lines, request) => lines.push(...linesOf(greetings.get(request) ?? [])));
  let alteration: Alteration | null = null;

  /** Ask the relay on a connection of its own. */
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

  const server = http.createServer({ keepAliveTimeout: transport.idleMs ?? 120_000 }, (request, response) => {
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
  /** Let a client and the relay speak without the proxy. @param sent what the client has sent. */
  function tunnel(socket: Duplex, sent: Buffer): void {
    const upstream = net.connect(Number(port), hostname);
    tunnels.add(socket);
    // What came before the relay cut the connection still goes on.
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

  // Whether to meet an expectation is for the relay to say.
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  // What is no HTTP goes to the relay as it is: it has to refuse it.
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

function headerOf(rawHeaders: readonly string[], name: string): string {
  const at = rawHeaders.findIndex((each, index) => index % 2 === 0 && each.toLowerCase() === name);
  return at < 0 ? '' : (rawHeaders[at + 1] ?? '');
}

/** The headers but for some. */
function without(rawHeaders: readonly string[], names: readonly string[]): string[] {
  return rawHeaders.filter((_, at) => !names.includes((rawHeaders[at - (at % 2)] ?? '').toLowerCase()));
}

function linesOf(rawHeaders: readonly string[]): string[] {
  return rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${rawHeaders[at + 1] ?? ''}`] : []));
}

/** Headers of a connection, not of what it carries (RFC 9110 §7.6.1). */
const HOP = ['connection', 'keep-alive', 'transfer-encoding'];
/** Headers that a WebSocket handshake is answered with (RFC 6455 §4.2.2). */
const HANDSHAKE = ['connection', 'upgrade', 'sec-websocket-accept'];

const inMixedCase = (name: string) =>
  Array.from(name, (letter, at) => (at % 2 === 0 ? letter.toLowerCase() : letter.toUpperCase())).join('');

/** Pass an answer on. */
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

/** At most so many pieces are made of one chunk, which are then longer. */
const MOST_PIECES = 20;
/** Odd, so that it cuts characters of two and more bytes. */
const PIECE_BYTES = 7;

/** Cut chunks into small pieces, each sent by itself. */
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

/** Pass a refusal of a handshake on. */
function refuse(socket: Duplex, answer: http.IncomingMessage): void {
  const { statusCode, statusMessage, rawHeaders } = answer;
  socket.write(`HTTP/1.1 ${statusCode} ${statusMessage}\r\n${linesOf(rawHeaders).join('\r\n')}\r\n\r\n`);
  answer.pipe(socket);
}

/** Pass frames and the end of each connection on to the other. */
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
    // What it sent before it ended still comes.
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
 * Alter the data and the id of server-sent events.
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
