/** The raw client: sends exactly what it is told, records exactly what comes back, and understands nothing. */
import http from 'node:http';
import https from 'node:https';
import { createParser } from 'eventsource-parser';
import { WebSocket } from 'ws';
import type { Request } from '../script/steps.ts';
import type { CloseRecord, FrameRecord, HttpRecord, OpenRecord } from '../trace/records.ts';

/** More than any conformant answer holds: 500 messages of 128 KiB, and some. */
const MAX_BODY_BYTES = 80 << 20;

export type Answer = Pick<HttpRecord, 'status' | 'resHeaders' | 'resBody' | 'error'>;
type Heard = Pick<FrameRecord, 'kind' | 'id' | 'data'>;
type Ended = Pick<CloseRecord, 'by' | 'code'>;

/** What a stream does to its owner. */
export interface StreamEvents {
  readonly frame: (heard: Heard) => void;
  readonly close: (ended: Ended) => void;
}

export interface OpenStream {
  readonly answer: Pick<OpenRecord, 'status' | 'resHeaders' | 'resBody' | 'error'>;
  readonly send: (data: string | Buffer) => void;
  /** Stop and go on reading from the socket. */
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

export class Wire {
  readonly #base: URL;
  readonly #agent: http.Agent;

  /** @param base the relay's base URL; a path in it is kept in front of every path. */
  constructor(base: string) {
    this.#base = new URL(base);
    const Agent = this.#base.protocol === 'https:' ? https.Agent : http.Agent;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 64 });
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
        ...(request.body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(request.body)) }),
      },
      agent,
      insecureHTTPParser: true,
    });
  }

  http(request: Request): Promise<Answer> {
    return new Promise((resolve) => {
      let outgoing: http.ClientRequest;
      try {
        outgoing = this.#request(request, this.#agent);
      } catch (error) {
        resolve(failure(error));
        return;
      }
      const timer = setTimeout(
        () => outgoing.destroy(Object.assign(new Error(), { code: 'NO_ANSWER' })),
        request.timeoutMs,
      );
      const settle = (answer: Answer) => {
        clearTimeout(timer);
        resolve(answer);
      };
      outgoing.on('error', (error) => settle(failure(error)));
      outgoing.on('response', (incoming) => {
        const chunks: Buffer[] = [];
        let size = 0;
        incoming.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > MAX_BODY_BYTES) incoming.destroy(Object.assign(new Error(), { code: 'BODY_TOO_LONG' }));
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

  sse(request: Request, events: StreamEvents): Promise<OpenStream> {
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
      const timer = setTimeout(
        () => outgoing.destroy(Object.assign(new Error(), { code: 'NO_ANSWER' })),
        request.timeoutMs,
      );
      outgoing.on('error', (error) => {
        clearTimeout(timer);
        resolve({ ...inert, answer: failure(error) });
      });
      outgoing.on('response', (incoming) => {
        clearTimeout(timer);
        const resHeaders = flat(incoming.headers);
        const status = incoming.statusCode ?? 0;
        if (status !== 200 || !(resHeaders['content-type'] ?? '').includes('event-stream')) {
          let resBody = '';
          incoming
            .setEncoding('utf8')
            .on('data', (text: string) => (resBody = (resBody + text).slice(0, 65_536)));
          const done = () => resolve({ ...inert, answer: { status, resHeaders, resBody } });
          incoming.on('close', done).on('error', done);
          setTimeout(() => incoming.destroy(), 1_000).unref();
          return;
        }
        const parser = createParser({
          onEvent: ({ id, data }) =>
            events.frame({ kind: 'event', ...(id === undefined ? {} : { id }), data }),
          onComment: (data) => events.frame({ kind: 'comment', data }),
        });
        incoming.setEncoding('utf8').on('data', (text: string) => parser.feed(text));
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

  ws(request: Request, events: StreamEvents): Promise<OpenStream> {
    return new Promise((resolve) => {
      const url = new URL(this.#base);
      url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
      const target = url.href.replace(/\/$/, '') + request.path;
      const socket = new WebSocket(target, {
        headers: { ...request.headers },
        perMessageDeflate: false,
        handshakeTimeout: request.timeoutMs,
        maxPayload: MAX_BODY_BYTES,
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
      socket.on('upgrade', (incoming) => (resHeaders = flat(incoming.headers)));
      socket.on('open', () => {
        opened = true;
        resolve({ ...handle, answer: { status: 101, resHeaders, resBody: '' } });
      });
      socket.on('unexpected-response', (outgoing, incoming) => {
        let resBody = '';
        incoming
          .setEncoding('utf8')
          .on('data', (text: string) => (resBody = (resBody + text).slice(0, 65_536)));
        incoming.on('close', () => {
          outgoing.destroy();
          resolve({
            ...handle,
            answer: { status: incoming.statusCode ?? 0, resHeaders: flat(incoming.headers), resBody },
          });
        });
        setTimeout(() => incoming.destroy(), 1_000).unref();
      });
      socket.on('error', (error) => {
        if (!opened) resolve({ ...handle, answer: failure(error) });
      });
      socket.on('message', (data, isBinary) =>
        events.frame({ kind: isBinary ? 'binary' : 'text', data: Buffer.from(data as Buffer).toString() }),
      );
      socket.on('close', (code) => {
        if (opened && !byUs) events.close({ by: 'relay', code });
      });
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
