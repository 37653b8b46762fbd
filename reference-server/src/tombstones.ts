import type { Clock } from './clock.ts';

interface Tombstone {
  /** `updated_at` of the profile that was deleted. */
  readonly updatedAt: number;
  /** When nothing that is as old can be published any more, on the clock that never goes back. */
  readonly until: number;
  readonly release: () => void;
}

/**
 * Profiles that their handles deleted. Until they are too old to be published, nobody can put them back by sending them
 * again. Each keeps the place that its profile had, so that there are no more of both than of profiles.
 */
export class Tombstones {
  readonly #keptMs: number;
  readonly #clock: Clock;
  /** In the order of deletion. */
  readonly #held = new Map<string, Tombstone>();

  /** @param toleranceMs by how much `updated_at` may differ from the clock, to either side. */
  constructor(toleranceMs: number, clock: Clock) {
    this.#keptMs = 2 * toleranceMs;
    this.#clock = clock;
  }

  get size(): number {
    return this.#held.size;
  }

  /** @param release gives the place back. */
  put(handle: string, updatedAt: number, release: () => void): void {
    this.#held.set(handle, { updatedAt, until: this.#clock.mono() + this.#keptMs, release });
  }

  /** Whether a profile is none that came after the deletion. */
  covers(handle: string, updatedAt: number): boolean {
    return updatedAt <= (this.#held.get(handle)?.updatedAt ?? -1);
  }

  /** Give up the tombstone of a handle. @returns gives its place back; undefined when there is none. */
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
