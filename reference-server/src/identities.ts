import type { KeyObject } from 'node:crypto';
import { RESERVED_HANDLES, type IdentityAnswer, type RegisterBody } from '@bot2bot/schemas';
import type { Client } from './address.ts';
import type { Clock } from './clock.ts';
import type { RelayLimits } from './config.ts';
import { bytesOf, keyObject } from './ed25519.ts';
import { RequestProblem } from './problem.ts';
import { shareOf, type ConcurrencyCap } from './rate-limit.ts';
import type { Store } from './store.ts';

/** Keys that are held ready to verify with. */
const READY_KEYS = 4_096;

/** A handle as a path has it: with or without `@`, in any case. */
export function handleIn(path: string): string {
  return path.replace(/^@/, '').toLowerCase();
}

/** Who has which handle. The first key keeps it, for as long as the process or the data folder lives. @see ID-3 */
export class Identities {
  readonly #limits: RelayLimits;
  readonly #clock: Clock;
  /** Handles that were registered since the start. */
  readonly #shares: ConcurrencyCap;
  readonly #store: Store<IdentityAnswer>;
  readonly #held: Map<string, IdentityAnswer>;
  readonly #ready = new Map<string, KeyObject>();

  /** @param held what the store already has. */
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

  /** Key of a registered handle. */
  key({ handle, sign_pub: signPub }: IdentityAnswer): KeyObject {
    const ready = this.#ready.get(handle);
    if (ready !== undefined) return ready;
    for (const oldest of this.#ready.keys()) {
      if (this.#ready.size < READY_KEYS) break;
      this.#ready.delete(oldest);
    }
    const key = keyObject(bytesOf(signPub));
    this.#ready.set(handle, key);
    return key;
  }

  /**
   * Whether a handle can be had by a key, whatever the signature.
   * @returns who has it, when it is the key.
   * @throws {RequestProblem} handle-taken, handle-reserved.
   */
  ownerIfFree({ handle, sign_pub }: Pick<RegisterBody, 'handle' | 'sign_pub'>): IdentityAnswer | undefined {
    if (RESERVED_HANDLES.includes(handle)) throw new RequestProblem('handle-reserved');
    const owner = this.#held.get(handle);
    if (owner !== undefined && !bytesOf(owner.sign_pub).equals(bytesOf(sign_pub)))
      throw new RequestProblem('handle-taken');
    return owner;
  }

  /**
   * Give a handle to a key; the body has been checked and its signature verified.
   * @param admit called before a handle that is new is taken; throws to refuse it.
   * @returns the registration that holds now, once it is safe from a crash.
   * @throws {RequestProblem} handle-taken, handle-reserved, unavailable; rate-limited, when the client has its share.
   */
  async register(body: RegisterBody, client: Client, admit: () => void): Promise<IdentityAnswer> {
    const { handle, box_pub, sign_pub, meta = {} } = body;
    const owner = this.ownerIfFree(body);
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
