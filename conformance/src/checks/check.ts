/** A check: a script that sends requests, and states what the rules require of the answers. */
import type { Script } from '../script/script.ts';

/** @typeParam S the script of the kind of target that it checks. */
export interface Check<S> {
  /** The rule that it tests, and a short name that is unique for the rule: `MSG-4/at-the-limit`. */
  readonly id: `${string}/${string}`;
  readonly title: string;
  /**
   * - `quick`: takes seconds; many run concurrently.
   * - `long`: waits for a timing of the protocol; runs concurrently with all others.
   * - `solo`: floods or stalls; runs alone, and only with `--cert` or in lab.
   */
  readonly lane: 'quick' | 'long' | 'solo';
  /** Run only with `--cert` or in lab: it takes longer than a minute, or puts too much load on a relay that others use. */
  readonly cert?: true;
  /** Run only in lab, where the target's timings are short; the text says why. */
  readonly lab?: string;
  /** Other rules that it tests; for programs, those that the models decide. */
  readonly also?: readonly string[];
  /**
   * Run the check. It must depend only on the results of its steps, since it is also replayed from the trace.
   * @param program the random program, for a check that runs programs.
   */
  readonly run: (script: S, program: unknown) => Promise<void>;
}

/** The data of a check of any kind of target, without its function. */
export type AnyCheck = Omit<Check<Script<never>>, 'run'>;

/** The rule that a check tests first, which is in its id. */
export function ruleOf({ id }: Pick<AnyCheck, 'id'>): string {
  return id.slice(0, id.indexOf('/'));
}

/** All rules that a check tests. */
export function rulesOf(check: Pick<AnyCheck, 'id' | 'also'>): string[] {
  return [ruleOf(check), ...(check.also ?? [])];
}
