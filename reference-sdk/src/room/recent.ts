/** How many values are remembered: five times the messages that a relay buffers. */
const REMEMBERED = 10_000;

/** A set of strings with a maximum size: it forgets the oldest. */
export class Recent {
  readonly #held = new Set<string>();

  has(value: string): boolean {
    return this.#held.has(value);
  }

  /** @returns whether the value was new. */
  add(value: string): boolean {
    if (this.#held.has(value)) return false;
    this.#held.add(value);
    if (this.#held.size > REMEMBERED) {
      for (const oldest of this.#held) {
        this.#held.delete(oldest);
        break;
      }
    }
    return true;
  }
}
