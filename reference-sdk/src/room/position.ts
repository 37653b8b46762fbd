import type { ReadEvent } from './events.ts';
import { malformed, openMessage, type Member } from './member.ts';
import { Recent } from './recent.ts';
import { Gap, Message } from '../wire/wire.gen.ts';

/** What reads and `ready` say about a place. */
export interface PageHeader {
  readonly epoch?: string;
  readonly reset?: boolean;
  readonly gap?: unknown;
}

/** One reader's place in a room: what it has had, and what it makes of what comes. */
export class Position {
  /** Everything up to this seq of the epoch has been had. */
  after: number;
  epoch: string | null = null;
  readonly #member: Member;
  readonly #includeSelf: boolean;
  readonly #seen = new Recent();

  constructor(member: Member, after: number, includeSelf: boolean) {
    this.#member = member;
    this.after = after;
    this.#includeSelf = includeSelf;
  }

  /** Whether it has a place that could be lost. */
  get isStarted(): boolean {
    return this.after > 0 || this.epoch !== null;
  }

  /** Take note of an epoch. @returns a reset, when it is another than before. @see READ-16 */
  noteEpoch(epoch: string): ReadEvent[] {
    if (this.epoch === epoch) return [];
    const changed = this.epoch !== null;
    this.epoch = epoch;
    if (!changed) return [];
    this.after = 0;
    return [{ type: 'reset', epoch }];
  }

  /** The room is gone, or was made anew by a relay that tells no epochs. */
  forget(): ReadEvent[] {
    if (!this.isStarted) return [];
    this.after = 0;
    this.epoch = null;
    return [{ type: 'reset', epoch: null }];
  }

  /** What an answer or `ready` says before its messages. */
  takeHeader(header: PageHeader): ReadEvent[] {
    const { epoch, reset, gap } = header;
    const known = this.epoch;
    const events = epoch === undefined ? [] : this.noteEpoch(epoch);
    // Told to begin again although no epoch was known: the place that was asked for was another room's.
    if (reset === true && events.length === 0 && known === null && this.after > 0) {
      this.after = 0;
      events.push({ type: 'reset', epoch: epoch ?? null });
    }
    if (gap !== undefined && Gap(gap)) events.push({ type: 'gap', from: gap.from, to: gap.to });
    return events;
  }

  /**
   * Take one message.
   * @param skipBelow leave out what is at or below the place: true once the stream is in the reader's epoch.
   * @returns none for what it has had, and for its own. @see MSG-24
   */
  async takeMessage(value: unknown, skipBelow: boolean, signal: AbortSignal): Promise<ReadEvent[]> {
    if (!Message(value)) {
      const event = malformed(value);
      if (event.seq > 0 && event.seq <= this.after && skipBelow) return [];
      if (event.seq > 0) this.after = event.seq;
      return [event];
    }
    const { seq, nonce } = value;
    if (skipBelow && seq <= this.after) return [];
    this.after = seq;
    if (!this.#seen.add(nonce)) return [];
    if (!this.#includeSelf && this.#member.sent.has(nonce)) return [];
    const event = await openMessage(this.#member, value, signal);
    if (event.type === 'unopened') return [event];
    if (event.own && !this.#includeSelf) return [];
    const handle = value.sender_handle ?? '';
    return event.signature === 'key-changed' ? [{ type: 'key-changed', handle, seq }, event] : [event];
  }
}
