/** Sockets in memory that record what is written to them, and a parser of the recorded frames. */
import { Writable } from 'node:stream';
import type { Format } from '../src/encoding.ts';

/** A socket in memory: collects everything that is sent to the client of a stream or a read. */
export class Wire extends Writable {
  readonly sent: Buffer[] = [];
  stalled = false;
  /** Something was written although more than `mostWaiting` bytes were already waiting. */
  overfilled = false;
  #taken: (() => void) | undefined;

  readonly #mostWaiting: number;

  /** @param mostWaiting maximum number of unsent bytes at which the relay may still write. */
  constructor(mostWaiting: number) {
    super({ highWaterMark: 64, decodeStrings: false });
    this.#mostWaiting = mostWaiting;
  }

  override end(data?: unknown): this {
    if (Buffer.isBuffer(data)) this.sent.push(data);
    return super.end(data);
  }

  override write(data: Buffer): boolean {
    this.overfilled ||= this.writableLength > this.#mostWaiting;
    this.sent.push(data);
    return super.write(data);
  }

  override _write(_data: Buffer, _encoding: string, taken: () => void): void {
    if (this.stalled) this.#taken = taken;
    else taken();
  }

  take(): void {
    this.stalled = false;
    const taken = this.#taken;
    this.#taken = undefined;
    taken?.();
  }
}

export type Json = Readonly<Record<string, unknown>>;
export const json = (text: string) => JSON.parse(text) as Json;

/** Parse the frames in the sent bytes; `null` for a keep-alive (ping or comment). */
export function framesIn(format: Format, bytes: Buffer): (Json | null)[] {
  if (format === 'ws') {
    const frames: (Json | null)[] = [];
    for (let at = 0; at < bytes.length;) {
      const short = bytes.readUInt8(at + 1);
      const head = short === 126 ? 4 : 2;
      const length = short === 126 ? bytes.readUInt16BE(at + 2) : short;
      const payload = bytes.toString('utf8', at + head, at + head + length);
      frames.push(bytes[at] === 0x89 ? null : json(payload));
      at += head + length;
    }
    return frames;
  }
  let text = '';
  if (format === 'sse-plain') text = bytes.toString();
  else
    for (let at = 0; at < bytes.length;) {
      const start = bytes.indexOf('\r\n', at) + 2;
      const end = start + Number.parseInt(bytes.toString('latin1', at, start), 16);
      text += bytes.toString('utf8', start, end);
      at = end + 2;
    }
  const events = text.split('\n\n').slice(0, -1);
  return events.map((event) =>
    event === ':' ? null : json(event.replace(/^data: /, '').split('\n')[0] ?? ''),
  );
}
