import type { ReadEvent } from './events.ts';
import { malformed, openMessage, type Member } from './member.ts';
import { Recent } from './recent.ts';
import { Gap, Message } from '../wire/wire.gen.ts';

/** What a page of messages, or `ready`, reports besides the messages. */
export interface PageHeader {
  readonly epoch?: string;
  readonly reset?: boolean;
  readonly gap?: unknown;
}

/**
 * One consumer's position in a room. It turns what the relay sends into events, drops duplicates, and notices when the
 * room was recreated.
 */
export class Position {
  /** The seq up to which everything of this epoch has been received. */
  after: number;
  /** Null until a relay has named it. */
  epoch: string | null = null;
  readonly #member: Member;
  readonly #includeSelf: boolean;
  readonly #seen = new Recent();

  constructor(member: Member, after: number, includeSelf: boolean) {
    this.#member = member;
    this.after = after;
    this.#includeSelf = includeSelf;
  }

  /** Whether there is a position that a recreated room would invalidate. */
  get isStarted(): boolean {
    return this.after > 0 || this.epoch !== null;
  }

  /** Record the room's epoch. @returns a reset event if it changed, else []. @see READ-16 */
  noteEpoch(epoch: string): ReadEvent[] {
    if (this.epoch === epoch) return [];
    const changed = this.epoch !== null;
    this.epoch = epoch;
    if (!changed) return [];
    this.after = 0;
    return [{ type: 'reset', epoch }];
  }

  /** Start over: the room is gone, or was recreated by a relay without epochs. @returns a reset event if there was a position. */
  forget(): ReadEvent[] {
    if (!this.isStarted) return [];
    this.after = 0;
    this.epoch = null;
    return [{ type: 'reset', epoch: null }];
  }

  /** Process what comes with a page or with `ready`. @returns reset and gap events. */
  takeHeader(header: PageHeader): ReadEvent[] {
    const { epoch, reset, gap } = header;
    const known = this.epoch;
    const events = epoch === undefined ? [] : this.noteEpoch(epoch);
    // A reset without a known epoch: `after` belonged to an earlier lifetime of the room.
    if (reset === true && events.length === 0 && known === null && this.after > 0) {
      this.after = 0;
      events.push({ type: 'reset', epoch: epoch ?? null });
    }
    if (gap !== undefined && Gap(gap)) events.push({ type: 'gap', from: gap.from, to: gap.to });
    return events;
  }

  /**
   * Process one message.
   * @param skipBelow drop a message whose seq is at or below `after`: true once the stream is known to be in `epoch`.
   * @returns [] for a duplicate, or an own message unless includeSelf.
   * @see MSG-24
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
