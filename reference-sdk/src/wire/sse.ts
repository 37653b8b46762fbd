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
  /** The last id that was given; empty when none was. */
  readonly id: string;
}

/** More than any frame holds; a stream without line ends must not fill the memory. */
const MAX_EVENT_CHARS = 4 << 20;

/** Takes text in pieces of any size and gives whole events. */
export class EventParser {
  #rest = '';
  #data: string[] = [];
  #size = 0;
  #id = '';
  #started = false;

  /** @throws {Bot2BotError} bad-answer, for an event longer than any frame. */
  *take(piece: string): Generator<ServerEvent> {
    let text = this.#rest + piece;
    if (!this.#started && text !== '') {
      this.#started = true;
      if (text.startsWith('\uFEFF')) text = text.slice(1);
    }
    let from = 0;
    for (const { 0: end, index } of text.matchAll(/\r\n|\n|\r/g)) {
      // A CR at the very end may be half of a CR LF: it waits for what follows.
      if (end === '\r' && index + 1 === text.length) break;
      const event = this.#line(text.slice(from, index));
      if (event !== null) yield event;
      from = index + end.length;
    }
    this.#rest = text.slice(from);
    if (this.#rest.length + this.#size > MAX_EVENT_CHARS)
      throw new Bot2BotError(
        'bad-answer',
        'the stream holds an event longer than any that the protocol allows',
      );
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
