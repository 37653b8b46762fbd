/** Judges one case. */
import type { Outcome, Script } from '../script/script.ts';
import { Interrupted } from '../script/steps.ts';
import { binds } from '../checks/scope.ts';
import type { CaseTrace, Event, RunRecord, TargetFacts } from '../trace/records.ts';
import type { Subject } from './subject.ts';

export interface CaseResult {
  readonly outcomes: readonly Outcome[];
  /** Requirements for which it could not be decided whether they held. */
  readonly undecided: readonly Outcome[];
  /** The suite or the target stalled for so long that an answer which the check missed may only have been late. */
  readonly disturbed: boolean;
  /** The suite stalled for so long that lateness in this case says nothing about the target. */
  readonly stalled: boolean;
  /** Why the case did not run to its end; empty if it did. */
  readonly trouble: string;
}

/** A longer stall invalidates the assumption of checks that their steps follow each other quickly; in ms. */
const STALL_MS = 250;
/** After a stall of the suite this long, in ms, what is recorded as late may have been on time: every bound is at least twice this. */
const BLIND_MS = 1_000;

/**
 * Evaluate the requirements of the check and of the models. Models use the recorded times of requests and answers. Only a
 * check assumes that its steps were on time: therefore its failures in a disturbed case count only if they repeat.
 */
export async function judgeCase<Facts extends TargetFacts, E extends Event, S extends Script<Facts>>(
  subject: Subject<Facts, E, S>,
  run: RunRecord<Facts>,
  trace: CaseTrace<E>,
): Promise<CaseResult> {
  const check = subject.checks.find(({ id }) => id === trace.start.check);
  if (check === undefined)
    return {
      outcomes: [],
      undecided: [],
      disturbed: false,
      stalled: false,
      trouble: `this suite has no check ${trace.start.check}`,
    };
  const script = subject.replay(run, trace);
  let trouble = '';
  try {
    await check.run(script, trace.start.program);
  } catch (error) {
    trouble =
      error instanceof Interrupted
        ? error.message
        : `fault: ${error instanceof Error ? error.message : String(error)}`;
  }
  if (trace.end?.outcome === 'interrupted') trouble = trace.end.error ?? 'interrupted';
  if (trace.end?.outcome === 'fault') trouble = `fault: ${trace.end.error ?? 'unknown'}`;
  const lag = trace.end?.lag ?? 0;
  const disturbed = Math.max(lag, subject.slowest(run, trace)) > STALL_MS;
  const scripted = script.outcomes.map((o): Outcome => (disturbed && !o.ok ? { ...o, late: true } : o));
  const modelled = subject.models.flatMap((model) => model.judge(run, trace));
  const rules = new Map(subject.rules.map((rule) => [rule.id, rule]));
  const outcomes = [...scripted, ...modelled].filter((outcome) => {
    const rule = rules.get(outcome.rule);
    if (rule === undefined)
      throw new RangeError(`${check.id} names a rule that does not exist: ${outcome.rule}`);
    return binds(rule, run.target);
  });
  return {
    outcomes: outcomes.filter((outcome) => outcome.undecided !== true),
    undecided: outcomes.filter((outcome) => outcome.undecided === true),
    disturbed,
    stalled: lag > BLIND_MS,
    trouble,
  };
}
