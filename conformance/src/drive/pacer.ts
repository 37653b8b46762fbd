/** Keeps the run within the target's declared rates and caps, so that every 429 is a fault of the target. */
import type { Limits } from '@bot2bot/schemas';
import { Interrupted } from '../script/steps.ts';

/** The share of a declared rate or cap that the run uses; the rest absorbs jitter. */
const SHARE = 0.8;

class Bucket {
  readonly #rate: number;
  readonly #burst: number;
  #tokens: number;
  #at = performance.now();

  constructor(rate: number, burst: number) {
    this.#rate = rate * SHARE;
    this.#burst = Math.max(1, burst * SHARE);
    this.#tokens = this.#burst;
  }

  /** Take a token, in advance if necessary. @returns ms until it may be used. */
  take(): number {
    this.#refill();
    this.#tokens -= 1;
    return this.#tokens >= 0 ? 0 : (-this.#tokens / this.#rate) * 1000;
  }

  empty(): void {
    this.#refill();
    this.#tokens = Math.min(this.#tokens, 0);
  }

  #refill(): void {
    const now = performance.now();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#at) / 1000) * this.#rate);
    this.#at = now;
  }
}

/**
 * Wait until `go` is called.
 * @param start begins the wait, and returns a function that cancels it.
 * @throws {Interrupted} when the signal is aborted first.
 */
async function untilOrAborted(signal: AbortSignal, start: (go: () => void) => () => void): Promise<void> {
  let takeBack: () => void = () => undefined;
  let onAbort: () => void = () => undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      onAbort = () => {
        takeBack();
        reject(new Interrupted('the case was interrupted'));
      };
      takeBack = start(resolve);
      signal.addEventListener('abort', onAbort);
      if (signal.aborted) onAbort();
    });
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

class Slots {
  #free: number;
  readonly #queue: (() => void)[] = [];

  constructor(cap: number) {
    this.#free = Math.max(1, Math.floor(cap * SHARE));
  }

  async take(signal: AbortSignal): Promise<() => void> {
    if (this.#free > 0) this.#free--;
    else
      await untilOrAborted(signal, (go) => {
        this.#queue.push(go);
        return () => this.#queue.splice(this.#queue.indexOf(go), 1);
      });
    let held = true;
    const release = () => {
      if (!held) return;
      held = false;
      const next = this.#queue.shift();
      if (next === undefined) this.#free++;
      else next();
    };
    if (signal.aborted) {
      release();
      throw new Interrupted('the case was interrupted');
    }
    return release;
  }
}

export class Pacer {
  readonly #limits: Limits;
  readonly #address: Bucket;
  readonly #rooms = new Map<string, Bucket>();
  readonly #streams: Slots;
  readonly #waiters: Slots;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#address = new Bucket(limits.address_rate, limits.address_burst);
    this.#streams = new Slots(limits.address_streams);
    this.#waiters = new Slots(limits.address_waiters);
  }

  /** The buckets that a write to this room, or outside of rooms, takes from. */
  #buckets(room: string): Bucket[] {
    if (room === '') return [this.#address];
    let bucket = this.#rooms.get(room);
    if (bucket === undefined)
      this.#rooms.set(room, (bucket = new Bucket(this.#limits.room_rate, this.#limits.room_burst)));
    return [this.#address, bucket];
  }

  /** A flood has just written to this room: its buckets may be empty. */
  flooded(room: string): void {
    for (const bucket of this.#buckets(room)) bucket.empty();
  }

  /**
   * Resolves when both buckets have a token for a write to the room.
   * @param room empty for a write outside of rooms.
   */
  async write(room: string, signal: AbortSignal): Promise<void> {
    const ms = Math.max(...this.#buckets(room).map((bucket) => bucket.take()));
    if (ms > 0)
      await untilOrAborted(signal, (go) => {
        const timer = setTimeout(go, ms);
        return () => clearTimeout(timer);
      });
    if (signal.aborted) throw new Interrupted('the case was interrupted');
  }

  /** Wait for a free slot among the streams that the target allows. @returns a function that releases it. */
  stream(signal: AbortSignal): Promise<() => void> {
    return this.#streams.take(signal);
  }

  waiter(signal: AbortSignal): Promise<() => void> {
    return this.#waiters.take(signal);
  }
}
