import type { Limits, Timings } from '@bot2bot/schemas';
import type { Clock } from '../clock.ts';
import { Leases, type Acked, type Grant, type Wanted } from '../leases.ts';
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
  readonly #leases = new WeakMap<RoomLog, Leases>();
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

  append(log: RoomLog, draft: Draft, admit: () => void): Appended {
    const before = log.remembered(draft.nonce, draft.ciphertext);
    if (before !== null)
      return before.same ? { kind: 'duplicate', id: before.id, seq: before.seq } : { kind: 'nonce-reused' };
    admit();
    const accepted = log.append(draft, this.#clock.wall());
    this.#highest = Math.max(this.#highest, accepted.seq);
    return { kind: 'accepted', ...accepted };
  }

  #leasesOf(log: RoomLog): Leases {
    let leases = this.#leases.get(log);
    if (leases === undefined) this.#leases.set(log, (leases = new Leases(log, this.#limits, this.#clock)));
    return leases;
  }

  claim(log: RoomLog, wanted: Wanted): Grant | null {
    return this.#leasesOf(log).claim(wanted);
  }

  ack(log: RoomLog, handle: string, claimId: string, seq: number): Acked {
    return this.#leasesOf(log).ack(handle, claimId, seq);
  }

  renew(log: RoomLog, handle: string, claimId: string, leaseMs: number): number | null {
    return this.#leasesOf(log).renew(handle, claimId, leaseMs);
  }

  release(log: RoomLog, handle: string, claimId: string): boolean {
    return this.#leasesOf(log).release(handle, claimId);
  }

  cursor(log: RoomLog, handle: string): number {
    return this.#leases.get(log)?.cursor(handle) ?? 0;
  }

  hasPlace(log: RoomLog, handle: string): boolean {
    return this.#leasesOf(log).hasPlace(handle);
  }

  leased(log: RoomLog): boolean {
    return this.#leases.get(log)?.live ?? false;
  }
}
