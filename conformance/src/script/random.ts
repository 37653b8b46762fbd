import { createHash } from 'node:crypto';

/** Pseudo-random bytes derived from the given words, so that the same seed gives the same run. */
export class Random {
  readonly #seed: string;
  #block = Buffer.alloc(0);
  #count = 0;

  constructor(...words: readonly (string | number)[]) {
    this.#seed = words.join('\u0000');
  }

  bytes(count: number): Buffer {
    while (this.#block.length < count) {
      const next = createHash('sha256').update(`${this.#seed}\u0000${this.#count++}`).digest();
      this.#block = Buffer.concat([this.#block, next]);
    }
    const taken = this.#block.subarray(0, count);
    this.#block = this.#block.subarray(count);
    return Buffer.from(taken);
  }

  /** An id that is valid wherever the protocol requires one. */
  id(length: number): string {
    return this.bytes(length).toString('base64url').slice(0, length);
  }
}
