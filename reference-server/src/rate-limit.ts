import { allowance, type Client } from './address.ts';
import type { Clock } from './clock.ts';
import type { RelayLimits } from './config.ts';
import { RequestProblem } from './problem.ts';

/** Directory profiles that the searches of one address may examine: as a burst, and per second. */
const SEARCH_BURST = 200_000;
const SEARCH_RATE = 50_000;
const RETRY_SECONDS = 5;

/** Token buckets by client. A full bucket is dropped, so that memory depends only on recently active clients. */
class Buckets {
  readonly #rate: number;
  readonly #burst: number;
  readonly #held = new Map<string, { tokens: number; at: number; full: number }>();

  constructor(rate: number, burst: number) {
    this.#rate = rate;
    this.#burst = burst;
  }

  /** The tokens that one prefix has now. */
  #tokens(key: string, level: number, now: number): number {
    const full = allowance(this.#burst, level);
    const bucket = this.#held.get(key);
    if (bucket === undefined) return full;
    return Math.min(full, bucket.tokens + ((now - bucket.at) / 1000) * allowance(this.#rate, level));
  }

  /** Whole seconds until every prefix of the client has a token again; 0 when each has one. */
  secondsLeft(room: string, client: Client, now: number): number {
    let most = 0;
    for (const [level, prefix] of client.entries()) {
      const tokens = this.#tokens(room + prefix, level, now);
      if (tokens >= 1) continue;
      most = Math.max(most, 1, Math.ceil((1 - tokens) / allowance(this.#rate, level)));
    }
    return most;
  }

  /** Take tokens; the count may go below zero, since the work has been done already. */
  take(room: string, client: Client, count: number, now: number): void {
    for (const [level, prefix] of client.entries()) {
      const key = room + prefix;
      const tokens = this.#tokens(key, level, now) - count;
      const bucket = this.#held.get(key);
      if (bucket === undefined) this.#held.set(key, { tokens, at: now, full: allowance(this.#burst, level) });
      else {
        bucket.tokens = tokens;
        bucket.at = now;
      }
    }
  }

  forgetFull(now: number): void {
    for (const [key, { tokens, at, full }] of this.#held) {
      const rate = (this.#rate * full) / this.#burst;
      if (tokens + ((now - at) / 1000) * rate >= full) this.#held.delete(key);
    }
  }
}

/** Rate limits per client for requests that cost the relay something. @see MSG-19 MSG-20 */
export class RateLimit {
  readonly #clock: Clock;
  readonly #rooms: Buckets;
  readonly #addresses: Buckets;
  readonly #registrations: Buckets;
  readonly #searches = new Buckets(SEARCH_RATE, SEARCH_BURST);

  constructor(limits: RelayLimits, clock: Clock) {
    this.#clock = clock;
    this.#rooms = new Buckets(limits.room_rate, limits.room_burst);
    this.#addresses = new Buckets(limits.address_rate, limits.address_burst);
    const { address_registrations: anHour } = limits;
    this.#registrations = new Buckets(anHour / 3_600, anHour);
  }

  /**
   * Admit a write.
   * @param room null for a write outside of rooms, which uses only the address's bucket.
   * @throws {RequestProblem} rate-limited, when one of the buckets is empty; then none loses a token.
   */
  admit(room: string | null, client: Client): void {
    const now = this.#clock.mono();
    const scope = `${room} `;
    const left = Math.max(
      room === null ? 0 : this.#rooms.secondsLeft(scope, client, now),
      this.#addresses.secondsLeft('', client, now),
    );
    if (left > 0) throw new RequestProblem('rate-limited', { retryAfter: left });
    if (room !== null) this.#rooms.take(scope, client, 1, now);
    this.#addresses.take('', client, 1, now);
  }

  /** Admit the registration of a new handle. @throws {RequestProblem} rate-limited. */
  admitRegistration(client: Client): void {
    this.#admitOne(this.#registrations, client);
    this.#registrations.take('', client, 1, this.#clock.mono());
  }

  /**
   * Admit a search of the directory.
   * @returns a function to call with the number of profiles that the search examined, which is known only afterwards.
   * @throws {RequestProblem} rate-limited, while earlier searches have left the bucket empty or in debt.
   */
  admitSearch(client: Client): (examined: number) => void {
    this.#admitOne(this.#searches, client);
    return (examined) => this.#searches.take('', client, examined, this.#clock.mono());
  }

  #admitOne(buckets: Buckets, client: Client): void {
    const left = buckets.secondsLeft('', client, this.#clock.mono());
    if (left > 0) throw new RequestProblem('rate-limited', { retryAfter: left });
  }

  sweep(): void {
    const now = this.#clock.mono();
    for (const buckets of [this.#rooms, this.#addresses, this.#registrations, this.#searches])
      buckets.forgetFull(now);
  }
}

/** Limits how much of a resource each client may hold at the same time. */
export class ConcurrencyCap {
  readonly #most: number;
  readonly #held = new Map<string, number>();

  /** @param most limit for one address or IPv6 /64; for shorter prefixes see {@link allowance}. */
  constructor(most: number) {
    this.#most = most;
  }

  /**
   * Take an amount for a client.
   * @param amount in the unit of the cap.
   * @param scope amounts are limited separately in each scope, such as a room.
   * @returns a function that releases the amount; further calls do nothing.
   * @throws {RequestProblem} rate-limited, when the client would exceed its limit.
   */
  take(client: Client, amount = 1, scope = ''): () => void {
    for (const [level, prefix] of client.entries())
      if ((this.#held.get(scope + prefix) ?? 0) + amount > allowance(this.#most, level))
        throw new RequestProblem('rate-limited', { retryAfter: RETRY_SECONDS });
    this.#add(client, amount, scope);
    let mine = true;
    return () => {
      if (mine) this.#add(client, -amount, scope);
      mine = false;
    };
  }

  #add(client: Client, amount: number, scope: string): void {
    for (const prefix of client) {
      const key = scope + prefix;
      const held = (this.#held.get(key) ?? 0) + amount;
      if (held === 0) this.#held.delete(key);
      else this.#held.set(key, held);
    }
  }
}

/** A cap that gives each client 1/`address_share` of a table of this size. */
export function shareOf(size: number, { address_share: parts }: RelayLimits): ConcurrencyCap {
  return new ConcurrencyCap(Math.max(1, Math.ceil(size / parts)));
}
