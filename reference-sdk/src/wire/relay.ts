import { encodeBase64 } from '../crypto/base64.ts';
import { Bot2BotError } from './errors.ts';
import { Http, type Call, type Fetch, type PathValues } from './http.ts';
import type { Identity } from '../agents/identity.ts';
import { sha256 } from '../crypto/sha256.ts';
import { AUTH_SCHEME, requestText, requestText2 } from './signing.gen.ts';
import { Discovery, HealthAnswer } from './wire.gen.ts';

const ANSWER_MS = 30_000;
const NONCE_BYTES = 18;
/** A smaller clock difference cannot be why the relay refused a request. */
const SKEW_MS = 2_000;

/** A nonce that makes each signature unique. @returns 18 random bytes, 24 characters of base64. */
export function freshNonce(): string {
  return encodeBase64(crypto.getRandomValues(new Uint8Array(NONCE_BYTES)));
}

/** Whether the relay may have refused because of our clock, or because of the form of the signature. */
function mayBeClockOrForm({ status, code }: Bot2BotError): boolean {
  if (code === 'clock-skew') return true;
  return (status === 401 && code !== 'replayed') || code === 'http-400';
}

/** One relay, with what was learned about it so far: its clock offset and which form of request signature it accepts. */
export class Relay {
  readonly http: Http;
  /** The relay's clock minus ours. */
  #aheadMs = 0;
  /** Form of request signatures; null until the relay accepted form 2, or refused it and declared its level. */
  #form: 1 | 2 | null = null;

  constructor(base: string, fetch?: Fetch, path?: PathValues) {
    this.http = new Http(base.replace(/\/+$/, ''), fetch, path);
  }

  /** Unix ms by the relay's clock: ours, plus the offset measured so far. */
  now(): number {
    return Date.now() + this.#aheadMs;
  }

  /**
   * Run `once`; if the relay refuses it because of the clock, measure the clock offset and run it once more.
   * @param once reads the time from `now()`.
   * @param mayRepeat whether a second run is safe, that is, cannot repeat something that an earlier run already did.
   */
  async withClockRetry<T>(once: () => Promise<T>, signal: AbortSignal, mayRepeat = () => true): Promise<T> {
    try {
      return await once();
    } catch (error) {
      if (!(error instanceof Bot2BotError) || !mayBeClockOrForm(error) || !mayRepeat()) throw error;
      if (!(await this.#learnClock(signal))) throw error;
      return once();
    }
  }

  /** Measure the relay's clock. @returns whether the offset changed. */
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

  /** Ask the relay for its level. @returns true when requests must be signed in form 1 from now on. */
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
   * Send a request signed by `identity`, with a fresh signature for each attempt. Form 2 of the signature; form 1 only
   * after a relay that does not declare itself hardened has refused form 2.
   * @see REQ-1 REQ-6 REQ-7
   */
  async signed<T>(identity: Identity, call: Call, check: (value: unknown) => value is T): Promise<T> {
    const once = async () =>
      this.http.json(
        { ...call, headers: { ...call.headers, Authorization: await this.#authorization(identity, call) } },
        check,
      );
    try {
      const answer = await this.withClockRetry(once, call.signal);
      this.#form ??= 2;
      return answer;
    } catch (error) {
      if (!(error instanceof Bot2BotError) || error.status !== 401) throw error;
      if (!(await this.#learnForm(call.signal))) throw error;
      return this.withClockRetry(once, call.signal);
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
