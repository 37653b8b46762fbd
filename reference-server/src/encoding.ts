/**
 * The encoding of a stream: `ws`, WebSocket text frames; `sse`, one event per HTTP/1.1 chunk, so that clients that read a
 * body by chunks get each event at once; `sse-plain`, events without chunks, for HTTP/1.0.
 */
export type Format = 'ws' | 'sse' | 'sse-plain';

const DATA = Buffer.from('data: ');
const CRLF = Buffer.from('\r\n');
/** The chunk that ends a chunked body. */
export const LAST_CHUNK = Buffer.from('0\r\n\r\n');

/** Written to an idle stream: a ping on WebSocket, which the client must answer; a comment line on SSE. */
export const KEEPALIVE: Readonly<Record<Format, Buffer>> = {
  ws: Buffer.from([0x89, 0]),
  sse: Buffer.from('3\r\n:\n\n\r\n'),
  'sse-plain': Buffer.from(':\n\n'),
};

/** An unmasked WebSocket text frame (RFC 6455 §5.2). */
export function textFrame(payload: string | Buffer): Buffer {
  const length = Buffer.byteLength(payload);
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  // Not from Node's buffer pool: a frame that is kept would keep the whole 8 KiB slab of the pool alive.
  const frame = Buffer.allocUnsafeSlow(head + length);
  frame[0] = 0x81;
  if (head === 2) frame[1] = length;
  else if (head === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  if (typeof payload === 'string') frame.write(payload, head);
  else payload.copy(frame, head);
  return frame;
}

/** The payload of a frame that `textFrame` made; shares its memory. */
export function payloadOf(frame: Buffer): Buffer {
  const length = frame[1] ?? 0;
  return frame.subarray(length < 126 ? 2 : length === 126 ? 4 : 10);
}

/** One HTTP/1.1 chunk (RFC 9112 §7.1). */
function chunk(parts: readonly Buffer[]): Buffer {
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  const head = `${size.toString(16)}\r\n`;
  const whole = Buffer.allocUnsafeSlow(head.length + size + CRLF.length);
  let at = whole.write(head, 'latin1');
  for (const part of parts) at += part.copy(whole, at);
  CRLF.copy(whole, at);
  return whole;
}

/**
 * One event as a chunk. `data:` precedes `id:`, since some simple clients check that a chunk begins with `data:`.
 * @param json parts of one line of JSON.
 */
export function eventChunk(json: readonly Buffer[], id?: string): Buffer {
  return chunk([DATA, ...json, Buffer.from(id === undefined ? '\n\n' : `\nid: ${id}\n\n`)]);
}

/** The data of a chunk that `chunk` made; shares its memory. */
export function chunkData(whole: Buffer): Buffer {
  return whole.subarray(whole.indexOf(0x0a) + 1, -CRLF.length);
}

/** Encode a frame other than a message. */
export function encode(format: Format, json: string, id?: string): Buffer {
  if (format === 'ws') return textFrame(json);
  const event = eventChunk([Buffer.from(json)], id);
  return format === 'sse' ? event : chunkData(event);
}

/** An owner of encoded copies that can be recreated. */
interface Holder {
  /** Drop all copies and `release` their bytes. */
  dropEncoded(): void;
}

/**
 * Bounds the memory of the encoded copies of messages that are cached for streams. The messages themselves are counted
 * elsewhere: when the cache is full, other copies are dropped, never a message.
 */
export class EncodingCache {
  readonly #maxBytes: number;
  readonly #holders = new Set<Holder>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Count more bytes for a holder. While the cache is over its limit, the holders that have held longest drop theirs. */
  hold(holder: Holder, bytes: number): void {
    this.#holders.add(holder);
    this.#bytes += bytes;
    for (const oldest of this.#holders) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#holders.delete(oldest);
      oldest.dropEncoded();
    }
  }

  release(bytes: number): void {
    this.#bytes -= bytes;
  }

  forget(holder: Holder): void {
    this.#holders.delete(holder);
  }

  get bytes(): number {
    return this.#bytes;
  }
}
