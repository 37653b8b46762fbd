/** What a kind of target is to the judge: its checks, the rules that bind it, and what else decides on them. */
import type { Requirement } from '@bot2bot/schemas';
import { rulesOf, type Check } from '../checks/check.ts';
import type { Outcome, Script } from '../script/script.ts';
import type { CaseTrace, Event, RunRecord, TargetFacts, Trace } from '../trace/records.ts';

/** Decides on everything that a case did and saw, whatever its check asked. Pure. */
export interface Model<Facts extends TargetFacts, E extends Event> {
  /** The rules on which it decides. */
  readonly rules: readonly string[];
  readonly judge: (run: RunRecord<Facts>, trace: CaseTrace<E>) => Outcome[];
}

/**
 * A kind of target: a relay, a client, an MCP server, a listener.
 * @typeParam Facts what is known of a target.
 * @typeParam E what a case leaves in the trace.
 * @typeParam S what its checks are written with.
 */
export interface Subject<Facts extends TargetFacts, E extends Event, S extends Script<Facts>> {
  /** `relay`. */
  readonly name: string;
  /** The rules of the specification that its report lists; those of another actor do not bind it. */
  readonly rules: readonly Requirement[];
  readonly actor: Requirement['actor'];
  readonly checks: readonly Check<S>[];
  readonly models: readonly Model<Facts, E>[];
  /** The script that takes a case's steps again from its trace. */
  readonly replay: (run: RunRecord<Facts>, trace: CaseTrace<E>) => S;
  /** The longest that the target kept a step waiting which it should have answered at once, in ms. */
  readonly slowest: (trace: CaseTrace<E>) => number;
}

/** Whether a saved trace is of this kind of target. */
export function isTraceOf<Facts extends TargetFacts, E extends Event, S extends Script<Facts>>(
  subject: Subject<Facts, E, S>,
  trace: Trace,
): trace is Trace<Facts, E> {
  return trace.run.subject === subject.name;
}

/** The rules that something can decide. */
export function coveredRules<Facts extends TargetFacts, E extends Event, S extends Script<Facts>>(
  subject: Subject<Facts, E, S>,
): ReadonlySet<string> {
  return new Set([
    ...subject.checks.flatMap((check) => rulesOf(check)),
    ...subject.models.flatMap(({ rules }) => rules),
  ]);
}
