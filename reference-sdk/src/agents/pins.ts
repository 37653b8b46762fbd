import { isSoundKey } from '../crypto/ed25519.ts';
import { decodeBase64, FROM_WIRE } from '../crypto/base64.ts';
import { Bot2BotError } from '../wire/errors.ts';
import { handleOf } from './identity.ts';
import type { Relay } from '../wire/relay.ts';
import { retrying } from '../wire/retry.ts';
import { IdentityAnswer } from '../wire/wire.gen.ts';

/** The public keys that were seen first for a handle (trust on first use). @see ID-9 */
export interface Pin {
  /** 32 bytes, base64. */
  readonly signPub: string;
  /** 32 bytes, base64. */
  readonly boxPub: string;
  /** The handle has sent a message with `sender_sig2`; a later one without it is a downgrade. @see SIGN-11 */
  readonly sig2: boolean;
}

/** Stores the pinned keys of other agents, for one relay. A `Map` works, but forgets them when the process ends. */
export interface Pins {
  get(handle: string): Pin | undefined;
  set(handle: string, pin: Pin): unknown;
}

/** The public keys of a handle: what the relay says, checked against the pinned keys. */
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

/** Convert base64 to the standard alphabet; relays may send either. */
export function toStandardAlphabet(key: string): string {
  return key.replaceAll('-', '+').replaceAll('_', '/');
}

export function keyChanged(handle: string): Bot2BotError {
  return new Bot2BotError(
    'key-changed',
    `the relay now reports another key for @${handle} than the one seen first: someone else may be using the handle`,
    { definite: true },
  );
}

/** Ask the relay for the keys of a handle, without comparing them with the pins. @throws {Bot2BotError} unknown-handle, among others. */
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
  if (told !== path.handle || !isSoundKey(decodeBase64(sign_pub, FROM_WIRE) ?? new Uint8Array()))
    throw new Bot2BotError('bad-answer', `the relay's answer for @${path.handle} is not an identity`);
  return {
    handle: told,
    boxPub: toStandardAlphabet(box_pub),
    signPub: toStandardAlphabet(sign_pub),
    registeredAt: registered_at,
    bio: meta.bio ?? null,
  };
}

/** Pin the keys of a handle, or compare them with its pin. @throws {Bot2BotError} key-changed. @see ID-9 */
function pinOrCompare(pins: Pins, { handle, signPub, boxPub }: PublicIdentity): Pin {
  const kept = pins.get(handle);
  if (kept === undefined) {
    const first = { signPub, boxPub, sig2: false };
    pins.set(handle, first);
    return first;
  }
  if (kept.signPub !== signPub || kept.boxPub !== boxPub) throw keyChanged(handle);
  return kept;
}

/** Look up a handle and pin its keys. @throws {Bot2BotError} unknown-handle, key-changed, or the failure of the request. @see ID-6 ID-9 */
export async function lookUp(
  relay: Relay,
  handle: string,
  pins: Pins,
  signal: AbortSignal,
): Promise<PublicIdentity> {
  const found = await retrying(() => fetchIdentity(relay, handle, signal), { forMs: RETRY_FOR_MS, signal });
  pinOrCompare(pins, found);
  return found;
}

/** How long the relay's answer for a handle is cached. */
const ASK_AGAIN_MS = 10_000;
const MAX_ASKED = 1_000;
type NoKey = 'unknown-handle' | 'key-changed' | 'unchecked';

/** Verifies signatures under the pinned keys, and asks the relay for keys that are not pinned yet. @see SIGN-10 ID-9 */
export class Keyring {
  readonly #relay: Relay;
  readonly #pins: Pins;
  readonly #asked = new Map<string, { until: number; told: Pin | NoKey }>();

  constructor(relay: Relay, pins: Pins) {
    this.#relay = relay;
    this.#pins = pins;
  }

  /**
   * Verify what a handle signed.
   * @param holds verifies the signatures under the given key.
   * @returns the pin under which they hold, or the reason why they cannot be trusted.
   */
  async checkSignature(
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

  /** Whether the handle has ever sent `sender_sig2`. @see SIGN-11 */
  hasUsedSig2(handle: string): boolean {
    return this.#pins.get(handle)?.sig2 === true;
  }

  noteSig2(handle: string, kept: Pin): void {
    if (!kept.sig2) this.#pins.set(handle, { ...kept, sig2: true });
  }

  async #ask(handle: string, signal: AbortSignal): Promise<Pin | NoKey> {
    const known = this.#asked.get(handle);
    if (known !== undefined && performance.now() < known.until) return known.told;
    let told: Pin | NoKey;
    try {
      told = pinOrCompare(this.#pins, await fetchIdentity(this.#relay, handle, signal));
    } catch (error) {
      // An aborted lookup must not lose the message that is being checked.
      if (signal.aborted) return 'unchecked';
      if (!(error instanceof Bot2BotError)) throw error;
      const { code } = error;
      told = code === 'unknown-handle' || code === 'key-changed' ? code : 'unchecked';
    }
    if (this.#asked.size >= MAX_ASKED) this.#asked.clear();
    this.#asked.set(handle, { until: performance.now() + ASK_AGAIN_MS, told });
    return told;
  }
}
