import { randomBytes } from 'node:crypto';
import type { DmBody, DmMessage, Timings } from '@bot2bot/schemas';
import type { Client } from './address.ts';
import type { Clock } from './clock.ts';
import type { RelayLimits } from './config.ts';
import { RequestProblem } from './problem.ts';
import { shareOf, type ConcurrencyCap } from './rate-limit.ts';
import { onceClosed, keepAlive, type Parked } from './room.ts';

/** Estimated memory of a message beyond its ciphertext, in bytes. */
const ENTRY_BYTES = 400;
/** Unsigned messages use at most 1/4 of `dm_bytes`: anonymous senders cannot fill the memory that signed senders need. */
const UNSIGNED_PART = 4;
/** An inbox holds up to `inbox_messages` messages of 1/8 of the maximum length each (256 of 16 KiB), or fewer longer ones. */
const INBOX_PART = 8;
/** Messages from one handle use at most 1/4 of an inbox, and so do all unsigned messages together. */
const SENDER_PART = 4;
/** A seq is at least 1000 times the Unix time in ms, so that seqs keep rising after an empty inbox was forgotten. */
const SEQS_PER_MS = 1_000;

/** A parked read of an inbox. */
interface Reader extends Parked {
  readonly after: number;
}

interface Inbox {
  readonly handle: string;
  readonly messages: DmMessage[];
  readonly readers: Set<Reader>;
  lastSeq: number;
}

/** Data about a message that is not delivered with it. */
interface MessageState {
  readonly inbox: Inbox;
  /** When it expires, on the monotonic clock. */
  readonly until: number;
  /** Releases its bytes in the share of the client that sent it. */
  readonly release: () => void;
}

function bytesOf({ ciphertext }: { ciphertext: string }): number {
  return ciphertext.length + ENTRY_BYTES;
}

/** Inboxes, in memory. A message that does not fit is refused; no stored message is evicted for it. @see DM-7 */
export class Dms {
  readonly #limits: RelayLimits;
  readonly #timings: Timings;
  readonly #clock: Clock;
  readonly #inboxes = new Map<string, Inbox>();
  /** By message id, in the order of arrival. */
  readonly #held = new Map<string, MessageState>();
  readonly #parked = new Map<Reader, Inbox>();
  /** Empty inboxes that are kept because their last seq is ahead of the clock. */
  readonly #idle = new Set<Inbox>();
  readonly #bytes = { signed: 0, unsigned: 0 };
  readonly #shares: ConcurrencyCap;
  readonly #inboxBytes: number;

  constructor(limits: RelayLimits, timings: Timings, clock: Clock) {
    this.#limits = limits;
    this.#timings = timings;
    this.#clock = clock;
    this.#shares = shareOf(limits.dm_bytes, limits);
    this.#inboxBytes = limits.inbox_messages * (limits.ciphertext_chars / INBOX_PART + ENTRY_BYTES);
  }

  /** Bytes held for the messages of all inboxes. */
  get bytes(): number {
    return this.#bytes.signed + this.#bytes.unsigned;
  }

  /**
   * Put a message into an inbox. If it names a sender, the caller has verified its signature.
   * @param admit called when the message fits, before it is added; throws to refuse it.
   * @throws {RequestProblem} inbox-full; rate-limited, when the client's share is used up; unavailable, when all inboxes
   * together are full.
   * @see DM-1 DM-7
   */
  post(to: string, body: DmBody, client: Client, admit: () => void): { id: string; seq: number } {
    const { ciphertext, nonce, sender_eph_pub, from_handle: from, from_ts, from_sig } = body;
    const inbox = this.#inboxes.get(to) ?? emptyInbox(to);
    const signed = from !== undefined;
    const bytes = bytesOf(body);
    this.#checkLimits(inbox, from ?? null, bytes);
    const { dm_bytes: mostBytes } = this.#limits;
    const full =
      this.bytes + bytes > mostBytes || (!signed && this.#bytes.unsigned + bytes > mostBytes / UNSIGNED_PART);
    if (full) throw new RequestProblem('unavailable', { retryAfter: 60 });
    const release = this.#shares.take(client, bytes);
    try {
      admit();
    } catch (error) {
      release();
      throw error;
    }
    const ts = this.#clock.wall();
    const seq = Math.max(SEQS_PER_MS * ts, inbox.lastSeq + 1);
    const id = `d_${randomBytes(9).toString('base64url')}`;
    inbox.messages.push({
      seq,
      id,
      ciphertext,
      nonce,
      sender_eph_pub,
      from_handle: from ?? null,
      from_verified: signed,
      ...(from_ts === undefined || !signed ? {} : { from_ts }),
      ...(from_sig === undefined || !signed ? {} : { from_sig }),
      ts,
    });
    inbox.lastSeq = seq;
    this.#held.set(id, { inbox, until: this.#clock.mono() + this.#timings.inbox_retention_ms, release });
    this.#bytes[signed ? 'signed' : 'unsigned'] += bytes;
    this.#inboxes.set(to, inbox);
    for (const reader of inbox.readers) if (reader.after < seq) this.#answer(inbox, reader);
    return { id, seq };
  }

  /** @param from handle of the sender; null for an unsigned message. @throws {RequestProblem} inbox-full. */
  #checkLimits(inbox: Inbox, from: string | null, bytes: number): void {
    const { messages } = inbox;
    const { inbox_messages: most, inbox_unsigned: mostUnsigned } = this.#limits;
    const ofSender = messages.filter((message) => message.from_handle === from);
    const mostOfSender = from === null ? mostUnsigned : most / SENDER_PART;
    const held = sumOf(messages) + bytes;
    const heldOfSender = sumOf(ofSender) + bytes;
    if (
      messages.length >= most ||
      ofSender.length >= mostOfSender ||
      held > this.#inboxBytes ||
      heldOfSender > this.#inboxBytes / SENDER_PART
    )
      throw new RequestProblem('inbox-full', { retryAfter: 60 });
  }

  /** The first messages of an inbox with a seq above `after`. @see DM-2 */
  page(handle: string, after: number): { messages: DmMessage[]; last_seq: number; has_more: boolean } {
    const all = this.#inboxes.get(handle)?.messages ?? [];
    const above = all.filter(({ seq }) => seq > after);
    const messages = above.slice(0, this.#limits.inbox_page);
    return { messages, last_seq: all.at(-1)?.seq ?? 0, has_more: above.length > messages.length };
  }

  park(handle: string, reader: Reader): void {
    const inbox = this.#inboxes.get(handle) ?? emptyInbox(handle);
    this.#inboxes.set(handle, inbox);
    inbox.readers.add(reader);
    this.#parked.set(reader, inbox);
    onceClosed(reader.response, () => this.#unpark(inbox, reader));
  }

  #unpark(inbox: Inbox, reader: Reader): boolean {
    this.#parked.delete(reader);
    if (!inbox.readers.delete(reader)) return false;
    this.#forgetEmpty(inbox);
    return true;
  }

  #answer(inbox: Inbox, reader: Reader): void {
    const body = JSON.stringify(this.page(inbox.handle, reader.after));
    if (this.#unpark(inbox, reader)) reader.response.end(body);
  }

  /** Delete a message. @returns whether it existed. @see DM-5 */
  remove(handle: string, id: string): boolean {
    const inbox = this.#inboxes.get(handle);
    const at = inbox?.messages.findIndex((message) => message.id === id) ?? -1;
    if (inbox === undefined || at < 0) return false;
    this.#drop(inbox, at);
    return true;
  }

  #drop(inbox: Inbox, at: number): void {
    for (const message of inbox.messages.splice(at, 1)) {
      this.#bytes[message.from_verified ? 'signed' : 'unsigned'] -= bytesOf(message);
      this.#held.get(message.id)?.release();
      this.#held.delete(message.id);
    }
    this.#forgetEmpty(inbox);
  }

  /** Forget an inbox without messages and readers, once the clock alone makes the next seq larger than its last one. */
  #forgetEmpty(inbox: Inbox): void {
    this.#idle.delete(inbox);
    if (inbox.messages.length > 0 || inbox.readers.size > 0) return;
    const ahead = inbox.lastSeq >= SEQS_PER_MS * this.#clock.wall();
    if (ahead) this.#idle.add(inbox);
    else this.#inboxes.delete(inbox.handle);
  }

  sweep(): void {
    const mono = this.#clock.mono();
    for (const [reader, inbox] of this.#parked) {
      if (mono >= reader.deadline) this.#answer(inbox, reader);
      else keepAlive(reader, mono, this.#timings.keepalive_ms);
    }
    for (const [id, { inbox, until }] of this.#held) {
      if (until > mono) break;
      this.remove(inbox.handle, id);
    }
    const idle = [...this.#idle];
    for (const inbox of idle) this.#forgetEmpty(inbox);
  }

  /** Answer all parked reads now. */
  drain(): void {
    for (const [reader, inbox] of this.#parked) this.#answer(inbox, reader);
  }
}

function emptyInbox(handle: string): Inbox {
  return { handle, messages: [], readers: new Set<Reader>(), lastSeq: 0 };
}

function sumOf(messages: readonly DmMessage[]): number {
  return messages.reduce((sum, message) => sum + bytesOf(message), 0);
}
