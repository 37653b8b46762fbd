import type { Client } from './address.ts';
import type { Clock } from './clock.ts';
import type { RelayLimits } from './config.ts';
import { RequestProblem } from './problem.ts';
import { shareOf, type ConcurrencyCap } from './rate-limit.ts';

/** Times of forgotten signatures are remembered in spans of this length, in ms. */
const SPAN_MS = 10_000;
/** Most spans that are remembered one by one, 11 hours of them. */
const MOST_SPANS = 4_096;

/** A signature that is used: what it is known by, its time, who signed it and who sent it. */
export interface Use {
  readonly key: string;
  readonly ts: number;
  readonly handle: string;
  readonly client: Client;
}

interface Used {
  readonly ts: number;
  /** When it was used, on the clock that never goes back. */
  readonly at: number;
  readonly release: () => void;
}

/**
 * Signatures that were used, each remembered until its time would be refused. When it is full it refuses new ones: a
 * live entry that gave way would let its signature in again. The clock may jump, so that what was forgotten may become
 * timely once more: no signature of a span of time in which one was forgotten is timely again. @see REQ-4 SIGN-3 DM-4
 */
export class Replays {
  readonly #most: number;
  readonly #toleranceMs: number;
  readonly #clock: Clock;
  readonly #clients: ConcurrencyCap;
  readonly #handles: ConcurrencyCap;
  /** In the order of use. */
  readonly #used = new Map<string, Used>();
  /** Spans in which a signature was forgotten. */
  readonly #forgotten = new Set<number>();
  /** Every span up to this one counts as forgotten. */
  #floor = -1;

  constructor(limits: RelayLimits, toleranceMs: number, clock: Clock) {
    this.#most = limits.replay_entries;
    this.#toleranceMs = toleranceMs;
    this.#clock = clock;
    this.#clients = shareOf(limits.replay_entries, limits);
    this.#handles = shareOf(limits.replay_entries, limits);
  }

  /** Whether a signer's time is near enough to the relay's. */
  isTimely(ts: number): boolean {
    return Math.abs(this.#clock.wall() - ts) <= this.#toleranceMs && !this.#isForgotten(ts);
  }

  #isForgotten(ts: number): boolean {
    const span = Math.floor(ts / SPAN_MS);
    return span <= this.#floor || this.#forgotten.has(span);
  }

  /**
   * @throws {RequestProblem} replayed; rate-limited, when the client or the handle has its share of what can be
   * remembered; unavailable, when no more can be.
   */
  use({ key, ts, handle, client }: Use): void {
    if (this.#used.has(key) || this.#isForgotten(ts)) throw new RequestProblem('replayed');
    if (this.#used.size >= this.#most) throw new RequestProblem('unavailable', { retryAfter: 10 });
    const releaseClient = this.#clients.take(client);
    let releaseHandle: () => void;
    try {
      releaseHandle = this.#handles.take([handle]);
    } catch (error) {
      releaseClient();
      throw error;
    }
    const release = () => {
      releaseClient();
      releaseHandle();
    };
    this.#used.set(key, { ts, at: this.#clock.mono(), release });
  }

  /** While the clock runs evenly, the whole span of what is forgotten has been refused for its age before. */
  sweep(): void {
    const oldest = this.#clock.mono() - 2 * this.#toleranceMs - SPAN_MS;
    for (const [key, { ts, at, release }] of this.#used) {
      if (at >= oldest) break;
      this.#used.delete(key);
      release();
      this.#forgotten.add(Math.floor(ts / SPAN_MS));
    }
    if (this.#forgotten.size <= MOST_SPANS) return;
    const lowest = [...this.#forgotten].sort((a, b) => a - b).slice(0, MOST_SPANS / 2);
    for (const span of lowest) this.#forgotten.delete(span);
    this.#floor = Math.max(this.#floor, lowest.at(-1) ?? 0);
  }
}
