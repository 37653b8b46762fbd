/**
 * Server-sent events (HTML Living Standard, 9.2.6):
 *
 *     stream  = [ BOM ] *event
 *     event   = *( comment / field ) end-of-line
 *     comment = ":" *any-char end-of-line
 *     field   = name [ ":" [ " " ] *any-char ] end-of-line
 *     end-of-line = CR LF / LF / CR
 */
import { Bot2BotError } from './errors.ts';

export interface ServerEvent {
  readonly data: string;
  /** The last `id:` of the stream so far; empty before the first. */
  readonly id: string;
}

/** Longer than any valid frame. It bounds the buffer for a stream that never ends its line. */
const MAX_EVENT_CHARS = 4 << 20;

/** Incremental parser: takes text in chunks of any size and yields complete events. */
export class EventParser {
  #rest = '';
  #data: string[] = [];
  #size = 0;
  #id = '';
  #started = false;

  /** @throws {Bot2BotError} bad-answer, for an event longer than MAX_EVENT_CHARS. */
  *take(piece: string): Generator<ServerEvent> {
    let text = this.#rest + piece;
    if (!this.#started && text !== '') {
      this.#started = true;
      if (text.startsWith('\uFEFF')) text = text.slice(1);
    }
    let from = 0;
    for (const { 0: end, index } of text.matchAll(/\r\n|\n|\r/g)) {
      // A CR at the end of a chunk may be the first half of a CR LF: wait for the next chunk.
      if (end === '\r' && index + 1 === text.length) break;
      const event = this.#line(text.slice(from, index));
      if (event !== null) yield event;
      from = index + end.length;
    }
    this.#rest = text.slice(from);
    if (this.#rest.length + this.#size > MAX_EVENT_CHARS)
      throw new Bot2BotError('bad-answer', 'the stream sent an event longer than the protocol allows');
  }

  #line(line: string): ServerEvent | null {
    if (line === '') {
      const { length } = this.#data;
      const data = this.#data.join('\n');
      this.#data = [];
      this.#size = 0;
      return length === 0 ? null : { data, id: this.#id };
    }
    const colon = line.indexOf(':');
    if (colon === 0) return null;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (name === 'data') {
      this.#data.push(value);
      this.#size += value.length;
    } else if (name === 'id' && !value.includes('\0')) this.#id = value;
    return null;
  }
}
