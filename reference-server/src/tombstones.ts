import type { Clock } from './clock.ts';

interface Tombstone {
  /** `updated_at` of the profile that was deleted. */
  readonly updatedAt: number;
  /** When a profile with this `updated_at` will be refused as too old anyway; on the monotonic clock. */
  readonly until: number;
  readonly release: () => void;
}

/**
 * Tombstones of deleted profiles. As long as a deleted profile is recent enough to be accepted, its tombstone prevents
 * that someone publishes it again by replaying the request. A tombstone occupies the slot of its profile, so that profiles
 * and tombstones together stay within the limit of profiles.
 */
export class Tombstones {
  readonly #keptMs: number;
  readonly #clock: Clock;
  /** In the order of deletion. */
  readonly #held = new Map<string, Tombstone>();

  /** @param toleranceMs maximum difference between `updated_at` and the relay's clock, in either direction. */
  constructor(toleranceMs: number, clock: Clock) {
    this.#keptMs = 2 * toleranceMs;
    this.#clock = clock;
  }

  get size(): number {
    return this.#held.size;
  }

  /** @param release releases the slot of the deleted profile. */
  put(handle: string, updatedAt: number, release: () => void): void {
    this.#held.set(handle, { updatedAt, until: this.#clock.mono() + this.#keptMs, release });
  }

  /** Whether a profile with this `updated_at` is not newer than the handle's deleted one. */
  covers(handle: string, updatedAt: number): boolean {
    return updatedAt <= (this.#held.get(handle)?.updatedAt ?? -1);
  }

  /** Remove the tombstone of a handle. @returns the release of its slot; undefined when there is none. */
  take(handle: string): (() => void) | undefined {
    const tombstone = this.#held.get(handle);
    this.#held.delete(handle);
    return tombstone?.release;
  }

  sweep(): void {
    const now = this.#clock.mono();
    for (const [handle, { until, release }] of this.#held) {
      if (until > now) return;
      this.#held.delete(handle);
      release();
    }
  }
}
