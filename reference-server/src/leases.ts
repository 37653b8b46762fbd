import { randomBytes } from 'node:crypto';
import type { Client } from './address.ts';
import type { Clock } from './clock.ts';
import type { RelayLimits } from './config.ts';
import type { Entry, RoomLog } from './log.ts';
import { RequestProblem } from './problem.ts';
import { shareOf, type ConcurrencyCap } from './rate-limit.ts';

/** What a claim asks for. */
export interface ClaimRequest {
  readonly handle: string;
  readonly client: Client;
  readonly leaseMs: number;
  /** Labels to pass over. @see CLAIM-13 */
  readonly exclude: ReadonlySet<string>;
  /** Pass over what bears the handle's label, or only what it signed. @see CLAIM-14 */
  readonly self: 'label' | 'verified';
  /** Messages up to this seq were searched without a match; a parked claim does not search them again. */
  searched: number;
}

/** A message that is leased to a handle. */
export interface Grant {
  readonly claimId: string;
  /** The message's JSON as reads return it. */
  readonly message: Buffer;
  readonly cursor: number;
  readonly remainingMs: number;
  /** How many grants of this message the handle has had. */
  readonly delivery: number;
  /** The handle claimed again while its lease was live, and got the same claim. @see CLAIM-20 */
  readonly resumed: boolean;
}

export type Acked =
  | { readonly kind: 'acked'; readonly advanced: boolean; readonly cursor: number }
  | { readonly kind: 'gone'; readonly cursor: number };

interface Claim {
  readonly id: string;
  readonly seq: number;
  /** On the monotonic clock. */
  deadline: number;
}

/** One handle's state in a room. */
interface HandleState {
  cursor: number;
  claim: Claim | null;
  /** Grants of each message above the cursor, by seq. */
  readonly deliveries: Map<number, number>;
  /** Frees this entry in the room's table of handles. */
  readonly release: () => void;
}

/** The cursor and the lease of each handle, for one lifetime of a room. */
export class Leases {
  readonly #log: RoomLog;
  readonly #limits: RelayLimits;
  readonly #shares: ConcurrencyCap;
  readonly #clock: Clock;
  readonly #handles = new Map<string, HandleState>();
  /** The latest time at which a claim that has ended was live, on the monotonic clock. */
  #liveUntil = -Infinity;

  constructor(log: RoomLog, limits: RelayLimits, clock: Clock) {
    this.#shares = shareOf(limits.room_handles, limits);
    this.#log = log;
    this.#limits = limits;
    this.#clock = clock;
  }

  cursor(handle: string): number {
    return this.#handles.get(handle)?.cursor ?? 0;
  }

  /**
   * Make sure that there is room for the handle's state. In a full table, a handle that never acked and holds no lease is
   * dropped.
   * @throws {RequestProblem} rate-limited, when the client's address has its share; unavailable, when none can be dropped.
   */
  admit(handle: string, client: Client): void {
    if (this.#handles.has(handle)) return;
    if (this.#handles.size >= this.#limits.room_handles && !this.#reclaim())
      throw new RequestProblem('unavailable', { retryAfter: 30 });
    this.#shares.take(client)();
  }

  /** @returns whether a handle was dropped. */
  #reclaim(): boolean {
    for (const [handle, state] of this.#handles) {
      if (state.cursor > 0 || this.#live(state) !== null) continue;
      this.#end(state);
      this.#handles.delete(handle);
      state.release();
      return true;
    }
    return false;
  }

  /** How long no claim has been live, in ms: 0 while one is live, Infinity if there never was one. @see CLAIM-28 */
  get unclaimedMs(): number {
    let until = this.#liveUntil;
    for (const { claim } of this.#handles.values())
      if (claim !== null) until = Math.max(until, claim.deadline);
    return Math.max(0, this.#clock.mono() - until);
  }

  /** Drop the claim of a handle, if it has one. */
  #end(state: HandleState): void {
    if (state.claim === null) return;
    this.#liveUntil = Math.max(this.#liveUntil, Math.min(state.claim.deadline, this.#clock.mono()));
    state.claim = null;
  }

  #live({ claim }: HandleState): Claim | null {
    return claim !== null && this.#clock.mono() < claim.deadline ? claim : null;
  }

  /** @see CLAIM-3 CLAIM-4 CLAIM-6 CLAIM-26 */
  claim(request: ClaimRequest): Grant | null {
    const { handle, leaseMs } = request;
    const now = this.#clock.wall();
    const known = this.#handles.get(handle);
    const held = known === undefined ? null : this.#live(known);
    if (known !== undefined && held !== null) {
      const message = this.#log.deliverable(held.seq, now);
      if (message !== null) return this.#grant(known, held, message, true);
    }
    const from = Math.max(known?.cursor ?? 0, request.searched);
    const entry = this.#log.next(from, (candidate) => admits(request, candidate), now);
    if (entry === undefined) {
      request.searched = this.#log.lastAssigned;
      if (known !== undefined) this.#end(known);
      return null;
    }
    const state = known ?? this.#enter(request);
    const { oldestSeq } = this.#log;
    for (const seq of state.deliveries.keys()) if (seq < oldestSeq) state.deliveries.delete(seq);
    state.deliveries.set(entry.seq, (state.deliveries.get(entry.seq) ?? 0) + 1);
    const id = `c_${randomBytes(12).toString('base64url')}`;
    this.#end(state);
    state.claim = { id, seq: entry.seq, deadline: this.#clock.mono() + leaseMs };
    return this.#grant(state, state.claim, entry, false);
  }

  #enter({ handle, client }: ClaimRequest): HandleState {
    this.admit(handle, client);
    const release = this.#shares.take(client);
    const state = { cursor: 0, claim: null, deliveries: new Map<number, number>(), release };
    this.#handles.set(handle, state);
    return state;
  }

  #grant(state: HandleState, claim: Claim, entry: Entry, resumed: boolean): Grant {
    return {
      claimId: claim.id,
      message: entry.json,
      cursor: state.cursor,
      remainingMs: Math.max(0, Math.floor(claim.deadline - this.#clock.mono())),
      delivery: state.deliveries.get(claim.seq) ?? 1,
      resumed,
    };
  }

  /** The live claim of the handle, if it is this one. */
  #mine(handle: string, claimId: string): { state: HandleState; claim: Claim } | null {
    const state = this.#handles.get(handle);
    const claim = state === undefined ? null : this.#live(state);
    return state !== undefined && claim?.id === claimId ? { state, claim } : null;
  }

  /** @see CLAIM-5 CLAIM-15 CLAIM-16 CLAIM-25 */
  ack(handle: string, claimId: string, seq: number): Acked {
    const cursor = this.cursor(handle);
    if (!this.#handles.has(handle) || seq <= cursor) return { kind: 'acked', advanced: false, cursor };
    const mine = this.#mine(handle, claimId);
    if (mine === null || mine.claim.seq !== seq) return { kind: 'gone', cursor };
    const { state } = mine;
    state.cursor = seq;
    this.#end(state);
    for (const passed of state.deliveries.keys()) if (passed <= seq) state.deliveries.delete(passed);
    return { kind: 'acked', advanced: true, cursor: seq };
  }

  /** @returns ms left of the lease; null when the claim is not live, and so stays ended. @see CLAIM-21 */
  renew(handle: string, claimId: string, leaseMs: number): number | null {
    const mine = this.#mine(handle, claimId);
    if (mine === null) return null;
    mine.claim.deadline = this.#clock.mono() + leaseMs;
    return leaseMs;
  }

  /** @returns whether the claim was live until now. @see CLAIM-22 */
  release(handle: string, claimId: string): boolean {
    const mine = this.#mine(handle, claimId);
    if (mine !== null) this.#end(mine.state);
    return mine !== null;
  }
}

/** @see CLAIM-13 CLAIM-14 */
function admits({ handle, exclude, self }: ClaimRequest, { sender, handle: signer }: Entry): boolean {
  const own = self === 'verified' ? signer === handle : sender === handle || sender === `@${handle}`;
  return !own && !exclude.has(sender);
}
