/** Keeps the run inside the target's declared rates and caps, so that a 429 is the target's fault. */
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

  /** Take a token, perhaps one of the future. @returns ms until it may be used. */
  take(): number {
    const now = performance.now();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#at) / 1000) * this.#rate) - 1;
    this.#at = now;
    return this.#tokens >= 0 ? 0 : (-this.#tokens / this.#rate) * 1000;
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
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
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

  /**
   * Resolves when a write to the room finds a token in both buckets.
   * @param room empty for a write that no room takes.
   */
  async write(room: string, signal: AbortSignal): Promise<void> {
    let bucket = room === '' ? undefined : this.#rooms.get(room);
    if (bucket === undefined && room !== '')
      this.#rooms.set(room, (bucket = new Bucket(this.#limits.room_rate, this.#limits.room_burst)));
    const ms = Math.max(this.#address.take(), bucket?.take() ?? 0);
    if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
    if (signal.aborted) throw new Interrupted('the case was interrupted');
  }

  /** One of the streams that the target allows; call the result to give it back. */
  stream(signal: AbortSignal): Promise<() => void> {
    return this.#streams.take(signal);
  }

  waiter(signal: AbortSignal): Promise<() => void> {
    return this.#waiters.take(signal);
  }
}
