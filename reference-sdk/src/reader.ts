import { open } from './crypto.ts';
import type { ReadEvent } from './events.ts';
import { Gap, Message } from './wire.gen.ts';

/** Nonces that a reader remembers: five times what a relay buffers. */
const REMEMBERED = 10_000;

/** A set that forgets its oldest members. */
export class Recent {
  readonly #held = new Set<string>();

  has(value: string): boolean {
    return this.#held.has(value);
  }

  /** @returns whether it was new. */
  add(value: string): boolean {
    if (this.#held.has(value)) return false;
    this.#held.add(value);
    if (this.#held.size > REMEMBERED) {
      for (const oldest of this.#held) {
        this.#held.delete(oldest);
        break;
      }
    }
    return true;
  }
}

/** What reads and `ready` say about a place. */
export interface Standing {
  readonly epoch?: string;
  readonly reset?: boolean;
  readonly gap?: unknown;
}

export interface ReaderOptions {
  readonly key: Uint8Array;
  readonly after: number;
  /** Whether the message is the reader's own. @see SEAL-13 */
  readonly isOwn: (nonce: string, sender: string) => boolean;
  readonly includeSelf: boolean;
}

/** One reader's place in a room: what it has had, and what it makes of what comes. */
export class Reader {
  /** Everything up to this seq of the epoch has been had. */
  after: number;
  epoch: string | null = null;
  readonly #options: ReaderOptions;
  readonly #seen = new Recent();

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.after = options.after;
  }

  /** Whether it has a place that could be lost. */
  get placed(): boolean {
    return this.after > 0 || this.epoch !== null;
  }

  /** Take note of an epoch. @returns a reset, when it is another than before. @see READ-16 */
  enter(epoch: string): ReadEvent[] {
    if (this.epoch === epoch) return [];
    const changed = this.epoch !== null;
    this.epoch = epoch;
    if (!changed) return [];
    this.after = 0;
    return [{ type: 'reset', epoch }];
  }

  /** The room is gone, or was made anew by a relay that tells no epochs. */
  lose(): ReadEvent[] {
    if (!this.placed) return [];
    this.after = 0;
    this.epoch = null;
    return [{ type: 'reset', epoch: null }];
  }

  /** What an answer or `ready` says before its messages. */
  stand(standing: Standing): ReadEvent[] {
    const { epoch, reset, gap } = standing;
    const known = this.epoch;
    const events = epoch === undefined ? [] : this.enter(epoch);
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
   * @returns at most one event; none for what it has had, and for its own. @see MSG-24
   */
  message(value: unknown, skipBelow: boolean): ReadEvent[] {
    if (!Message(value)) {
      const { seq, sender } = (value ?? {}) as { seq?: unknown; sender?: unknown };
      const place = typeof seq === 'number' && Number.isSafeInteger(seq) ? seq : 0;
      if (place > 0 && place <= this.after && skipBelow) return [];
      if (place > 0) this.after = place;
      return [
        {
          type: 'unopened',
          seq: place,
          sender: typeof sender === 'string' ? sender : '',
          reason: 'malformed',
        },
      ];
    }
    const { seq, nonce, sender } = value;
    if (skipBelow && seq <= this.after) return [];
    this.after = seq;
    if (!this.#seen.add(nonce)) return [];
    const own = this.#options.isOwn(nonce, sender);
    if (own && !this.#options.includeSelf) return [];
    const text = open(this.#options.key, value);
    if (text === null) return [{ type: 'unopened', seq, sender, reason: 'sealed' }];
    return [
      {
        type: 'message',
        seq,
        id: value.id,
        sender,
        senderVerified: value.sender_verified,
        text,
        ts: value.ts,
        ttlMs: value.ttl_ms ?? null,
        replyTo: value.reply_to ?? null,
        own,
      },
    ];
  }
}
