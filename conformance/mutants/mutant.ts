/** A broken relay: the reference relay with one passage of its source replaced, so that it breaks one rule. */
export interface Mutant {
  /** The rule that it breaks, and a word: `MSG-3/seq-twice`. */
  readonly id: `${string}/${string}`;
  /** What it does wrong, in words that follow "a relay that". */
  readonly what: string;
  /** In `reference-server/src`. */
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly from: string;
  readonly to: string;
  /** Flags beyond those of the lab. */
  readonly flags?: readonly string[];
  /** The check of another rule that sees it, where those of its own rule do not, or not every time. */
  readonly seenBy?: `${string}/${string}`;
  /** Rules that the same fault breaks, in what the checks of its rule drive: each of them, every time. */
  readonly alsoBreaks?: readonly string[];
  /** Rules that the same fault breaks at times, for it depends on timing whether it shows. */
  readonly mayBreak?: readonly string[];
}
