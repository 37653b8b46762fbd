/** What the rules say of one case. */
import type { Outcome, Script } from '../script/script.ts';
import { Interrupted } from '../script/steps.ts';
import { binds } from '../checks/scope.ts';
import type { CaseTrace, Event, RunRecord, TargetFacts } from '../trace/records.ts';
import type { Subject } from './subject.ts';

export interface CaseResult {
  readonly outcomes: readonly Outcome[];
  /** The machine or the target stood still for so long that what the check required may have come too late. */
  readonly disturbed: boolean;
  /** Empty when the case ran to its end. */
  readonly trouble: string;
}

/** A pause beyond which a check's steps no longer follow each other as it was written, in ms. */
const STALL_MS = 250;

/**
 * The check's own requirements, and those of the models. The models reckon with intervals and single answers; only a
 * check presumes that its steps were on time, so what it misses in a case that was disturbed must happen again.
 */
export async function judgeCase<Facts extends TargetFacts, E extends Event, S extends Script<Facts>>(
  subject: Subject<Facts, E, S>,
  run: RunRecord<Facts>,
  trace: CaseTrace<E>,
): Promise<CaseResult> {
  const check = subject.checks.find(({ id }) => id === trace.start.check);
  if (check === undefined)
    return { outcomes: [], disturbed: false, trouble: `this suite has no check ${trace.start.check}` };
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
  if (trace.end?.outcome === 'fault') trouble = `fault: ${trace.end.error ?? 'unknown'}`;
  const disturbed = Math.max(trace.end?.lag ?? 0, subject.slowest(trace)) > STALL_MS;
  const scripted = script.outcomes.map((o): Outcome => (disturbed && !o.ok ? { ...o, late: true } : o));
  const modelled = subject.models.flatMap((model) => model.judge(run, trace));
  const rules = new Map(subject.rules.map((rule) => [rule.id, rule]));
  const outcomes = [...scripted, ...modelled].filter((outcome) => {
    const rule = rules.get(outcome.rule);
    if (rule === undefined)
      throw new RangeError(`${check.id} names a rule that does not exist: ${outcome.rule}`);
    return binds(rule, run.target);
  });
  return { outcomes, disturbed, trouble };
}
