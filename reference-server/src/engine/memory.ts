import type { Limits, Timings } from '@bot2bot/schemas';
import type { Clock } from '../clock.ts';
import { Budget, RoomLog, type Draft } from '../log.ts';
import type { Appended, Engine } from './engine.ts';

/** Seqs begin here per millisecond of Unix time, above what older lifetimes can have reached. @see MSG-13 */
const SEQS_PER_MS = 1_000;

/** The whole state in this process's memory. */
export class MemoryEngine implements Engine {
  readonly #limits: Limits;
  readonly #timings: Timings;
  readonly #clock: Clock;
  readonly budget = new Budget();
  #highest = 0;

  constructor(limits: Limits, timings: Timings, clock: Clock) {
    this.#limits = limits;
    this.#timings = timings;
    this.#clock = clock;
  }

  open(): RoomLog {
    const first = Math.max(SEQS_PER_MS * this.#clock.wall(), this.#highest + 1);
    return new RoomLog(first, this.#limits, this.#timings, this.budget);
  }

  append(log: RoomLog, draft: Draft): Appended {
    const before = log.remembered(draft.nonce, draft.ciphertext);
    if (before !== null)
      return before.same ? { kind: 'duplicate', id: before.id, seq: before.seq } : { kind: 'nonce-reused' };
    const accepted = log.append(draft, this.#clock.wall());
    this.#highest = Math.max(this.#highest, accepted.seq);
    return { kind: 'accepted', ...accepted };
  }
}
