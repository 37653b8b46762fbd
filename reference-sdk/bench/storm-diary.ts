interface Grant {
  readonly claimId: string;
  /** Monotonic µs: the lease ends no earlier. */
  readonly deadline: number;
}

/** What one handle's processes wrote down, held against the promises of chapter 05. */
export class Diary {
  /** Messages whose ack was answered. */
  acked = 0;
  grants = 0;
  /** The same claim told again. @see CLAIM-20 */
  resumed = 0;
  /** Another claim of the same message. @see CLAIM-4 */
  regranted = 0;
  gaps = 0;
  resets = 0;
  /** @see CLAIM-2 */
  afterAck = 0;
  /** Another claim although the lease had not run out. @see CLAIM-7 */
  early = 0;
  /** @see CLAIM-6 */
  disorder = 0;
  /** @see CLAIM-19 */
  miscounted = 0;
  readonly #ackedSeqs = new Set<number>();
  readonly #granted = new Map<number, Grant[]>();
  /** The newest message whose ack was sent. */
  #sent = 0;
  #newest = 0;

  /** @param line as `storm-worker.mjs` writes it. */
  take(line: string): void {
    const [kind, ...words] = line.split(' ');
    if (kind === 'G') this.#grant(words);
    else if (kind === 'B') this.#sent = Number(words[0]);
    else if (kind === 'A') this.#ack(Number(words[0]));
    else if (kind === 'L') this.gaps++;
    else if (kind === 'R') this.resets++;
  }

  #ack(seq: number): void {
    if (this.#ackedSeqs.has(seq)) return;
    this.#ackedSeqs.add(seq);
    this.acked++;
  }

  #grant([answered, deadline, seqText, claimId = '', delivery, resumed]: string[]): void {
    const seq = Number(seqText);
    this.grants++;
    if (seq > this.#newest) {
      // The answer to an ack may have come to a process that was gone: what follows shows that it was taken. Without an
      // ack that was sent, what follows shows that the message was lost.
      if (this.#sent === this.#newest && this.#sent > 0) this.#ack(this.#newest);
      this.#newest = seq;
    } else if (seq < this.#newest) this.disorder++;
    if (this.#ackedSeqs.has(seq)) this.afterAck++;
    const grants = this.#granted.get(seq) ?? [];
    if (grants.length === 0) this.#granted.set(seq, grants);
    const grant = { claimId, deadline: Number(deadline) };
    const before = grants.at(-1);
    if (before?.claimId === claimId) this.resumed++;
    else {
      if (before !== undefined) {
        this.regranted++;
        if (Number(answered) < before.deadline) this.early++;
      }
      grants.push(grant);
    }
    // A claim whose answer nobody wrote down counts too, so that the relay's number may be higher, never lower.
    if (Number(delivery) < grants.length) this.miscounted++;
    if (resumed === '0' && before?.claimId === claimId) this.miscounted++;
    for (const old of this.#granted.keys()) if (old < seq) this.#granted.delete(old);
  }

  /** How many of these were never granted or acked. */
  missing(seqs: ReadonlySet<number>): number {
    return [...seqs].filter((seq) => !this.#ackedSeqs.has(seq)).length;
  }
}
