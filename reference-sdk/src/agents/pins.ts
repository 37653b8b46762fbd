import { goodKey } from '../crypto/ed25519.ts';
import { decodeBase64 } from '../crypto/base64.ts';
import { Bot2BotError } from '../wire/errors.ts';
import { handleOf } from './identity.ts';
import type { Relay } from '../wire/relay.ts';
import { retrying } from '../wire/retry.ts';
import { IdentityAnswer } from '../wire/wire.gen.ts';

/** The keys that were first seen for a handle. @see ID-9 */
export interface Pin {
  /** 32 bytes, base64. */
  readonly signPub: string;
  /** 32 bytes, base64. */
  readonly boxPub: string;
  /** It has signed a message in the second form. @see SIGN-11 */
  readonly sig2: boolean;
}

/** Where the keys of others are kept, for one relay. A `Map` will do; it forgets them with the process. */
export interface Pins {
  get(handle: string): Pin | undefined;
  set(handle: string, pin: Pin): unknown;
}

/** The public keys of a handle, as its relay tells them and as they were first seen. */
export interface PublicIdentity {
  readonly handle: string;
  readonly boxPub: string;
  readonly signPub: string;
  /** Unix ms. */
  readonly registeredAt: number;
  readonly bio: string | null;
}

const ANSWER_MS = 15_000;
const RETRY_FOR_MS = 15_000;
const EITHER = { alphabet: 'either', padding: 'required' } as const;

/** Standard alphabet, whatever the relay sent. */
export function standard(key: string): string {
  return key.replaceAll('-', '+').replaceAll('_', '/');
}

export function keyChanged(handle: string): Bot2BotError {
  return new Bot2BotError(
    'key-changed',
    `the relay tells another key for @${handle} than the one that was first seen: someone else may be using the handle`,
    { definite: true },
  );
}

/** What the relay tells of a handle; compared with nothing. @throws {Bot2BotError} unknown-handle, among others. */
export async function fetchIdentity(
  relay: Relay,
  handle: string,
  signal: AbortSignal,
): Promise<PublicIdentity> {
  const path = { handle: handleOf(handle) };
  const call = { method: 'GET', operation: 'lookUpIdentity', path, signal, timeoutMs: ANSWER_MS } as const;
  let answer: IdentityAnswer;
  try {
    answer = await relay.http.json(call, IdentityAnswer);
  } catch (error) {
    if (!(error instanceof Bot2BotError) || error.status !== 404) throw error;
    throw new Bot2BotError('unknown-handle', `@${path.handle} is not registered`, {
      status: 404,
      definite: true,
    });
  }
  const { handle: told, box_pub, sign_pub, registered_at, meta } = answer;
  if (told !== path.handle || !goodKey(decodeBase64(sign_pub, EITHER) ?? new Uint8Array()))
    throw new Bot2BotError('bad-answer', `what the relay tells of @${path.handle} is not an identity`);
  return {
    handle: told,
    boxPub: standard(box_pub),
    signPub: standard(sign_pub),
    registeredAt: registered_at,
    bio: meta.bio ?? null,
  };
}

/** Keep the keys of a handle, or see that they are the ones that were kept. @throws {Bot2BotError} key-changed. @see ID-9 */
function pin(pins: Pins, { handle, signPub, boxPub }: PublicIdentity): Pin {
  const kept = pins.get(handle);
  if (kept === undefined) {
    const first = { signPub, boxPub, sig2: false };
    pins.set(handle, first);
    return first;
  }
  if (kept.signPub !== signPub || kept.boxPub !== boxPub) throw keyChanged(handle);
  return kept;
}

/** Look up a handle. @throws {Bot2BotError} unknown-handle, key-changed, or that of the request. @see ID-6 ID-9 */
export async function lookUp(
  relay: Relay,
  handle: string,
  pins: Pins,
  signal: AbortSignal,
): Promise<PublicIdentity> {
  const found = await retrying(() => fetchIdentity(relay, handle, signal), { forMs: RETRY_FOR_MS, signal });
  pin(pins, found);
  return found;
}

/** What the relay told of a handle is not asked for again for this time. */
const ASK_AGAIN_MS = 10_000;
const MOST_ASKED = 1_000;
type NoKey = 'unknown-handle' | 'key-changed' | 'unchecked';

/** Judges what handles signed under the keys that are kept; asks the relay for those that are not. @see SIGN-10 ID-9 */
export class Keyring {
  readonly #relay: Relay;
  readonly #pins: Pins;
  readonly #asked = new Map<string, { until: number; told: Pin | NoKey }>();

  constructor(relay: Relay, pins: Pins) {
    this.#relay = relay;
    this.#pins = pins;
  }

  /** @param holds whether the signatures are those of this key. @returns the pin under which they hold; why not, else. */
  async judge(
    handle: string,
    holds: (signPub: string) => Promise<boolean>,
    signal: AbortSignal,
  ): Promise<Pin | NoKey | 'invalid'> {
    const kept = this.#pins.get(handle) ?? (await this.#ask(handle, signal));
    if (typeof kept === 'string') return kept;
    if (await holds(kept.signPub)) return kept;
    const told = await this.#ask(handle, signal);
    return told === 'key-changed' ? told : 'invalid';
  }

  /** Whether the handle has signed in the second form. @see SIGN-11 */
  usesSecond(handle: string): boolean {
    return this.#pins.get(handle)?.sig2 === true;
  }

  noteSecond(handle: string, kept: Pin): void {
    if (!kept.sig2) this.#pins.set(handle, { ...kept, sig2: true });
  }

  async #ask(handle: string, signal: AbortSignal): Promise<Pin | NoKey> {
    const known = this.#asked.get(handle);
    if (known !== undefined && performance.now() < known.until) return known.told;
    let told: Pin | NoKey;
    try {
      told = pin(this.#pins, await fetchIdentity(this.#relay, handle, signal));
    } catch (error) {
      // What has been received is handed on all the same.
      if (signal.aborted) return 'unchecked';
      if (!(error instanceof Bot2BotError)) throw error;
      const { code } = error;
      told = code === 'unknown-handle' || code === 'key-changed' ? code : 'unchecked';
    }
    if (this.#asked.size >= MOST_ASKED) this.#asked.clear();
    this.#asked.set(handle, { until: performance.now() + ASK_AGAIN_MS, told });
    return told;
  }
}
