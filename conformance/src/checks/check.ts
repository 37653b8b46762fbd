/** A check: what to drive, and what the rules require of what came back. */
import type { Script } from '../script/script.ts';

export interface Check {
  /** The rule that it is about, and a word to tell it from others of the rule: `MSG-4/at-the-limit`. */
  readonly id: `${string}/${string}`;
  readonly title: string;
  /**
   * - `quick`: seconds; many run at once.
   * - `long`: waits for a timing of the protocol; runs beside everything else.
   * - `solo`: floods or stalls; runs alone, and only with `--cert` or in lab.
   */
  readonly lane: 'quick' | 'long' | 'solo';
  /** Run only with `--cert` or in lab: it takes longer than a minute, or more than a guest should. */
  readonly cert?: true;
  /** Run only in lab, where the target's timings are short: says why. */
  readonly lab?: string;
  /** Other rules on which its requirements bear, where they are not the model's. */
  readonly also?: readonly string[];
  /** Take the steps. Everything that it decides must follow from the steps' results: it runs again from the trace. */
  readonly run: (script: Script) => Promise<void>;
}

/** The rule that a check is about. */
export function ruleOf(check: Pick<Check, 'id'>): string {
  return check.id.slice(0, check.id.indexOf('/'));
}

/** Whether a rule was asked for, by its id, its chapter's prefix, or one of its checks. */
export function asked(rule: string, only: readonly string[]): boolean {
  return (
    only.length === 0 ||
    only.some((word) => word === rule || rule.startsWith(`${word}-`) || word.startsWith(`${rule}/`))
  );
}
