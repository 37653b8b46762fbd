import { randomBytes } from 'node:crypto';
import type { DmBody, DmMessage, Limits, Timings } from '@bot2bot/schemas';
import type { Clock } from './clock.ts';
import { RequestProblem } from './problem.ts';
import { keepWarm, type Parked } from './room.ts';

/** Held for a message besides its texts. */
const ENTRY_BYTES = 400;
/** Unsigned messages take at most this part of `dm_bytes`: who cannot be told apart cannot crowd out the others. */
const UNSIGNED_PART = 4;
const SEQS_PER_MS = 1_000;

/** A parked read of an inbox. */
interface Reader extends Parked {
  readonly after: number;
}

interface Inbox {
  readonly messages: DmMessage[];
  readonly readers: Set<Reader>;
  lastSeq: number;
}

function bytesOf({ ciphertext }: { ciphertext: string }): number {
  return ciphertext.length + ENTRY_BYTES;
}

/** Inboxes, in memory. Nothing that waits is pushed out; what has no place is refused. @see DM-7 */
export class Dms {
  readonly #limits: Limits;
  readonly #timings: Timings;
  readonly #clock: Clock;
  readonly #inboxes = new Map<string, Inbox>();
  readonly #bytes = { signed: 0, unsigned: 0 };

  constructor(limits: Limits, timings: Timings, clock: Clock) {
    this.#limits = limits;
    this.#timings = timings;
    this.#clock = clock;
  }

  /** Held for all messages. */
  get bytes(): number {
    return this.#bytes.signed + this.#bytes.unsigned;
  }

  /**
   * Put a message into an inbox; its signature, if any, has been verified.
   * @param admit called before it is put there; throws to refuse it.
   * @throws {RequestProblem} inbox-full, unavailable.
   */
  post(to: string, body: DmBody, admit: () => void): { id: string; seq: number } {
    const { ciphertext, nonce, sender_eph_pub, from_handle: from, from_ts, from_sig } = body;
    const inbox = this.#inboxes.get(to) ?? { messages: [], readers: new Set<Reader>(), lastSeq: 0 };
    const signed = from !== undefined;
    const unsigned = inbox.messages.filter((message) => !message.from_verified).length;
    const { inbox_messages: most, inbox_unsigned: mostUnsigned, dm_bytes: mostBytes } = this.#limits;
    if (inbox.messages.length >= most || (!signed && unsigned >= mostUnsigned))
      throw new RequestProblem('inbox-full', { retryAfter: 60 });
    const kind = signed ? 'signed' : 'unsigned';
    const bytes = bytesOf(body);
    const full =
      this.bytes + bytes > mostBytes || (!signed && this.#bytes.unsigned + bytes > mostBytes / UNSIGNED_PART);
    if (full) throw new RequestProblem('unavailable', { retryAfter: 60 });
    admit();
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
    this.#bytes[kind] += bytes;
    this.#inboxes.set(to, inbox);
    for (const reader of inbox.readers) if (reader.after < seq) this.#answer(to, inbox, reader);
    return { id, seq };
  }

  /** What an inbox holds above `after`. @see DM-2 */
  page(handle: string, after: number): { messages: DmMessage[]; last_seq: number; has_more: boolean } {
    const all = this.#inboxes.get(handle)?.messages ?? [];
    const above = all.filter(({ seq }) => seq > after);
    const messages = above.slice(0, this.#limits.inbox_page);
    return { messages, last_seq: all.at(-1)?.seq ?? 0, has_more: above.length > messages.length };
  }

  park(handle: string, reader: Reader): void {
    const inbox = this.#inboxes.get(handle) ?? { messages: [], readers: new Set<Reader>(), lastSeq: 0 };
    this.#inboxes.set(handle, inbox);
    inbox.readers.add(reader);
    reader.response.on('close', () => this.#unpark(handle, inbox, reader));
  }

  #unpark(handle: string, inbox: Inbox, reader: Reader): boolean {
    if (!inbox.readers.delete(reader)) return false;
    this.#forgetEmpty(handle, inbox);
    return true;
  }

  #answer(handle: string, inbox: Inbox, reader: Reader): void {
    const body = JSON.stringify(this.page(handle, reader.after));
    if (this.#unpark(handle, inbox, reader)) reader.response.end(body);
  }

  /** @returns whether it was there. @see DM-5 */
  remove(handle: string, id: string): boolean {
    const inbox = this.#inboxes.get(handle);
    const at = inbox?.messages.findIndex((message) => message.id === id) ?? -1;
    if (inbox === undefined || at < 0) return false;
    this.#drop(handle, inbox, at, 1);
    return true;
  }

  #drop(handle: string, inbox: Inbox, at: number, count: number): void {
    for (const message of inbox.messages.splice(at, count))
      this.#bytes[message.from_verified ? 'signed' : 'unsigned'] -= bytesOf(message);
    this.#forgetEmpty(handle, inbox);
  }

  /** Seqs go on from the clock, so that an empty inbox need not be kept. */
  #forgetEmpty(handle: string, inbox: Inbox): void {
    const ahead = inbox.lastSeq >= SEQS_PER_MS * this.#clock.wall();
    if (inbox.messages.length === 0 && inbox.readers.size === 0 && !ahead) this.#inboxes.delete(handle);
  }

  sweep(): void {
    const mono = this.#clock.mono();
    const oldest = this.#clock.wall() - this.#timings.inbox_retention_ms;
    for (const [handle, inbox] of this.#inboxes) {
      for (const reader of inbox.readers) {
        if (mono >= reader.deadline) this.#answer(handle, inbox, reader);
        else keepWarm(reader, mono, this.#timings.keepalive_ms);
      }
      const first = inbox.messages.findIndex(({ ts }) => ts > oldest);
      const gone = first < 0 ? inbox.messages.length : first;
      if (gone > 0) this.#drop(handle, inbox, 0, gone);
      else this.#forgetEmpty(handle, inbox);
    }
  }

  /** Answer everyone who waits. */
  drain(): void {
    for (const [handle, inbox] of this.#inboxes)
      for (const reader of inbox.readers) this.#answer(handle, inbox, reader);
  }
}
