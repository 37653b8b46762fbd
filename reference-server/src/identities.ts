import type { KeyObject } from 'node:crypto';
import { RESERVED_HANDLES, type IdentityAnswer, type RegisterBody } from '@bot2bot/schemas';
import type { Client } from './address.ts';
import type { Clock } from './clock.ts';
import type { RelayLimits } from './config.ts';
import { bytesOf, keyObject } from './ed25519.ts';
import { RequestProblem } from './problem.ts';
import { shareOf, type ConcurrencyCap } from './rate-limit.ts';
import type { Store } from './store.ts';

/** Maximum number of parsed keys that are cached. */
const MAX_PARSED_KEYS = 4_096;

/** The handle in a path segment, where it may begin with `@` and have upper-case letters. */
export function handleIn(path: string): string {
  return path.replace(/^@/, '').toLowerCase();
}

/** Registered handles and their keys. The first key keeps the handle, as long as the process or data folder lives. @see ID-3 */
export class Identities {
  readonly #limits: RelayLimits;
  readonly #clock: Clock;
  /** Limits how many handles a client registers between restarts. */
  readonly #shares: ConcurrencyCap;
  readonly #store: Store<IdentityAnswer>;
  readonly #held: Map<string, IdentityAnswer>;
  readonly #parsedKeys = new Map<string, KeyObject>();

  /** @param held identities that were loaded from the store. */
  constructor(given: {
    limits: RelayLimits;
    clock: Clock;
    store: Store<IdentityAnswer>;
    held: Map<string, IdentityAnswer>;
  }) {
    this.#limits = given.limits;
    this.#shares = shareOf(given.limits.identities, given.limits);
    this.#clock = given.clock;
    this.#store = given.store;
    this.#held = given.held;
  }

  get size(): number {
    return this.#held.size;
  }

  get(handle: string): IdentityAnswer | undefined {
    return this.#held.get(handle);
  }

  /** The parsed signing key of a registered handle. */
  key({ handle, sign_pub: signPub }: IdentityAnswer): KeyObject {
    const parsed = this.#parsedKeys.get(handle);
    if (parsed !== undefined) return parsed;
    for (const oldest of this.#parsedKeys.keys()) {
      if (this.#parsedKeys.size < MAX_PARSED_KEYS) break;
      this.#parsedKeys.delete(oldest);
    }
    const key = keyObject(bytesOf(signPub));
    this.#parsedKeys.set(handle, key);
    return key;
  }

  /**
   * Check whether this key may register this handle. Does not look at the signature.
   * @returns the registration, when the handle is registered with this key already; undefined when it is free.
   * @throws {RequestProblem} handle-taken, handle-reserved.
   */
  ownRegistration({
    handle,
    sign_pub,
  }: Pick<RegisterBody, 'handle' | 'sign_pub'>): IdentityAnswer | undefined {
    if (RESERVED_HANDLES.includes(handle)) throw new RequestProblem('handle-reserved');
    const owner = this.#held.get(handle);
    if (owner !== undefined && !bytesOf(owner.sign_pub).equals(bytesOf(sign_pub)))
      throw new RequestProblem('handle-taken');
    return owner;
  }

  /**
   * Register a handle. The caller has validated the body and verified its signature.
   * @param admit called before a new handle is registered; throws to refuse it.
   * @returns the new or the existing registration, once it is stored durably.
   * @throws {RequestProblem} handle-taken, handle-reserved, unavailable; rate-limited, when the client's share is used up.
   * @throws {StoreError} it may or may not have been stored.
   */
  async register(body: RegisterBody, client: Client, admit: () => void): Promise<IdentityAnswer> {
    const { handle, box_pub, sign_pub, meta = {} } = body;
    const owner = this.ownRegistration(body);
    if (owner !== undefined) {
      await this.#store.settled(handle);
      return owner;
    }
    if (this.#held.size >= this.#limits.identities)
      throw new RequestProblem('unavailable', { retryAfter: 60 });
    const release = this.#shares.take(client);
    try {
      admit();
    } catch (error) {
      release();
      throw error;
    }
    const { bio } = meta;
    const registered: IdentityAnswer = {
      handle,
      box_pub,
      sign_pub,
      registered_at: this.#clock.wall(),
      meta: bio === undefined ? {} : { bio },
    };
    this.#held.set(handle, registered);
    try {
      await this.#store.put(handle, registered);
    } catch (error) {
      this.#held.delete(handle);
      release();
      throw error;
    }
    return registered;
  }
}
