/** When the messages of a room may be gone or must be gone, with tolerance for the difference of two clocks. */
import type { Value } from '../../trace/value.ts';
import type { RelayRun } from '../../trace/records.ts';

/** Maximum difference of two clocks that round to a millisecond and drift during a lease, in ms. */
export const CLOCK_MS = 5;
/** At compat a relay may deliver an expired message for this long, in ms. @see MSG-9 */
const TTL_GRACE_MS = 5_000;

/** Bounds of the time at which a message was accepted, and its time to live. */
export interface Lasting {
  readonly seq: number;
  /** The message certainly existed from this time on. */
  readonly since: number;
  /** The message did not exist before this time. */
  readonly notBefore: number;
  /** 0: does not expire. */
  readonly ttlMs: number;
}

/** Whether a message may have expired by `at`. */
export function mayExpire({ ttlMs, notBefore }: Lasting, at: number): boolean {
  return ttlMs > 0 && at >= notBefore + ttlMs - CLOCK_MS;
}

/** Whether a message must have expired by `at`. */
export function mustBeGone({ target }: RelayRun, { ttlMs, since }: Lasting, at: number): boolean {
  const grace = target.level === 'hardened' ? 0 : TTL_GRACE_MS;
  return ttlMs > 0 && at > since + ttlMs + CLOCK_MS + grace;
}

/** The most that a relay may count for what it adds to a message, in bytes. */
const ADDED_BYTES = 1_024;

/** An upper bound of what a relay may count for a message in `room_bytes`: its text may take two bytes per character. */
export function mostBytes(body: Value): number {
  return 2 * (JSON.stringify(body.raw ?? null).length + ADDED_BYTES);
}

/** A message that was accepted or delivered. */
export interface Known extends Lasting {
  readonly id: string;
  /** As posted, if the post is known; otherwise as delivered. */
  readonly body: Value;
  readonly sender: string;
  /** Handle of the signer; empty if unsigned. */
  readonly signer: string;
}

/** The known messages of a room. */
export class RoomLog {
  readonly run: RelayRun;
  readonly #known = new Map<number, Known>();
  /** Of each message, by seq, and of all. */
  readonly #sizes = new Map<number, number>();
  #bytes = 0;
  #sorted: Known[] | null = null;

  constructor(run: RelayRun) {
    this.run = run;
  }

  /** Add a message, or narrow the bounds of one that is known. */
  see(message: Known): void {
    const before = this.#known.get(message.seq);
    // Another message: at compat a room that is made again may use its seqs again.
    if (before !== undefined && before.id !== message.id) return;
    this.#sorted = null;
    if (before === undefined) {
      const size = mostBytes(message.body);
      this.#sizes.set(message.seq, size);
      this.#bytes += size;
    }
    this.#known.set(
      message.seq,
      before === undefined
        ? message
        : {
            ...before,
            signer: before.signer || message.signer,
            since: Math.min(before.since, message.since),
            notBefore: Math.max(before.notBefore, message.notBefore),
          },
    );
  }

  /** In the order of seq. */
  get messages(): readonly Known[] {
    return (this.#sorted ??= [...this.#known.values()].sort((a, b) => a.seq - b.seq));
  }

  get(seq: number): Known | undefined {
    return this.#known.get(seq);
  }

  /** Whether it may have expired or been evicted by `at`. */
  mayBeGone(known: Known, at: number): boolean {
    const { seq, notBefore } = known;
    const { retention_ms: retention } = this.run.target.timings;
    if (mayExpire(known, at)) return true;
    if (at >= notBefore + retention - CLOCK_MS) return true;
    const { buffer_messages: most, room_bytes } = this.run.target.limits;
    const bytes = this.run.target.level === 'hardened' ? room_bytes : Infinity;
    if (this.#known.size <= most && this.#bytes <= bytes) return false;
    let above = 0;
    let held = this.#sizes.get(seq) ?? 0;
    for (const other of this.#known.values()) {
      if (other.seq <= seq || other.notBefore > at) continue;
      above++;
      held += this.#sizes.get(other.seq) ?? 0;
    }
    return above >= most || held > bytes;
  }
}
