import type { KeyObject } from 'node:crypto';
import { RESERVED_HANDLES, type IdentityAnswer, type Limits, type RegisterBody } from '@bot2bot/schemas';
import type { Clock } from './clock.ts';
import { bytesOf, keyObject } from './ed25519.ts';
import { RequestProblem } from './problem.ts';
import type { Store } from './store.ts';

/** Keys that are held ready to verify with. */
const READY_KEYS = 4_096;

/** A handle as a path has it: with or without `@`, in any case. */
export function handleIn(path: string): string {
  return path.replace(/^@/, '').toLowerCase();
}

/** Who has which handle. The first key keeps it, for as long as the process or the data folder lives. @see ID-3 */
export class Identities {
  readonly #limits: Limits;
  readonly #clock: Clock;
  readonly #store: Store<IdentityAnswer>;
  readonly #held: Map<string, IdentityAnswer>;
  readonly #ready = new Map<string, KeyObject>();

  /** @param held what the store already has. */
  constructor(given: {
    limits: Limits;
    clock: Clock;
    store: Store<IdentityAnswer>;
    held: Map<string, IdentityAnswer>;
  }) {
    this.#limits = given.limits;
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
   * Give a handle to a key; the body has been checked and its signature verified.
   * @param admit called before a handle that is new is taken; throws to refuse it.
   * @returns the registration that holds now, once it is safe from a crash.
   * @throws {RequestProblem} handle-taken, handle-reserved, unavailable.
   */
  async register(body: RegisterBody, admit: () => void): Promise<IdentityAnswer> {
    const { handle, box_pub, sign_pub, meta = {} } = body;
    if (RESERVED_HANDLES.includes(handle)) throw new RequestProblem('handle-reserved');
    const owner = this.#held.get(handle);
    if (owner !== undefined) {
      if (!bytesOf(owner.sign_pub).equals(bytesOf(sign_pub))) throw new RequestProblem('handle-taken');
      await this.#store.settled(handle);
      return owner;
    }
    if (this.#held.size >= this.#limits.identities)
      throw new RequestProblem('unavailable', { retryAfter: 60 });
    admit();
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
      throw error;
    }
    return registered;
  }
}
