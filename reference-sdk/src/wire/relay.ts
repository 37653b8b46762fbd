import { encodeBase64 } from '../crypto/base64.ts';
import { Bot2BotError } from './errors.ts';
import { Http, type Call, type Fetch, type PathValues } from './http.ts';
import type { Identity } from '../agents/identity.ts';
import { sha256 } from '../crypto/sha256.ts';
import { AUTH_SCHEME, requestText, requestText2 } from './signing.gen.ts';
import { Discovery, HealthAnswer } from './wire.gen.ts';

const ANSWER_MS = 30_000;
const NONCE_BYTES = 18;
/** A clock that is off by less is not what a refusal is about. */
const SKEW_MS = 2_000;

/** What a signature that is made for one use is made fresh with. @returns 24 characters of base64. */
export function freshNonce(): string {
  return encodeBase64(crypto.getRandomValues(new Uint8Array(NONCE_BYTES)));
}

/** Whether a refusal may be due to the clock, or to the form of the signature. */
function doubtful({ status, code }: Bot2BotError): boolean {
  if (code === 'clock-skew') return true;
  return (status === 401 && code !== 'replayed') || code === 'http-400';
}

/** One relay, and what has been found out about it on the way: its clock, and which signatures it takes. */
export class Relay {
  readonly http: Http;
  #aheadMs = 0;
  /** Null until a request in the second form was accepted, or was refused and the relay asked. */
  #form: 1 | 2 | null = null;

  constructor(base: string, fetch?: Fetch, path?: PathValues) {
    this.http = new Http(base.replace(/\/+$/, ''), fetch, path);
  }

  /** Unix ms by the relay's clock, as far as it is known. */
  now(): number {
    return Date.now() + this.#aheadMs;
  }

  /**
   * Do what a relay refuses to a wrong clock; when it was refused, look at the relay's clock and do it once more.
   * @param once takes its time from `now()`.
   * @param mayRepeat whether a second attempt cannot do what the first may have done already.
   */
  async timely<T>(once: () => Promise<T>, signal: AbortSignal, mayRepeat = () => true): Promise<T> {
    try {
      return await once();
    } catch (error) {
      if (!(error instanceof Bot2BotError) || !doubtful(error) || !mayRepeat()) throw error;
      if (!(await this.#learnClock(signal))) throw error;
      return once();
    }
  }

  /** @returns whether the clock turned out to be another than was thought. */
  async #learnClock(signal: AbortSignal): Promise<boolean> {
    const from = Date.now();
    const call = { method: 'GET', operation: 'health', signal, timeoutMs: ANSWER_MS } as const;
    const health = await this.http.json(call, HealthAnswer).catch(() => null);
    signal.throwIfAborted();
    if (health === null) return false;
    const ahead = Math.round(health.ts - (from + Date.now()) / 2);
    if (Math.abs(ahead - this.#aheadMs) < SKEW_MS) return false;
    this.#aheadMs = ahead;
    return true;
  }

  /** @returns whether requests are to be signed in the first form, and were not so far. */
  async #learnForm(signal: AbortSignal): Promise<boolean> {
    if (this.#form !== null) return false;
    const call = { method: 'GET', operation: 'discovery', signal, timeoutMs: ANSWER_MS } as const;
    let level: string;
    try {
      ({ level } = await this.http.json(call, Discovery));
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof Bot2BotError) || error.passing) return false;
      level = 'compat';
    }
    this.#form = level === 'hardened' ? 2 : 1;
    return this.#form === 1;
  }

  /**
   * A request that `identity` signs, each attempt anew. In the second form, unless the relay refuses it and does not
   * call itself hardened.
   * @see REQ-1 REQ-6 REQ-7
   */
  async signed<T>(identity: Identity, call: Call, check: (value: unknown) => value is T): Promise<T> {
    const once = async () =>
      this.http.json(
        { ...call, headers: { ...call.headers, Authorization: await this.#authorization(identity, call) } },
        check,
      );
    try {
      const answer = await this.timely(once, call.signal);
      this.#form ??= 2;
      return answer;
    } catch (error) {
      if (!(error instanceof Bot2BotError) || error.status !== 401) throw error;
      if (!(await this.#learnForm(call.signal))) throw error;
      return this.timely(once, call.signal);
    }
  }

  async #authorization(identity: Identity, call: Call): Promise<string> {
    const { pathname, search } = new URL(this.http.url(call.operation, call.query, call.path));
    const [target, ts, n] = [pathname + search, Math.round(this.now()), freshNonce()];
    if (this.#form === 1) {
      const sig = await identity.sign(requestText(call.method, target, ts, n));
      return `${AUTH_SCHEME} ts=${ts},n=${n},sig=${sig}`;
    }
    const sig = await identity.sign(requestText2(call.method, target, ts, n, sha256(call.body ?? '')));
    return `${AUTH_SCHEME} v=2,ts=${ts},n=${n},sig=${sig}`;
  }
}
