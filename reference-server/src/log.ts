import { createHash, randomBytes } from 'node:crypto';
import type { Limits, Timings } from '@bot2bot/schemas';

/** What makes a message signed, as posted. @see SIGN-5 */
export interface MessageSignature {
  readonly handle: string;
  readonly ts: number;
  readonly nonce: string;
  readonly sig: string;
  readonly sig2: string | undefined;
}

/** What a client posted, validated. */
export interface Draft {
  /** The label; of a signed message, the handle with its `@`. */
  readonly sender: string;
  readonly signature: MessageSignature | undefined;
  readonly signedOnly: boolean;
  readonly ciphertext: string;
  readonly nonce: string;
  /** 0: does not expire. */
  readonly ttlMs: number;
  readonly replyTo: string | undefined;
  readonly ext: string | undefined;
}

/** What the rooms of a relay hold together, in bytes. */
export class Budget {
  bytes = 0;
}

/** Held for a message besides its encoded forms, and for a nonce that is remembered after it. */
const ENTRY_BYTES = 400;
const NONCE_BYTES = 250;

/** How a frame reaches a subscriber. */
export type Format = 'sse' | 'ws';

export interface Entry {
  readonly seq: number;
  readonly id: string;
  readonly sender: string;
  /** Handle that signed it. */
  readonly handle: string | undefined;
  readonly ts: number;
  readonly expiresAt: number;
  readonly nonce: string;
  /** The message's JSON as reads return it; null once expired. */
  json: Buffer | null;
  sse: Buffer | null;
  ws: Buffer | null;
}

interface Remembered {
  readonly seq: number;
  readonly id: string;
  readonly at: number;
  /** Hash of the ciphertext; empty while the message itself is held. */
  digest: string;
}

/** A page of deliverable messages and where it leaves the reader. */
export interface Page {
  /** Comma-joined JSON objects. */
  readonly messages: Buffer;
  readonly count: number;
  readonly nextAfter: number;
  readonly hasMore: boolean;
}

export interface Gap {
  readonly from: number;
  readonly to: number;
}

const COMMA = Buffer.from(',');
const EMPTY = Buffer.alloc(0);
const TYPE = Buffer.from('{"type":"message",');
const END = Buffer.from('\n\n');

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
  /** Entries before this place are gone. */
  #head = 0;
  #bytes = 0;
  readonly #budget: Budget;
  #live = 0;
  #nextSeq: number;
  #nextExpiry = Infinity;
  /** Signed messages alone from now on. @see SIGN-7 */
  locked = false;
  readonly #nonces = new Map<string, Remembered>();

  /** @param budget of the relay, of which this log takes its part. */
  constructor(firstSeq: number, limits: Limits, timings: Timings, budget: Budget) {
    this.#budget = budget;
    this.firstSeq = firstSeq;
    this.#nextSeq = firstSeq;
    this.#limits = limits;
    this.#timings = timings;
  }

  /** What its messages hold. */
  get bytes(): number {
    return this.#bytes;
  }

  #hold(bytes: number): void {
    this.#bytes += bytes;
    this.#budget.bytes += bytes;
  }

  /** Give back all that it holds; it is not used afterwards. */
  close(): void {
    this.#hold(-this.#bytes);
    this.#budget.bytes -= this.#nonces.size * NONCE_BYTES;
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
      if (entry !== undefined && entry.json !== null) return entry.seq;
    }
    return 0;
  }

  /** What was accepted under this nonce, and whether it was the same ciphertext. @see MSG-14 MSG-15 MSG-16 */
  remembered(nonce: string, ciphertext: string): { id: string; seq: number; same: boolean } | null {
    const first = this.#nonces.get(nonce);
    if (first === undefined) return null;
    const held = first.digest === '' ? this.#at(first.seq)?.json : undefined;
    const same = held ? ciphertextOf(held) === ciphertext : first.digest === digestOf(ciphertext);
    return { id: first.id, seq: first.seq, same };
  }

  append(draft: Draft, now: number): { id: string; seq: number } {
    const seq = this.#nextSeq++;
    const id = `m_${randomBytes(9).toString('base64url')}`;
    const { sender, signature, signedOnly, ciphertext, nonce, ttlMs, replyTo, ext } = draft;
    const json = Buffer.from(
      `{"seq":${seq},"id":"${id}","sender":${JSON.stringify(sender)},"sender_verified":${signature !== undefined},` +
        `"ciphertext":"${ciphertext}","nonce":"${nonce}","ts":${now}` +
        (ttlMs === 0 ? '' : `,"ttl_ms":${ttlMs}`) +
        (replyTo === undefined ? '' : `,"reply_to":"${replyTo}"`) +
        (ext === undefined ? '' : `,"ext":"${ext}"`) +
        (signature === undefined ? '}' : signatureFields(signature, signedOnly)),
    );
    const expiresAt = ttlMs === 0 ? Infinity : now + ttlMs;
    const handle = signature?.handle;
    this.#entries.push({ seq, id, sender, handle, ts: now, expiresAt, nonce, json, sse: null, ws: null });
    if (signedOnly) this.locked = true;
    this.#nextExpiry = Math.min(this.#nextExpiry, expiresAt);
    this.#nonces.set(nonce, { seq, id, at: now, digest: '' });
    this.#budget.bytes += NONCE_BYTES;
    this.#hold(json.length + ENTRY_BYTES);
    this.#live++;
    this.#trim(now);
    return { id, seq };
  }

  #drop(entry: Entry): void {
    if (entry.json === null) return;
    const first = this.#nonces.get(entry.nonce);
    if (first !== undefined) first.digest = digestOf(ciphertextOf(entry.json));
    this.#hold(-(entry.json.length + ENTRY_BYTES + (entry.sse?.length ?? 0) + (entry.ws?.length ?? 0)));
    this.#live--;
    entry.json = entry.sse = entry.ws = null;
  }

  /** Evict the oldest messages until about `bytes` are given back. @returns how many were evicted. @see READ-10 */
  shed(bytes: number): number {
    const target = this.#bytes - bytes;
    let evicted = 0;
    for (; this.#bytes > target && this.#head < this.#entries.length; this.#head++) {
      const entry = this.#entries[this.#head];
      if (entry === undefined) break;
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

  /** Drop what has expired; exact, so that no read after `ts + ttl_ms` returns it. @see MSG-10 */
  expire(now: number): void {
    if (now < this.#nextExpiry) return;
    let next = Infinity;
    for (let i = this.#head; i < this.#entries.length; i++) {
      const entry = this.#entries[i];
      if (entry === undefined || entry.json === null) continue;
      if (entry.expiresAt <= now) this.#drop(entry);
      else next = Math.min(next, entry.expiresAt);
    }
    this.#nextExpiry = next;
  }

  /** Forget what age has made forgettable; called about once a second. */
  sweep(now: number): void {
    this.#trim(now);
    this.expire(now);
    const buffered = this.oldestSeq;
    const oldest = now - this.#timings.dedup_ms;
    for (const [nonce, first] of this.#nonces) {
      if (first.at > oldest) break;
      const entry = first.seq < buffered ? undefined : this.#at(first.seq);
      if (entry === undefined || entry.json === null) {
        this.#nonces.delete(nonce);
        this.#budget.bytes -= NONCE_BYTES;
      } else if (entry.expiresAt === Infinity) break;
    }
  }

  #at(seq: number): Entry | undefined {
    const first = this.#entries[this.#head];
    return first === undefined ? undefined : this.#entries[this.#head + seq - first.seq];
  }

  #placeAfter(after: number): number {
    const first = this.#entries[this.#head];
    if (first === undefined) return this.#entries.length;
    return this.#head + Math.max(0, after + 1 - first.seq);
  }

  /** Whether a deliverable message is above `after`. */
  hasAbove(after: number, now: number): boolean {
    this.expire(now);
    for (let i = this.#placeAfter(after); i < this.#entries.length; i++)
      if (this.#entries[i]?.json) return true;
    return false;
  }

  /** The oldest deliverable messages above `after`. @see READ-8 READ-9 */
  page(after: number, most: number, now: number): Page {
    this.#trim(now);
    this.expire(now);
    const slices: Buffer[] = [];
    let nextAfter = after;
    let count = 0;
    let i = this.#placeAfter(after);
    for (; i < this.#entries.length && count < most; i++) {
      const entry = this.#entries[i];
      if (entry === undefined) break;
      nextAfter = entry.seq;
      if (entry.json === null) continue;
      if (count++ > 0) slices.push(COMMA);
      slices.push(entry.json);
    }
    const hasMore = i < this.#entries.length && this.hasAbove(nextAfter, now);
    return {
      messages: slices.length === 0 ? EMPTY : Buffer.concat(slices),
      count,
      nextAfter: hasMore ? nextAfter : Math.max(after, this.lastAssigned),
      hasMore,
    };
  }

  /** The oldest deliverable message above `after` that satisfies `admits`. @see CLAIM-6 */
  next(after: number, admits: (entry: Entry) => boolean, now: number): Entry | undefined {
    this.#trim(now);
    this.expire(now);
    for (let i = this.#placeAfter(after); i < this.#entries.length; i++) {
      const entry = this.#entries[i];
      if (entry !== undefined && entry.json !== null && admits(entry)) return entry;
    }
    return undefined;
  }

  /** The JSON of a message that can be delivered still; null when it has expired or was evicted. @see CLAIM-26 */
  jsonOf(seq: number, now: number): Buffer | null {
    this.expire(now);
    return seq < this.oldestSeq ? null : (this.#at(seq)?.json ?? null);
  }

  /** What was evicted above `after`; null for `after` 0. @see READ-10 */
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
    for (let i = this.#placeAfter(after); i < this.#entries.length && size < mostBytes; i++) {
      const entry = this.#entries[i];
      if (entry === undefined) break;
      upTo = entry.seq;
      if (entry.json === null) continue;
      const slice = this.#slice(format, entry, entry.json);
      slices.push(slice);
      size += slice.length;
    }
    const [only] = slices;
    return { data: slices.length === 1 && only !== undefined ? only : Buffer.concat(slices), upTo };
  }

  #slice(format: Format, entry: Entry, json: Buffer): Buffer {
    const made = entry[format];
    if (made !== null) return made;
    const slice =
      format === 'ws'
        ? textFrame(Buffer.concat([TYPE, json.subarray(1)]))
        : Buffer.concat([Buffer.from(`id: ${this.epoch}:${entry.seq}\ndata: `), TYPE, json.subarray(1), END]);
    this.#hold(slice.length);
    entry[format] = slice;
    return slice;
  }
}

/** The end of a signed message's JSON. The texts have been checked: none needs escaping. @see SIGN-5 */
function signatureFields({ handle, ts, nonce, sig, sig2 }: MessageSignature, signedOnly: boolean): string {
  return (
    `,"sender_handle":"${handle}","sender_ts":${ts},"sender_nonce":"${nonce}","sender_sig":"${sig}"` +
    (sig2 === undefined ? '' : `,"sender_sig2":"${sig2}"`) +
    (signedOnly ? ',"signed_only":true}' : '}')
  );
}

function ciphertextOf(json: Buffer): string {
  const message = JSON.parse(json.toString()) as { ciphertext: string };
  return message.ciphertext;
}

function digestOf(ciphertext: string): string {
  return createHash('sha256').update(ciphertext).digest('base64');
}

/** An unmasked WebSocket text frame (RFC 6455 §5.2). */
export function textFrame(payload: Buffer): Buffer {
  const { length } = payload;
  const header = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  header[0] = 0x81;
  if (length < 126) header[1] = length;
  else if (length < 65_536) {
    header[1] = 126;
    header.writeUInt16BE(length, 2);
  } else {
    header[1] = 127;
    header.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([header, payload]);
}
