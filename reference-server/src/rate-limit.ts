import type { IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';
import proxyAddress from '@fastify/proxy-addr';
import type { Limits } from '@bot2bot/schemas';
import type { Clock } from './clock.ts';
import { RequestProblem } from './problem.ts';

/** Token buckets by key. A full bucket is forgotten, so that memory is bounded by the keys in use. */
class Buckets {
  readonly #rate: number;
  readonly #burst: number;
  readonly #held = new Map<string, { tokens: number; at: number }>();

  constructor(rate: number, burst: number) {
    this.#rate = rate;
    this.#burst = burst;
  }

  /** Tokens in the bucket now, at most the burst. */
  level(key: string, now: number): number {
    const bucket = this.#held.get(key);
    if (bucket === undefined) return this.#burst;
    return Math.min(this.#burst, bucket.tokens + ((now - bucket.at) / 1000) * this.#rate);
  }

  take(key: string, now: number): void {
    const tokens = this.level(key, now) - 1;
    const bucket = this.#held.get(key);
    if (bucket === undefined) this.#held.set(key, { tokens, at: now });
    else {
      bucket.tokens = tokens;
      bucket.at = now;
    }
  }

  /** Whole seconds until the bucket has a token again. */
  secondsLeft(key: string, now: number): number {
    return Math.max(1, Math.ceil((1 - this.level(key, now)) / this.#rate));
  }

  forgetFull(now: number): void {
    for (const key of this.#held.keys()) if (this.level(key, now) >= this.#burst) this.#held.delete(key);
  }
}

/** Admission of writes. @see MSG-19 MSG-20 */
export class RateLimit {
  readonly #clock: Clock;
  readonly #rooms: Buckets;
  readonly #addresses: Buckets;
  readonly #registrations: Buckets;

  constructor(limits: Limits, clock: Clock) {
    this.#clock = clock;
    this.#rooms = new Buckets(limits.room_rate, limits.room_burst);
    this.#addresses = new Buckets(limits.address_rate, limits.address_burst);
    const { address_registrations: anHour } = limits;
    this.#registrations = new Buckets(anHour / 3_600, anHour);
  }

  /**
   * Admit a write.
   * @param room null for one that no room takes: it draws from the address's bucket alone.
   * @throws {RequestProblem} rate-limited, when one of the buckets is empty; then neither loses a token.
   */
  admit(room: string | null, address: string): void {
    if (room === null) this.#draw([this.#addresses, address]);
    else this.#draw([this.#rooms, `${room} ${address}`], [this.#addresses, address]);
  }

  /** Admit a handle that is new. @throws {RequestProblem} rate-limited. */
  admitRegistration(address: string): void {
    this.#draw([this.#registrations, address]);
  }

  #draw(...wanted: readonly (readonly [Buckets, string])[]): void {
    const now = this.#clock.mono();
    const left = wanted.map(([buckets, key]) =>
      buckets.level(key, now) < 1 ? buckets.secondsLeft(key, now) : 0,
    );
    const retryAfter = Math.max(...left);
    if (retryAfter > 0) throw new RequestProblem('rate-limited', { retryAfter });
    for (const [buckets, key] of wanted) buckets.take(key, now);
  }

  sweep(): void {
    const now = this.#clock.mono();
    this.#rooms.forgetFull(now);
    this.#addresses.forgetFull(now);
    this.#registrations.forgetFull(now);
  }
}

/** Counts what an address holds open: streams, parked requests. */
export class Cap {
  readonly #most: number;
  readonly #held = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  /**
   * @returns a function that gives the place back; further calls do nothing.
   * @throws {RequestProblem} rate-limited, when the address holds as many as it may.
   */
  take(address: string): () => void {
    const held = this.#held.get(address) ?? 0;
    if (held >= this.#most) throw new RequestProblem('rate-limited', { retryAfter: 5 });
    this.#held.set(address, held + 1);
    let mine = true;
    return () => {
      if (!mine) return;
      mine = false;
      const left = (this.#held.get(address) ?? 1) - 1;
      if (left === 0) this.#held.delete(address);
      else this.#held.set(address, left);
    };
  }
}

/**
 * Tells clients apart: by IPv4 address, or by the /64 of an IPv6 address.
 * @param proxies whose `X-Forwarded-For` is believed: addresses, networks (`10.0.0.0/8`) or `loopback`, `linklocal`,
 * `uniquelocal`. From everyone else the header is ignored.
 * @throws {TypeError} for what is none of these.
 */
export function clientKeys(proxies: readonly string[]): (request: IncomingMessage) => string {
  if (proxies.length === 0) return (request) => addressKey(request.socket.remoteAddress);
  const trusted = proxyAddress.compile([...proxies]);
  return (request) => addressKey(proxyAddress(request, trusted));
}

/** @param remote as the system writes it. */
export function addressKey(remote: string | undefined): string {
  if (remote === undefined) return 'unknown';
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(remote);
  if (mapped?.[1] !== undefined) return mapped[1];
  if (!isIPv6(remote)) return remote;
  const [head = '', tail] = (remote.split('%')[0] ?? '').split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...Array<string>(Math.max(0, zeros)).fill('0'), ...right];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
