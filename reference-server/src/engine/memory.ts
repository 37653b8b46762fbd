import type { Timings } from '@bot2bot/schemas';
import type { Clock } from '../clock.ts';
import { Leases, type Acked, type Grant, type ClaimRequest } from '../leases.ts';
import type { Client } from '../address.ts';
import { Budget } from '../budget.ts';
import type { RelayLimits } from '../config.ts';
import { EncodingCache } from '../encoding.ts';
import { RoomLog, type Entry } from '../log.ts';
import type { Draft } from '../message.ts';
import type { Appended, Engine } from './engine.ts';

/** Seqs begin here per millisecond of Unix time, above what older lifetimes can have reached. @see MSG-13 */
const SEQS_PER_MS = 1_000;

/** The whole state in this process's memory. */
export class MemoryEngine implements Engine {
  readonly #limits: RelayLimits;
  readonly #timings: Timings;
  readonly #clock: Clock;
  readonly budget = new Budget<Entry>();
  readonly cache: EncodingCache;
  readonly #leases = new WeakMap<RoomLog, Leases>();
  #highest = 0;

  constructor(limits: RelayLimits, timings: Timings, clock: Clock) {
    this.#limits = limits;
    this.#timings = timings;
    this.#clock = clock;
    this.cache = new EncodingCache(limits.cache_bytes);
  }

  open(): RoomLog {
    const first = Math.max(SEQS_PER_MS * this.#clock.wall(), this.#highest + 1);
    return new RoomLog(first, this.#limits, this.#timings, this);
  }

  append(log: RoomLog, draft: Draft, client: Client, admit: () => void): Appended {
    const before = log.remembered(draft.nonce, draft.ciphertext);
    if (before !== null)
      return before.same ? { kind: 'duplicate', id: before.id, seq: before.seq } : { kind: 'nonce-reused' };
    admit();
    const accepted = log.append(draft, client, this.#clock.wall());
    this.#highest = Math.max(this.#highest, accepted.seq);
    return { kind: 'accepted', ...accepted };
  }

  #leasesOf(log: RoomLog): Leases {
    let leases = this.#leases.get(log);
    if (leases === undefined) this.#leases.set(log, (leases = new Leases(log, this.#limits, this.#clock)));
    return leases;
  }

  claim(log: RoomLog, request: ClaimRequest): Grant | null {
    return this.#leasesOf(log).claim(request);
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

  admit(log: RoomLog, handle: string, client: Client): void {
    this.#leasesOf(log).admit(handle, client);
  }

  unclaimedMs(log: RoomLog): number {
    return this.#leases.get(log)?.unclaimedMs ?? Infinity;
  }
}
