import type { Limits } from '@bot2bot/schemas';
import type { Clock } from './clock.ts';
import { RequestProblem } from './problem.ts';

const BUCKET_MS = 10_000;

/**
 * Signatures that were used, each remembered until its time would be refused. When it is full it refuses new ones: a
 * live entry that gave way would let its signature in again. @see REQ-4 SIGN-3 DM-4
 */
export class Replays {
  readonly #most: number;
  readonly #toleranceMs: number;
  readonly #clock: Clock;
  readonly #used = new Set<string>();
  readonly #buckets = new Map<number, string[]>();

  constructor(limits: Limits, toleranceMs: number, clock: Clock) {
    this.#most = limits.replay_entries;
    this.#toleranceMs = toleranceMs;
    this.#clock = clock;
  }

  /** Whether a signer's time is near enough to the relay's. */
  isTimely(ts: number): boolean {
    return Math.abs(this.#clock.wall() - ts) <= this.#toleranceMs;
  }

  /** @throws {RequestProblem} replayed; unavailable, when no more can be remembered. */
  use(key: string, ts: number): void {
    if (this.#used.has(key)) throw new RequestProblem('replayed');
    if (this.#used.size >= this.#most) throw new RequestProblem('unavailable', { retryAfter: 10 });
    this.#used.add(key);
    const bucket = Math.ceil((ts + this.#toleranceMs) / BUCKET_MS);
    const keys = this.#buckets.get(bucket);
    if (keys === undefined) this.#buckets.set(bucket, [key]);
    else keys.push(key);
  }

  sweep(): void {
    const now = this.#clock.wall();
    for (const [bucket, keys] of this.#buckets) {
      if (bucket * BUCKET_MS >= now) continue;
      for (const key of keys) this.#used.delete(key);
      this.#buckets.delete(bucket);
    }
  }
}
