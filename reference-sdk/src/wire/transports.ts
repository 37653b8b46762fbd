import { Bot2BotError } from './errors.ts';
import { chunks, type Http, type Query } from './http.ts';
import { EventParser } from './sse.ts';

/** One frame of a stream, with its SSE id (empty on a WebSocket). */
export interface Frame {
  readonly json: Readonly<Record<string, unknown>>;
  readonly id: string;
}

/** The parts of a WebSocket that the SDK uses: the platform's, or a compatible one such as that of `ws`. */
export interface WebSocketLike {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string): void;
  close(code?: number): void;
}
export type WebSocketConstructor = new (url: string) => WebSocketLike;

export interface Connect {
  readonly http: Http;
  readonly query: Query;
  readonly signal: AbortSignal;
}

const CONNECT_MS = 15_000;
/** Relays send a comment on SSE every 15 s, so three times that without data is a dead connection. */
const SILENT_MS = 45_000;
/** Unread frames of a WebSocket that are buffered, in characters. Past it the socket is closed; the reader reconnects from its position. */
const MAX_UNREAD_CHARS = 8 << 20;

function frameOf(text: string, id: string): Frame | null {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === 'object' && json !== null && !Array.isArray(json)
      ? { json: json as Record<string, unknown>, id }
      : null;
  } catch {
    return null;
  }
}

const lost = (why: string) => new Bot2BotError('network', why);

/** Frames from server-sent events. It never returns: when the stream ends, it throws. */
export async function* sseFrames({ http, query, signal }: Connect): AsyncGenerator<Frame> {
  const headers = { Accept: 'text/event-stream' };
  const call = { method: 'GET', operation: 'streamEvents', query, headers, signal } as const;
  const response = await http.open({ ...call, timeoutMs: CONNECT_MS });
  const type = response.headers.get('content-type') ?? '';
  if (!type.startsWith('text/event-stream') || response.body === null) {
    await response.body?.cancel();
    throw new Bot2BotError('bad-answer', 'the events are not text/event-stream');
  }
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const parser = new EventParser();
  try {
    for await (const piece of chunks(response.body, SILENT_MS)) {
      for (const { data, id } of parser.take(decoder.decode(piece, { stream: true }))) {
        const frame = frameOf(data, id);
        if (frame !== null) yield frame;
      }
    }
    throw lost('the relay ended the stream');
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof Bot2BotError) throw cause;
    throw new Bot2BotError('network', 'the stream broke', { cause });
  }
}

/**
 * Frames from a WebSocket. It never returns: when the socket ends, it throws.
 * @param hello the first frame to send.
 * @returns null after a quiet time: the caller then checks whether the connection is still alive.
 */
export async function* wsFrames(
  { http, query, signal }: Connect,
  socketOf: WebSocketConstructor,
  hello: string,
): AsyncGenerator<Frame | null> {
  const socket = new socketOf(http.url('openSocket', query).replace(/^http/, 'ws'));
  const unread: Frame[] = [];
  let chars = 0;
  let ended: Bot2BotError | null = null;
  let wake = () => undefined as void;
  const end = (why: string) => {
    ended ??= lost(why);
    wake();
  };
  const timer = setTimeout(() => end('the WebSocket did not open'), CONNECT_MS);
  const abort = () => end('aborted');
  signal.addEventListener('abort', abort);
  socket.onopen = () => {
    clearTimeout(timer);
    socket.send(hello);
  };
  socket.onclose = () => end('the WebSocket closed');
  socket.onerror = () => end('the WebSocket failed');
  socket.onmessage = ({ data }: { data: unknown }) => {
    if (typeof data !== 'string' || ended !== null) return;
    const frame = frameOf(data, '');
    if (frame === null) return;
    unread.push(frame);
    chars += data.length;
    if (chars > MAX_UNREAD_CHARS) {
      end('frames arrived faster than they were read');
      socket.close();
    }
    wake();
  };
  try {
    for (;;) {
      const frame = unread.shift();
      if (frame !== undefined) {
        if (unread.length === 0) chars = 0;
        yield frame;
        continue;
      }
      signal.throwIfAborted();
      if (ended !== null) throw ended;
      const idle = await new Promise<boolean>((resolve) => {
        const quiet = setTimeout(() => resolve(true), SILENT_MS);
        wake = () => {
          clearTimeout(quiet);
          resolve(false);
        };
        if (unread.length > 0 || ended !== null) wake();
      });
      wake = () => undefined;
      // A WebSocket's pings are invisible here, so silence says nothing about the connection.
      if (idle) yield null;
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    socket.onmessage = socket.onclose = socket.onopen = null;
    socket.onerror = () => undefined;
    socket.close();
  }
}
