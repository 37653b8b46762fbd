import { createHash, randomBytes } from 'node:crypto';
import type { Limits, Timings } from '@bot2bot/schemas';
import type { Client } from './address.ts';
import type { Budget } from './budget.ts';
import { eventChunk, payloadOf, chunkData, type EncodingCache, type Format } from './encoding.ts';
import { ciphertextOf, fieldsOf, frameOf, type Draft } from './message.ts';

/** Estimated memory of a message beyond its frame, and of a nonce that is remembered after its message, in bytes. */
export const ENTRY_BYTES = 400;
const NONCE_BYTES = 250;

interface Remembered {
  readonly seq: number;
  readonly id: string;
  readonly at: number;
  /** Hash of the ciphertext; empty while the message itself is held. */
  digest: string;
}

const EMPTY = Buffer.alloc(0);
const OPEN = Buffer.from('{');

/** A message in a room's log. */
export class Entry {
  readonly log: RoomLog;
  readonly seq: number;
  readonly id: string;
  readonly sender: string;
  /** Handle that signed it. */
  readonly handle: string | undefined;
  readonly expiresAt: number;
  readonly ts: number;
  readonly nonce: string;
  /** Key of the account in the budget that its bytes are charged to. */
  account = '';
  /** The message as a WebSocket text frame, from which all other forms are made; null once it has expired or was evicted. */
  frame: Buffer | null;
  /** The message as an event of a stream (SSE), while that form is cached. */
  event: Buffer | null = null;

  constructor(
    log: RoomLog,
    place: { seq: number; id: string; ts: number; expiresAt: number },
    draft: Draft,
    frame: Buffer,
  ) {
    this.log = log;
    this.seq = place.seq;
    this.id = place.id;
    this.ts = place.ts;
    this.expiresAt = place.expiresAt;
    this.sender = draft.sender;
    this.handle = draft.signature?.handle;
    this.nonce = draft.nonce;
    this.frame = frame;
  }

  get live(): boolean {
    return this.frame !== null;
  }

  /** Its JSON as reads return it, without the opening brace; empty once the message is gone. */
  get fields(): Buffer {
    return this.frame === null ? EMPTY : fieldsOf(this.frame);
  }

  /** Its JSON as reads return it. */
  get json(): Buffer {
    return Buffer.concat([OPEN, this.fields]);
  }
}

/** A page of deliverable messages and where it leaves the reader. */
export interface Page {
  readonly entries: readonly Entry[];
  readonly nextAfter: number;
  readonly hasMore: boolean;
}

export interface Gap {
  readonly from: number;
  readonly to: number;
}

/**
 * One lifetime of a room's messages: an append-only sequence of slices, encoded once, from which every transport is fed.
 * Seqs are contiguous, so that a seq's place is its distance from the first.
 */
export class RoomLog {
  readonly epoch = randomBytes(9).toString('base64url');
  readonly firstSeq: number;
  readonly #limits: Limits;
  readonly #timings: Timings;
  #entries: Entry[] = [];
  /** Index of the first entry that may be live; all before it are not. */
  #head = 0;
  #bytes = 0;
  readonly #budget: Budget<Entry>;
  readonly #cache: EncodingCache;
  /** Bytes of the cached events. */
  #cached = 0;
  #live = 0;
  #nextSeq: number;
  #nextExpiry = Infinity;
  /** The room accepts only signed messages from now on. @see SIGN-7 */
  locked = false;
  readonly #nonces = new Map<string, Remembered>();

  /** @param shared the memory budget and the cache that all logs of the relay share. */
  constructor(
    firstSeq: number,
    limits: Limits,
    timings: Timings,
    shared: { budget: Budget<Entry>; cache: EncodingCache },
  ) {
    this.#budget = shared.budget;
    this.#cache = shared.cache;
    this.firstSeq = firstSeq;
    this.#nextSeq = firstSeq;
    this.#limits = limits;
    this.#timings = timings;
  }

  /** Bytes held by its messages. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Release everything that the log holds of the shared budget; it must not be used afterwards. */
  close(): void {
    this.#budget.bytes -= this.#nonces.size * NONCE_BYTES;
    this.#nonces.clear();
    for (let i = this.#head; i < this.#entries.length; i++) this.#drop(this.#entries[i]);
    this.#cache.forget(this);
  }

  /** Drop the cached event encodings; they are created again when needed. */
  dropEncoded(): void {
    for (let i = this.#head; i < this.#entries.length; i++) {
      const entry = this.#entries[i];
      if (entry !== undefined) entry.event = null;
    }
    this.#cache.release(this.#cached);
    this.#cached = 0;
  }

  /** Seq of the newest message that was ever appended; firstSeq - 1 before the first. */
  get lastAssigned(): number {
    return this.#nextSeq - 1;
  }

  /** @see READ-9 */
  get oldestSeq(): number {
    return this.#entries[this.#head]?.seq ?? this.#nextSeq;
  }

  /** Number of deliverable messages. */
  count(now: number): number {
    this.expire(now);
    return this.#live;
  }

  /** Seq of the newest deliverable message, 0 when there is none. @see READ-5 */
  lastSeq(now: number): number {
    this.expire(now);
    for (let i = this.#entries.length - 1; i >= this.#head; i--) {
      const entry = this.#entries[i];
      if (entry?.live === true) return entry.seq;
    }
    return 0;
  }

  /** The message accepted with this nonce, and whether its ciphertext is the same; null if there is none. @see MSG-14 MSG-15 MSG-16 */
  remembered(nonce: string, ciphertext: string): { id: string; seq: number; same: boolean } | null {
    const first = this.#nonces.get(nonce);
    if (first === undefined) return null;
    const frame = first.digest === '' ? (this.#at(first.seq)?.frame ?? null) : null;
    const same =
      frame === null
        ? first.digest === digestOf(ciphertext)
        : ciphertextOf(frame).equals(Buffer.from(ciphertext));
    return { id: first.id, seq: first.seq, same };
  }

  /** @param client the poster, whose account is charged for the message. */
  append(draft: Draft, client: Client, now: number): { id: string; seq: number } {
    const seq = this.#nextSeq++;
    const id = `m_${randomBytes(9).toString('base64url')}`;
    const frame = frameOf(draft, seq, id, now);
    const { nonce, signedOnly, ttlMs } = draft;
    const expiresAt = ttlMs === 0 ? Infinity : now + ttlMs;
    const entry = new Entry(this, { seq, id, ts: now, expiresAt }, draft, frame);
    this.#entries.push(entry);
    if (signedOnly) this.locked = true;
    this.#nextExpiry = Math.min(this.#nextExpiry, expiresAt);
    this.#nonces.set(nonce, { seq, id, at: now, digest: '' });
    this.#budget.bytes += NONCE_BYTES;
    this.#bytes += frame.length + ENTRY_BYTES;
    entry.account = this.#budget.charge(client, entry, frame.length + ENTRY_BYTES);
    this.#live++;
    this.#trim(now);
    return { id, seq };
  }

  #drop(entry: Entry | undefined): void {
    if (entry === undefined || entry.frame === null) return;
    const first = this.#nonces.get(entry.nonce);
    if (first !== undefined) first.digest = digestOf(ciphertextOf(entry.frame));
    const bytes = entry.frame.length + ENTRY_BYTES;
    entry.frame = null;
    this.#live--;
    this.#bytes -= bytes;
    this.#budget.refund(entry.account, bytes);
    if (entry.event === null) return;
    this.#cached -= entry.event.length;
    this.#cache.release(entry.event.length);
    entry.event = null;
  }

  /** Evict a message and all that are older. @returns how many were evicted. @see READ-10 */
  evictThrough(seq: number): number {
    let evicted = 0;
    for (; this.#head < this.#entries.length; this.#head++) {
      const entry = this.#entries[this.#head];
      if (entry === undefined || entry.seq > seq) break;
      this.#drop(entry);
      evicted++;
    }
    return evicted;
  }

  /** Evict by count, bytes and age. @see READ-13 READ-14 */
  #trim(now: number): void {
    const { buffer_messages: most, room_bytes: mostBytes } = this.#limits;
    const oldest = now - this.#timings.retention_ms;
    for (;;) {
      const entry = this.#entries[this.#head];
      if (entry === undefined) break;
      const held = this.#entries.length - this.#head;
      if (held <= most && (this.#bytes <= mostBytes || held === 1) && entry.ts > oldest) break;
      this.#drop(entry);
      this.#head++;
    }
    if (this.#head > 1024 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Drop expired messages, exactly on time: no read after `ts + ttl_ms` returns them. @see MSG-10 */
  expire(now: number): void {
    if (now < this.#nextExpiry) return;
    let next = Infinity;
    for (let i = this.#head; i < this.#entries.length; i++) {
      const entry = this.#entries[i];
      if (entry === undefined || !entry.live) continue;
      if (entry.expiresAt <= now) this.#drop(entry);
      else next = Math.min(next, entry.expiresAt);
    }
    this.#nextExpiry = next;
  }

  /** Drop messages and nonces that have reached their maximum age; called about once a second. */
  sweep(now: number): void {
    this.#trim(now);
    this.expire(now);
    const buffered = this.oldestSeq;
    const oldest = now - this.#timings.dedup_ms;
    for (const [nonce, first] of this.#nonces) {
      if (first.at > oldest) break;
      const entry = first.seq < buffered ? undefined : this.#at(first.seq);
      if (entry === undefined || !entry.live) {
        this.#nonces.delete(nonce);
        this.#budget.bytes -= NONCE_BYTES;
      } else if (entry.expiresAt === Infinity) break;
    }
  }

  #at(seq: number): Entry | undefined {
    const first = this.#entries[this.#head];
    return first === undefined ? undefined : this.#entries[this.#head + seq - first.seq];
  }

  #indexAfter(after: number): number {
    const first = this.#entries[this.#head];
    if (first === undefined) return this.#entries.length;
    return this.#head + Math.max(0, after + 1 - first.seq);
  }

  /** Whether a deliverable message is above `after`. */
  hasAbove(after: number, now: number): boolean {
    this.expire(now);
    for (let i = this.#indexAfter(after); i < this.#entries.length; i++)
      if (this.#entries[i]?.live === true) return true;
    return false;
  }

  /** The oldest deliverable messages above `after`. @see READ-8 READ-9 */
  page(after: number, most: number, now: number): Page {
    this.#trim(now);
    this.expire(now);
    const entries: Entry[] = [];
    let nextAfter = after;
    let i = this.#indexAfter(after);
    for (; i < this.#entries.length && entries.length < most; i++) {
      const entry = this.#entries[i];
      if (entry === undefined) break;
      nextAfter = entry.seq;
      if (entry.live) entries.push(entry);
    }
    const hasMore = i < this.#entries.length && this.hasAbove(nextAfter, now);
    return { entries, nextAfter: hasMore ? nextAfter : Math.max(after, this.lastAssigned), hasMore };
  }

  /** The oldest deliverable message above `after` that satisfies `admits`. @see CLAIM-6 */
  next(after: number, admits: (entry: Entry) => boolean, now: number): Entry | undefined {
    this.#trim(now);
    this.expire(now);
    for (let i = this.#indexAfter(after); i < this.#entries.length; i++) {
      const entry = this.#entries[i];
      if (entry?.live === true && admits(entry)) return entry;
    }
    return undefined;
  }

  /** A message that can still be delivered; null when it has expired or was evicted. @see CLAIM-26 */
  deliverable(seq: number, now: number): Entry | null {
    this.expire(now);
    const entry = seq < this.oldestSeq ? undefined : this.#at(seq);
    return entry?.live === true ? entry : null;
  }

  /** The range of seqs above `after` that was evicted; null if none was, or for `after` 0. @see READ-10 */
  gap(after: number): Gap | null {
    const to = this.oldestSeq - 1;
    return after > 0 && after < to ? { from: after + 1, to } : null;
  }

  /**
   * Frames above `after`, about `mostBytes` of them, as one buffer.
   * @returns the buffer and the seq up to which the subscriber has then been served.
   */
  frames(format: Format, after: number, mostBytes: number, now: number): { data: Buffer; upTo: number } {
    this.expire(now);
    const slices: Buffer[] = [];
    let size = 0;
    let upTo = Math.max(after, this.oldestSeq - 1);
    for (let i = this.#indexAfter(after); i < this.#entries.length && size < mostBytes; i++) {
      const entry = this.#entries[i];
      if (entry === undefined) break;
      upTo = entry.seq;
      if (entry.frame === null) continue;
      const slice = format === 'ws' ? entry.frame : this.#event(format, entry, entry.frame);
      slices.push(slice);
      size += slice.length;
    }
    const [only] = slices;
    return { data: slices.length === 1 && only !== undefined ? only : Buffer.concat(slices), upTo };
  }

  #event(format: Format, entry: Entry, frame: Buffer): Buffer {
    let { event } = entry;
    if (event === null) {
      event = entry.event = eventChunk([payloadOf(frame)], `${this.epoch}:${entry.seq}`);
      this.#cached += event.length;
      // This may drop the copies of this very log, and with them `entry.event`.
      this.#cache.hold(this, event.length);
    }
    return format === 'sse' ? event : chunkData(event);
  }
}

function digestOf(ciphertext: string | Buffer): string {
  return createHash('sha256').update(ciphertext).digest('base64');
}
