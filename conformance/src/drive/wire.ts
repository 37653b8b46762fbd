/** A raw client: sends exactly the given requests, and returns exactly what it receives, without interpretation. */
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import { createParser } from 'eventsource-parser';
import { WebSocket } from 'ws';
import { GIVEN_UP, type Request } from '../script/steps.ts';
import type { CloseRecord, FrameRecord, HttpRecord, OpenRecord } from '../trace/records.ts';

/** More than any conformant answer has: 500 messages of 128 KiB, and a margin. */
const MAX_BODY_BYTES = 80 << 20;
/** More than any frame has: a message of 128 KiB, with every character escaped. */
const MAX_FRAME_BYTES = 4 << 20;
/** Maximum length of the answer to bytes that are not a request. */
const MAX_RAW_CHARS = 1 << 20;
/** Maximum length of an answer that refuses a stream. */
const MAX_REFUSAL_CHARS = 65_536;
/** How long it is read, in ms: JSON ends by itself, however slowly it comes; a stream of another type may not end. */
const REFUSAL_MS = { json: 10_000, other: 1_000 } as const;

export type Answer = Pick<HttpRecord, 'status' | 'resHeaders' | 'resBody' | 'error'>;
type Heard = Pick<FrameRecord, 'kind' | 'id' | 'data'>;
type Ended = Pick<CloseRecord, 'by' | 'code'>;

/** Callbacks of a stream. */
export interface StreamEvents {
  readonly frame: (heard: Heard) => void;
  readonly close: (ended: Ended) => void;
}

export interface OpenStream {
  readonly answer: Pick<OpenRecord, 'status' | 'resHeaders' | 'resBody' | 'error'>;
  readonly send: (data: string | Buffer) => void;
  /** Pause and resume reading from the socket. */
  readonly pause: () => void;
  readonly resume: () => void;
  readonly close: () => void;
}

function flat(headers: http.IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : (value ?? ''),
    ]),
  );
}

function failure(error: unknown): {
  status: 0;
  resHeaders: Record<string, string>;
  resBody: '';
  error: string;
} {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  return { status: 0, resHeaders: {}, resBody: '', error: code };
}

/** Call `giveUp` when the time is over or the signal is aborted. @returns a function that cancels this. */
function giveUpAfter(
  ms: number,
  signal: AbortSignal | undefined,
  giveUp: (code: string) => void,
): () => void {
  const onAbort = () => {
    release();
    giveUp(GIVEN_UP);
  };
  const timer = setTimeout(() => {
    release();
    giveUp('NO_ANSWER');
  }, ms);
  const release = () => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  };
  signal?.addEventListener('abort', onAbort);
  if (signal?.aborted === true) queueMicrotask(onAbort);
  return release;
}

/** Read the answer that refuses a stream, up to a maximum length, for a limited time. */
function refusal(incoming: http.IncomingMessage): Promise<OpenStream['answer']> {
  return new Promise((resolve) => {
    let resBody = '';
    const isJson = /json/i.test(incoming.headers['content-type'] ?? '');
    setTimeout(() => incoming.destroy(), REFUSAL_MS[isJson ? 'json' : 'other']).unref();
    incoming.setEncoding('utf8').on('data', (text: string) => {
      resBody += text;
      if (resBody.length >= MAX_REFUSAL_CHARS) incoming.destroy();
    });
    const done = () =>
      resolve({
        status: incoming.statusCode ?? 0,
        resHeaders: flat(incoming.headers),
        resBody: resBody.slice(0, MAX_REFUSAL_CHARS),
      });
    incoming.on('close', done).on('error', done);
  });
}

/** Decode the chunks at the start of a text (RFC 9112 §7.1). @returns `isWhole` if the last chunk is there. */
function unchunked(text: string): { body: string; isWhole: boolean } {
  let [body, at] = ['', 0];
  for (;;) {
    const line = text.indexOf('\r\n', at);
    const size = line < 0 ? NaN : parseInt(text.slice(at, line), 16);
    if (!(size >= 0)) return { body, isWhole: false };
    if (size === 0) return { body, isWhole: true };
    body += text.slice(line + 2, line + 2 + size);
    at = line + 2 + size + 2;
  }
}

/**
 * Parse the HTTP answer at the start of a text (RFC 9112 §4), as far as it has arrived.
 * @returns null if the headers are incomplete; `isWhole` if the body is complete by its framing.
 */
function rawAnswer(text: string): { answer: Answer; isWhole: boolean } | null {
  const head = /^HTTP\/1\.[01] (\d{3})[^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n/.exec(text);
  if (head === null) return null;
  const headers = (head[2] ?? '').split('\r\n').map((line): [string, string] => {
    const [name = '', ...value] = line.split(':');
    return [name.toLowerCase(), value.join(':').trim()];
  });
  const resHeaders = Object.fromEntries(headers);
  const rest = text.slice(head[0].length);
  const isChunked = /chunked/i.test(resHeaders['transfer-encoding'] ?? '');
  const length = Number(resHeaders['content-length'] ?? NaN);
  const { body, isWhole } = isChunked ? unchunked(rest) : { body: rest, isWhole: rest.length >= length };
  const resBody = Buffer.from(body, 'latin1').toString();
  return { answer: { status: Number(head[1]), resHeaders, resBody }, isWhole };
}

export class Wire {
  readonly url: string;
  readonly #base: URL;
  readonly #agent: http.Agent;
  readonly #onBytes: (count: number) => void;
  /**
   * The family of the first connection, which all others keep to: over IPv4 and IPv6 together, a relay would see two clients,
   * each with limits of its own.
   */
  #family: { family?: 4 | 6 } = {};

  /**
   * @param base the relay's base URL; its path is the prefix of every path.
   * @param onBytes called with the number of received bytes of bodies and frames.
   */
  constructor(base: string, onBytes: (count: number) => void = () => undefined) {
    this.url = base;
    this.#base = new URL(base);
    const Agent = this.#base.protocol === 'https:' ? https.Agent : http.Agent;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 64 });
    this.#onBytes = onBytes;
  }

  #request(request: Omit<Request, 'timeoutMs'>, agent: http.Agent | false): http.ClientRequest {
    const { request: open } = this.#base.protocol === 'https:' ? https : http;
    return open({
      hostname: this.#base.hostname.replace(/^\[|\]$/g, ''),
      port: this.#base.port,
      method: request.method,
      path: this.#base.pathname.replace(/\/$/, '') + request.path,
      headers: {
        ...request.headers,
        ...(request.body === undefined || request.headers?.['Transfer-Encoding'] !== undefined
          ? {}
          : { 'Content-Length': String(Buffer.byteLength(request.body)) }),
      },
      agent,
      ...this.#family,
      insecureHTTPParser: true,
    });
  }

  /** Send raw bytes. The answer ends with its `Content-Length`, its last chunk, or the connection. */
  #raw(raw: string, timeoutMs: number, signal: AbortSignal | undefined): Promise<Answer> {
    return new Promise((resolve) => {
      const { protocol, hostname, port } = this.#base;
      const host = hostname.replace(/^\[|\]$/g, '');
      const isSecure = protocol === 'https:';
      const at = { host, port: Number(port) || (isSecure ? 443 : 80) };
      const socket = isSecure ? tls.connect({ ...at, servername: host }) : net.connect(at);
      let text = '';
      let answer: Answer | null = null;
      const settle = (error: unknown) => {
        release();
        socket.destroy();
        resolve(answer ?? failure(error));
      };
      const release = giveUpAfter(timeoutMs, signal, (code) => settle(Object.assign(new Error(), { code })));
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1');
        const come = rawAnswer(text);
        answer = come?.answer ?? null;
        if (come?.isWhole === true || text.length > MAX_RAW_CHARS) settle(null);
      });
      socket.on('error', settle);
      socket.on('close', () => settle(Object.assign(new Error(), { code: 'CLOSED' })));
      socket.write(raw, 'latin1');
    });
  }

  /**
   * Send a request and read its answer.
   *
   * A server may close an idle connection at any time, even while the next request is being sent. Therefore a request on a
   * reused connection that ends before any byte of the answer is repeated once on a new connection. This applies to every
   * method: a correct relay has not processed the lost request, since it answers every request that it processes. A relay that
   * processed it without an answer is detected, because it answers the repetition as a repetition (nonce already used,
   * duplicate) or stores a second message. The alternative, new connections for all writes, would cost a TLS handshake for
   * each, and would not test whether an answer to a write is framed correctly for the next request on its connection.
   */
  async http(request: Request, signal?: AbortSignal): Promise<Answer> {
    if (request.raw !== undefined) return this.#raw(request.raw, request.timeoutMs, signal);
    const started = performance.now();
    const first = await this.#exchange(request, this.#agent, signal);
    if (!first.lost) return first.answer;
    const timeoutMs = Math.max(1, request.timeoutMs - (performance.now() - started));
    return (await this.#exchange({ ...request, timeoutMs }, false, signal)).answer;
  }

  /** Send a request once. @returns `lost` if a reused connection ended before any byte of the answer. */
  #exchange(
    request: Request,
    agent: http.Agent | false,
    signal: AbortSignal | undefined,
  ): Promise<{ answer: Answer; lost: boolean }> {
    return new Promise((resolve) => {
      let outgoing: http.ClientRequest;
      try {
        outgoing = this.#request(request, agent);
      } catch (error) {
        resolve({ answer: failure(error), lost: false });
        return;
      }
      /** Bytes that were received on the connection before this request; null until the request has a connection. */
      let before: number | null = null;
      outgoing.on('socket', (socket) => (before = socket.bytesRead));
      const settle = (answer: Answer) => {
        release();
        const closed = answer.error === 'ECONNRESET' || answer.error === 'EPIPE';
        const silent = before !== null && outgoing.socket?.bytesRead === before;
        resolve({ answer, lost: closed && silent && outgoing.reusedSocket });
      };
      const giveUp = (code: string) => {
        settle(failure(Object.assign(new Error(), { code })));
        outgoing.destroy();
      };
      const release = giveUpAfter(request.timeoutMs, signal, giveUp);
      outgoing.on('error', (error) => settle(failure(error)));
      outgoing.on('response', (incoming) => {
        const { remoteFamily } = incoming.socket;
        if (remoteFamily !== undefined && this.#family.family === undefined)
          this.#family = { family: remoteFamily === 'IPv6' ? 6 : 4 };
        const chunks: Buffer[] = [];
        let size = 0;
        incoming.on('data', (chunk: Buffer) => {
          this.#onBytes(chunk.length);
          size += chunk.length;
          if (size > MAX_BODY_BYTES) giveUp('BODY_TOO_LONG');
          else chunks.push(chunk);
        });
        incoming.on('error', (error) => settle(failure(error)));
        incoming.on('end', () =>
          settle({
            status: incoming.statusCode ?? 0,
            resHeaders: flat(incoming.headers),
            resBody: Buffer.concat(chunks).toString(),
          }),
        );
      });
      outgoing.end(request.body);
    });
  }

  sse(request: Request, events: StreamEvents, signal?: AbortSignal): Promise<OpenStream> {
    return new Promise((resolve) => {
      const outgoing = this.#request(
        { ...request, headers: { Accept: 'text/event-stream', ...request.headers } },
        false,
      );
      let byUs = false;
      const close = () => {
        byUs = true;
        outgoing.destroy();
      };
      const inert = { send: () => undefined, pause: () => undefined, resume: () => undefined, close };
      const fail = (error: unknown) => {
        release();
        resolve({ ...inert, answer: failure(error) });
      };
      const release = giveUpAfter(request.timeoutMs, signal, (code) => {
        fail(Object.assign(new Error(), { code }));
        outgoing.destroy();
      });
      outgoing.on('error', fail);
      outgoing.on('response', (incoming) => {
        release();
        const resHeaders = flat(incoming.headers);
        const status = incoming.statusCode ?? 0;
        if (status !== 200 || !(resHeaders['content-type'] ?? '').includes('event-stream')) {
          void refusal(incoming).then((answer) => resolve({ ...inert, answer }));
          return;
        }
        const parser = createParser({
          maxBufferSize: MAX_FRAME_BYTES,
          onEvent: ({ id, data }) =>
            events.frame({ kind: 'event', ...(id === undefined ? {} : { id }), data }),
          onComment: (data) => events.frame({ kind: 'comment', data }),
          onError: ({ type }) => {
            if (type === 'max-buffer-size-exceeded') incoming.destroy();
          },
        });
        incoming.setEncoding('utf8').on('data', (text: string) => {
          this.#onBytes(text.length);
          if (!incoming.destroyed) parser.feed(text);
        });
        incoming.on('error', () => undefined);
        incoming.on('close', () => {
          if (!byUs) events.close({ by: 'relay' });
        });
        resolve({
          send: () => undefined,
          pause: () => incoming.socket.pause(),
          resume: () => incoming.socket.resume(),
          close,
          answer: { status, resHeaders, resBody: '' },
        });
      });
      outgoing.end();
    });
  }

  ws(request: Request, events: StreamEvents, signal?: AbortSignal): Promise<OpenStream> {
    return new Promise((resolve) => {
      const url = new URL(this.#base);
      url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
      const target = url.href.replace(/\/$/, '') + request.path;
      const socket = new WebSocket(target, {
        headers: { ...request.headers },
        ...this.#family,
        perMessageDeflate: false,
        maxPayload: MAX_FRAME_BYTES,
      });
      let byUs = false;
      let resHeaders: Record<string, string> = {};
      let opened = false;
      const handle = {
        send: (data: string | Buffer) => socket.send(data),
        pause: () => socket.pause(),
        resume: () => socket.resume(),
        close: () => {
          byUs = true;
          socket.terminate();
        },
      };
      const fail = (error: unknown) => {
        release();
        if (!opened) resolve({ ...handle, answer: failure(error) });
      };
      const release = giveUpAfter(request.timeoutMs, signal, (code) => {
        fail(Object.assign(new Error(), { code }));
        socket.terminate();
      });
      socket.on('upgrade', (incoming) => (resHeaders = flat(incoming.headers)));
      socket.on('open', () => {
        release();
        opened = true;
        resolve({ ...handle, answer: { status: 101, resHeaders, resBody: '' } });
      });
      socket.on('unexpected-response', (outgoing, incoming) => {
        release();
        void refusal(incoming).then((answer) => {
          outgoing.destroy();
          resolve({ ...handle, answer });
        });
      });
      socket.on('error', fail);
      socket.on('message', (data, isBinary) => {
        const bytes = Buffer.from(data as Buffer);
        this.#onBytes(bytes.length);
        events.frame({ kind: isBinary ? 'binary' : 'text', data: bytes.toString() });
      });
      socket.on('close', (code) => {
        if (opened && !byUs) events.close({ by: 'relay', code });
      });
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
