import type { Client } from './address.ts';
import type { Clock } from './clock.ts';
import type { RelayLimits } from './config.ts';
import { RequestProblem } from './problem.ts';
import { shareOf, type ConcurrencyCap } from './rate-limit.ts';

/** When a signature is forgotten, the interval of this length (in ms) that contains its timestamp is blocked. */
const INTERVAL_MS = 10_000;
/** Maximum number of blocked intervals kept individually: about 11 hours. */
const MAX_INTERVALS = 4_096;

/** The use of a signature: its identifying key, its timestamp, the handle that signed and the client that sent it. */
export interface Use {
  readonly key: string;
  readonly ts: number;
  readonly handle: string;
  readonly client: Client;
}

interface Used {
  readonly ts: number;
  /** When it was used, on the monotonic clock. */
  readonly at: number;
  readonly release: () => void;
}

/**
 * Detects replays: remembers each used signature until its timestamp is too old to be accepted. When the table is full, new
 * signatures are refused: evicting an entry would allow its signature to be replayed. Since the wall clock may be set
 * back, a forgotten signature could become timely again; therefore every interval of time that contains a forgotten
 * timestamp stays blocked: no signature with a timestamp in it is accepted any more. @see REQ-4 SIGN-3 DM-4
 */
export class Replays {
  readonly #maxEntries: number;
  readonly #toleranceMs: number;
  readonly #clock: Clock;
  readonly #clients: ConcurrencyCap;
  readonly #handles: ConcurrencyCap;
  /** By key, in the order of use. */
  readonly #used = new Map<string, Used>();
  /** Numbers of the blocked intervals. */
  readonly #blocked = new Set<number>();
  /** All intervals up to this number are blocked. */
  #blockedUpTo = -1;

  constructor(limits: RelayLimits, toleranceMs: number, clock: Clock) {
    this.#maxEntries = limits.replay_entries;
    this.#toleranceMs = toleranceMs;
    this.#clock = clock;
    this.#clients = shareOf(limits.replay_entries, limits);
    this.#handles = shareOf(limits.replay_entries, limits);
  }

  /** Whether a timestamp is within the tolerance of the relay's clock, and not in a blocked interval. */
  isTimely(ts: number): boolean {
    return Math.abs(this.#clock.wall() - ts) <= this.#toleranceMs && !this.#isBlocked(ts);
  }

  #isBlocked(ts: number): boolean {
    const interval = Math.floor(ts / INTERVAL_MS);
    return interval <= this.#blockedUpTo || this.#blocked.has(interval);
  }

  /**
   * Record the use of a signature.
   * @throws {RequestProblem} replayed; rate-limited, when the share of the client or the handle is used up; unavailable,
   * when the table is full.
   */
  use({ key, ts, handle, client }: Use): void {
    if (this.#used.has(key) || this.#isBlocked(ts)) throw new RequestProblem('replayed');
    if (this.#used.size >= this.#maxEntries) throw new RequestProblem('unavailable', { retryAfter: 10 });
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

  /** Forget old signatures. Unless the clock was set back, every timestamp of the intervals blocked here is too old anyway. */
  sweep(): void {
    const oldest = this.#clock.mono() - 2 * this.#toleranceMs - INTERVAL_MS;
    for (const [key, { ts, at, release }] of this.#used) {
      if (at >= oldest) break;
      this.#used.delete(key);
      release();
      this.#blocked.add(Math.floor(ts / INTERVAL_MS));
    }
    if (this.#blocked.size <= MAX_INTERVALS) return;
    const lowest = [...this.#blocked].sort((a, b) => a - b).slice(0, MAX_INTERVALS / 2);
    for (const interval of lowest) this.#blocked.delete(interval);
    this.#blockedUpTo = Math.max(this.#blockedUpTo, lowest.at(-1) ?? 0);
  }
}
