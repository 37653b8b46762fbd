/** A kind of target, as the judge needs it: its rules, its checks and its models. */
import type { Requirement } from '@bot2bot/schemas';
import { rulesOf, type Check } from '../checks/check.ts';
import type { Outcome, Script } from '../script/script.ts';
import type { CaseTrace, Event, RunRecord, TargetFacts, Trace } from '../trace/records.ts';

/** Judges the whole trace of a case, whatever its check requires. Pure. */
export interface Model<Facts extends TargetFacts, E extends Event> {
  /** The rules that the model decides. */
  readonly rules: readonly string[];
  readonly judge: (run: RunRecord<Facts>, trace: CaseTrace<E>) => Outcome[];
}

/**
 * A kind of target: a relay, a client, an MCP server, a listener.
 * @typeParam Facts the facts about a target.
 * @typeParam E the events of a case in the trace.
 * @typeParam S the script of its checks.
 */
export interface Subject<Facts extends TargetFacts, E extends Event, S extends Script<Facts>> {
  /** Such as `relay`. */
  readonly name: string;
  /** The rules that its report lists, including those of other actors, which do not apply to it. */
  readonly rules: readonly Requirement[];
  readonly actor: Requirement['actor'];
  readonly checks: readonly Check<S>[];
  readonly models: readonly Model<Facts, E>[];
  /** Create the script that replays a case from its trace. */
  readonly replay: (run: RunRecord<Facts>, trace: CaseTrace<E>) => S;
  /** The longest time that the target took to answer a step that does not park, in ms. */
  readonly slowest: (run: RunRecord<Facts>, trace: CaseTrace<E>) => number;
}

/** Whether a saved trace comes from this kind of target. */
export function isTraceOf<Facts extends TargetFacts, E extends Event, S extends Script<Facts>>(
  subject: Subject<Facts, E, S>,
  trace: Trace,
): trace is Trace<Facts, E> {
  return trace.run.subject === subject.name;
}

/** The rules that a check or a model decides. */
export function coveredRules<Facts extends TargetFacts, E extends Event, S extends Script<Facts>>(
  subject: Subject<Facts, E, S>,
): ReadonlySet<string> {
  return new Set([
    ...subject.checks.flatMap((check) => rulesOf(check)),
    ...subject.models.flatMap(({ rules }) => rules),
  ]);
}
