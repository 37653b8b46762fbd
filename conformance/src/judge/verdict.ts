/** Turns a trace into verdicts. Pure: a live run, a saved trace and a bug report get the same verdicts. */
import type { Requirement } from '@bot2bot/schemas';
import { ruleOf, type AnyCheck } from '../checks/check.ts';
import { asked } from '../checks/scope.ts';
import type { Outcome, Script } from '../script/script.ts';
import type { Event, TargetFacts, Trace } from '../trace/records.ts';
import { judgeCase } from './case.ts';
import type { Subject } from './subject.ts';

export type Verdict =
  'pass' | 'fail' | 'warn' | 'not-applicable' | 'not-observed' | 'inconclusive' | 'excluded';

/** Why a rule has neither passed nor failed. */
export type Reason =
  /** Excluded: the rule is for another actor. */
  | { readonly code: 'other-actor'; readonly actor: Requirement['actor'] }
  /** Excluded: it can be tested only with short timings. */
  | { readonly code: 'lab'; readonly why: string }
  /** Excluded: its check takes minutes, or floods the target. */
  | { readonly code: 'cert' }
  /** Not applicable: the target does not serve the rule's profile. */
  | { readonly code: 'profile'; readonly profile: string }
  /** Not applicable: the target is at level compat. */
  | { readonly code: 'level' }
  /** Inconclusive: an answer was late, but not in the repetition. */
  | { readonly code: 'late-once' }
  /** Inconclusive: the linearizability search gave up in this case. */
  | { readonly code: 'gave-up'; readonly case: string }
  /** Not observed: a check of the rule did not run to its end. */
  | { readonly code: 'unfinished'; readonly check: string }
  /** Not observed: no case tested the rule. */
  | { readonly code: 'untested' };

/** A requirement that did not hold. */
export interface Failure extends Outcome {
  readonly case: string;
  readonly check: string;
  /** Whether it occurred again when the case was repeated (lateness: each time); null if no repetition could show that. */
  readonly repeated: boolean | null;
  readonly disturbed: boolean;
}

export interface RuleResult {
  readonly rule: Requirement;
  readonly verdict: Verdict;
  /** Why the verdict is neither pass nor fail. */
  readonly reason?: Reason;
  /** How often the rule was tested, and how often it held. */
  readonly tested: number;
  readonly held: number;
  readonly failures: readonly Failure[];
  /** Whether all of its checks were run, except those that only a lab run can execute. */
  readonly whole: boolean;
}

export interface Judged {
  readonly results: readonly RuleResult[];
  /** Cases that did not run to their end, and why. */
  readonly troubles: readonly { readonly case: string; readonly why: string }[];
}

/** The outcomes of all cases for one rule. */
interface Tally {
  held: number;
  readonly failures: Map<string, Failure>;
}

/** A repetition of a case. */
interface Repeat {
  /** Whether it ran to its end; otherwise it cannot show that a rule held. */
  readonly whole: boolean;
  /** Whether the suite stalled in it, so that lateness does not count. */
  readonly stalled: boolean;
  /** Rules that failed in it. */
  readonly failed: ReadonlySet<string>;
}

/** The outcomes of all cases together. */
interface Seen {
  readonly byRule: ReadonlyMap<string, Tally>;
  readonly repeats: ReadonlyMap<string, readonly Repeat[]>;
  /** Undecided rules, each with the last case that left it undecided. */
  readonly undecided: ReadonlyMap<string, string>;
  /** Checks that were run. */
  readonly driven: ReadonlySet<string>;
  /** Cases that did not run to their end. */
  readonly unfinished: ReadonlyMap<string, { readonly check: string; readonly why: string }>;
}

async function observe<Facts extends TargetFacts, E extends Event, S extends Script<Facts>>(
  subject: Subject<Facts, E, S>,
  { run, cases }: Trace<Facts, E>,
): Promise<Seen> {
  const unfinished = new Map<string, { check: string; why: string }>();
  const byRule = new Map<string, Tally>();
  const repeats = new Map<string, Repeat[]>();
  const undecided = new Map<string, string>();
  for (const part of cases) {
    const { outcomes, undecided: open, disturbed, stalled, trouble } = await judgeCase(subject, run, part);
    const { case: name, check, attempt } = part.start;
    for (const { rule } of open) undecided.set(rule, name);
    const origin = attempt > 0 ? name.slice(0, name.lastIndexOf('~')) : name;
    if (trouble === '') unfinished.delete(origin);
    else if (attempt === 0) unfinished.set(name, { check, why: trouble });
    if (attempt > 0) {
      const failed = new Set(outcomes.filter(({ ok }) => !ok).map((outcome) => outcome.rule));
      repeats.set(origin, [...(repeats.get(origin) ?? []), { whole: trouble === '', stalled, failed }]);
    }
    for (const outcome of outcomes) {
      if (attempt > 0 && !outcome.ok) continue;
      if (trouble !== '' && outcome.ok) continue;
      const tally = byRule.get(outcome.rule) ?? { held: 0, failures: new Map<string, Failure>() };
      byRule.set(outcome.rule, tally);
      if (outcome.ok) tally.held++;
      else
        tally.failures.set(`${name} ${outcome.want} ${outcome.evidence.join()}`, {
          ...outcome,
          case: name,
          check,
          disturbed,
          repeated: null,
        });
    }
  }
  return { byRule, repeats, undecided, driven: new Set(cases.map(({ start }) => start.check)), unfinished };
}

/** The failures of a rule that count, with the results of their repetitions. */
function standing(rule: Requirement, failures: Iterable<Failure>, { repeats }: Seen): Failure[] {
  return [...failures].flatMap((failure): Failure[] => {
    const again = (repeats.get(failure.case) ?? []).filter(({ whole, stalled, failed }) =>
      failed.has(rule.id) ? failure.late !== true || !stalled : whole,
    );
    if (again.length === 0) return [failure];
    const fails = ({ failed }: Repeat) => failed.has(rule.id);
    const repeated = failure.late === true ? again.every(fails) : again.some(fails);
    return failure.late === true && failure.disturbed && !repeated ? [] : [{ ...failure, repeated }];
  });
}

/** Why a rule was not observed. */
function unseen(
  checks: readonly AnyCheck[],
  driven: ReadonlySet<string>,
): Pick<RuleResult, 'verdict' | 'reason'> {
  const skipped = checks.find((check) => !driven.has(check.id));
  if (skipped?.lab !== undefined) return { verdict: 'excluded', reason: { code: 'lab', why: skipped.lab } };
  if (skipped !== undefined && (skipped.cert === true || skipped.lane === 'solo'))
    return { verdict: 'excluded', reason: { code: 'cert' } };
  return { verdict: 'not-observed', reason: { code: 'untested' } };
}

/** Judge a whole trace. */
export async function judge<Facts extends TargetFacts, E extends Event, S extends Script<Facts>>(
  subject: Subject<Facts, E, S>,
  trace: Trace<Facts, E>,
): Promise<Judged> {
  const { target, only } = trace.run;
  const seen = await observe(subject, trace);
  const troubled = new Set([...seen.unfinished.values()].map(({ check }) => check));
  const failed = (id: string) => (seen.byRule.get(id)?.failures.size ?? 0) > 0;
  const results = subject.rules
    .filter(({ id }) => asked(id, only) || failed(id))
    .map((rule): RuleResult => {
      const { held, failures: raw } = seen.byRule.get(rule.id) ?? { held: 0, failures: new Map() };
      const failures = standing(rule, raw.values(), seen);
      const checks = subject.checks.filter((check) => ruleOf(check) === rule.id);
      const firm = failures.filter((failure) => failure.late !== true || failure.repeated === true);
      const whole = checks.every(
        (check) => seen.driven.has(check.id) || (check.lab !== undefined && target.outside.length === 0),
      );
      const base = { rule, tested: held + failures.length, held, failures, whole };
      const { actor, profile } = rule;
      if (actor !== subject.actor)
        return { ...base, verdict: 'excluded', reason: { code: 'other-actor', actor } };
      if (!target.profiles.includes(profile))
        return { ...base, verdict: 'not-applicable', reason: { code: 'profile', profile } };
      if (rule.level === 'hardened' && target.level !== 'hardened')
        return { ...base, verdict: 'not-applicable', reason: { code: 'level' } };
      if (firm.length > 0)
        return { ...base, failures: firm, verdict: rule.word === 'MUST' ? 'fail' : 'warn' };
      if (failures.length > 0) return { ...base, verdict: 'inconclusive', reason: { code: 'late-once' } };
      const gaveUp = seen.undecided.get(rule.id);
      if (gaveUp !== undefined)
        return { ...base, verdict: 'inconclusive', reason: { code: 'gave-up', case: gaveUp } };
      const open = checks.find((check) => troubled.has(check.id));
      if (open !== undefined)
        return { ...base, verdict: 'not-observed', reason: { code: 'unfinished', check: open.id } };
      return held > 0 ? { ...base, verdict: 'pass' } : { ...base, ...unseen(checks, seen.driven) };
    });
  return { results, troubles: [...seen.unfinished].map(([name, { why }]) => ({ case: name, why })) };
}
