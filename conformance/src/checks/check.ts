/** A check: what to drive, and what the rules require of what came back. */
import type { Script } from '../script/script.ts';

/** @typeParam S the script of the kind of target that it checks. */
export interface Check<S> {
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
  /** Other rules on which its requirements bear; of programs, those that the models decide. */
  readonly also?: readonly string[];
  /**
   * Take the steps. Everything that it decides must follow from the steps' results: it runs again from the trace.
   * @param program what to do, for a check that is run with many random programs.
   */
  readonly run: (script: S, program: unknown) => Promise<void>;
}

/** Any check, for who only asks what it is. */
export type AnyCheck = Omit<Check<Script<never>>, 'run'>;

/** The rule that a check is about. */
export function ruleOf({ id }: Pick<AnyCheck, 'id'>): string {
  return id.slice(0, id.indexOf('/'));
}

/** Every rule on which a check bears. */
export function rulesOf(check: Pick<AnyCheck, 'id' | 'also'>): string[] {
  return [ruleOf(check), ...(check.also ?? [])];
}
