/** A broken relay: the reference relay with one passage of its source replaced, so that it breaks one rule. */
export interface Mutant {
  /** The rule that it breaks, and a short name: `MSG-3/seq-twice`. */
  readonly id: `${string}/${string}`;
  /** The fault, as the end of a sentence that begins with "a relay that". */
  readonly what: string;
  /** File that is patched, in `reference-server/src`. */
  readonly file: string;
  /** The passage to replace; must occur exactly once in the file. */
  readonly from: string;
  readonly to: string;
  /** Flags of the relay, in addition to LAB. */
  readonly flags?: readonly string[];
  /** A check of another rule that detects the mutant, if those of its own rule do not, or not every time. */
  readonly seenBy?: `${string}/${string}`;
  /** Other rules that the same fault breaks in the cases that run for it: all of them, in every run. */
  readonly alsoBreaks?: readonly string[];
  /** Other rules that the same fault breaks only in some runs, depending on timing. */
  readonly mayBreak?: readonly string[];
}
