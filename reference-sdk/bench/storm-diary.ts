interface Grant {
  readonly claimId: string;
  /** Monotonic time in µs before which the lease cannot end. */
  readonly deadline: number;
}

/** Checks the diary of one handle's processes against the rules of chapter 05. */
export class Diary {
  /** Messages whose ack took effect. */
  acked = 0;
  grants = 0;
  /** Grants that repeated the same claim. @see CLAIM-20 */
  resumed = 0;
  /** Grants of a message under another claim. @see CLAIM-4 */
  regranted = 0;
  gaps = 0;
  resets = 0;
  /** Grants of a message after its ack. @see CLAIM-2 */
  afterAck = 0;
  /** Grants under another claim before the lease had expired. @see CLAIM-7 */
  early = 0;
  /** Grants of an older message after a newer one. @see CLAIM-6 */
  disorder = 0;
  /** Grants with a wrong `delivery` or `resumed`. @see CLAIM-19 */
  miscounted = 0;
  readonly #ackedSeqs = new Set<number>();
  readonly #granted = new Map<number, Grant[]>();
  /** Seq of the newest message whose ack was sent. */
  #sent = 0;
  #newest = 0;

  /** Process a line of the diary. @param line in the format of `storm-worker.mjs`. */
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
      // The process may have been killed before it got the answer to its ack: the grant of a later message shows that the ack
      // took effect. If no ack was sent, it shows instead that the message was lost.
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
    // The relay also counts claims whose answer was lost: its number may be higher than ours, but never lower.
    if (Number(delivery) < grants.length) this.miscounted++;
    if (resumed === '0' && before?.claimId === claimId) this.miscounted++;
    for (const old of this.#granted.keys()) if (old < seq) this.#granted.delete(old);
  }

  /** How many of these messages were never acked. */
  missing(seqs: ReadonlySet<number>): number {
    return [...seqs].filter((seq) => !this.#ackedSeqs.has(seq)).length;
  }
}
