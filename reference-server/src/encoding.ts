/** How frames are written on each transport. */

/**
 * How a stream is written: WebSocket text frames; events as HTTP/1.1 chunks, so that readers that take a body by chunks
 * get each event when it comes; or events alone, for HTTP/1.0.
 */
export type Format = 'ws' | 'sse' | 'sse-plain';

const DATA = Buffer.from('data: ');
const CRLF = Buffer.from('\r\n');
/** The chunk that ends a chunked body. */
export const LAST_CHUNK = Buffer.from('0\r\n\r\n');

/** Written to a stream that had nothing else for a while: a comment; a ping, which the other side has to answer. */
export const KEEPALIVE: Readonly<Record<Format, Buffer>> = {
  ws: Buffer.from([0x89, 0]),
  sse: Buffer.from('3\r\n:\n\n\r\n'),
  'sse-plain': Buffer.from(':\n\n'),
};

/** An unmasked WebSocket text frame (RFC 6455 §5.2). */
export function textFrame(payload: string | Buffer): Buffer {
  const length = Buffer.byteLength(payload);
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  // Not from the pool: a message that stays would keep the pool's other bytes.
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

/** What a text frame that was made here carries. */
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
 * One event as a chunk. The data comes before the id: simple readers look at how a chunk begins.
 * @param json one line.
 */
export function eventChunk(json: readonly Buffer[], id?: string): Buffer {
  return chunk([DATA, ...json, Buffer.from(id === undefined ? '\n\n' : `\nid: ${id}\n\n`)]);
}

/** What stands in a chunk. */
export function unchunked(whole: Buffer): Buffer {
  return whole.subarray(whole.indexOf(0x0a) + 1, -CRLF.length);
}

/** A frame that is not a message. */
export function encode(format: Format, json: string, id?: string): Buffer {
  if (format === 'ws') return textFrame(json);
  const event = eventChunk([Buffer.from(json)], id);
  return format === 'sse' ? event : unchunked(event);
}

/** Who holds encoded copies that it can do without. */
interface Holder {
  /** Drop them all. */
  dropEncoded(): void;
}

/**
 * Bounds the copies of messages that are held encoded for streams. They come beside the messages: to make room for one,
 * other copies go, and never a message.
 */
export class EncodingCache {
  readonly #most: number;
  readonly #holders = new Set<Holder>();
  #bytes = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Note that a holder has more; whoever began longest ago drops its copies when they are too many. */
  hold(holder: Holder, bytes: number): void {
    this.#holders.add(holder);
    this.#bytes += bytes;
    for (const oldest of this.#holders) {
      if (this.#bytes <= this.#most) break;
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
