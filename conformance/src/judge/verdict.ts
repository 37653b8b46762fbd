/** From trace to verdicts. Pure: live runs, saved traces, mutants and bug reports are judged alike. */
import { REQUIREMENTS, type OperationId, type Requirement } from '@bot2bot/schemas';
import { asked, ruleOf, type Check } from '../checks/check.ts';
import { CHECKS } from '../checks/index.ts';
import { CLAIM_ANSWER_RULES } from './claims/answers.ts';
import { CLAIM_MODEL_RULES } from './claims/model.ts';
import { judgeClaims } from './claims/promises.ts';
import { judgeRooms, MODEL_RULES } from './room/model.ts';
import { operationOf, Oracle, ORACLE_RULES } from './schema.ts';
import { PROGRAM_CHECK, runProgram, type Program } from '../programs/program.ts';
import { Script, type Outcome } from '../script/script.ts';
import { Interrupted, TapeSteps } from '../drive/live-steps.ts';
import type { CaseTrace, RunRecord, TargetFacts, Trace } from '../trace/records.ts';

export type Verdict =
  'pass' | 'fail' | 'warn' | 'not-applicable' | 'not-observed' | 'inconclusive' | 'excluded';

/** A requirement that did not hold. */
export interface Failure extends Outcome {
  readonly case: string;
  readonly check: string;
  /** Whether it happened again when the case was repeated (lateness: each time); null when it was not repeated. */
  readonly repeated: boolean | null;
  readonly disturbed: boolean;
}

export interface RuleResult {
  readonly rule: Requirement;
  readonly verdict: Verdict;
  /** Why it is neither pass nor fail. */
  readonly reason?: string;
  /** How often it was put to the test, and how often it held. */
  readonly tested: number;
  readonly held: number;
  readonly failures: readonly Failure[];
}

export interface CaseResult {
  readonly outcomes: readonly Outcome[];
  /** The machine or the target stood still for so long that what the check required may have come too late. */
  readonly disturbed: boolean;
  /** Empty when the case ran to its end. */
  readonly trouble: string;
}

/** Whether a rule binds a target, by its level and the profiles that it serves. */
export function binds({ level, profile }: Requirement, target: TargetFacts): boolean {
  return (level === 'compat' || target.level === 'hardened') && target.profiles.includes(profile);
}

/** Find the check that a case drove. */
export function checkOf(trace: CaseTrace): Pick<Check, 'id' | 'run'> | undefined {
  if (trace.start.check === PROGRAM_CHECK.id) {
    return { id: PROGRAM_CHECK.id, run: (script) => runProgram(script, trace.start.program as Program) };
  }
  return CHECKS.find((check) => check.id === trace.start.check);
}

/** A pause beyond which a check's steps no longer follow each other as it was written, in ms. */
const STALL_MS = 250;

/** Operations that are answered late on purpose. */
const PARKING: ReadonlySet<OperationId | null> = new Set<OperationId>([
  'waitForMessages',
  'claimMessage',
  'waitForDms',
]);

function isDisturbed({ end, events }: CaseTrace): boolean {
  return (
    (end?.lag ?? 0) > STALL_MS ||
    events.some(
      (event) =>
        event.t === 'http' &&
        event.flood !== true &&
        event.t1 - event.t0 > STALL_MS &&
        !PARKING.has(operationOf(event.method, event.path)),
    )
  );
}

/**
 * What the rules say of one case: the check's own requirements, the model's and the oracle's. The model reckons with
 * intervals and the oracle with single answers; only a check presumes that its steps were on time, so what it misses in
 * a case that was disturbed must happen again.
 */
export async function judgeCase(run: RunRecord, trace: CaseTrace): Promise<CaseResult> {
  const check = checkOf(trace);
  if (check === undefined)
    return { outcomes: [], disturbed: false, trouble: `this suite has no check ${trace.start.check}` };
  const script = new Script({ steps: new TapeSteps(trace), run, case: trace.start.case });
  let trouble = '';
  try {
    await check.run(script);
  } catch (error) {
    trouble =
      error instanceof Interrupted
        ? error.message
        : `fault: ${error instanceof Error ? error.message : String(error)}`;
  }
  if (trace.end?.outcome === 'fault') trouble = `fault: ${trace.end.error ?? 'unknown'}`;
  const oracle = new Oracle(run);
  oracle.watch(trace);
  const rules = new Map(REQUIREMENTS.map((rule) => [rule.id, rule]));
  const disturbed = isDisturbed(trace);
  const scripted = script.outcomes.map((o): Outcome => (disturbed && !o.ok ? { ...o, late: true } : o));
  const modelled = [...judgeRooms(run, trace), ...judgeClaims(run, trace)];
  const outcomes = [...scripted, ...oracle.outcomes, ...modelled].filter((outcome) => {
    const rule = rules.get(outcome.rule);
    if (rule === undefined)
      throw new RangeError(`${trace.start.check} names a rule that does not exist: ${outcome.rule}`);
    return binds(rule, run.target);
  });
  return { outcomes, disturbed, trouble };
}

/** Judge a whole trace. @param checks those that were to run; others explain what was not observed. */
export async function judge(
  trace: Trace,
): Promise<{ results: RuleResult[]; troubles: { case: string; why: string }[] }> {
  const { run } = trace;
  const unfinished = new Map<string, { check: string; why: string }>();
  const byRule = new Map<string, { held: number; failures: Map<string, Failure> }>();
  const driven = new Set<string>();
  /** Of each case that was repeated: how often, and which rules failed how often. */
  const again = new Map<string, { runs: number; failed: Map<string, number> }>();
  for (const part of trace.cases) {
    const { outcomes, disturbed, trouble } = await judgeCase(run, part);
    const { case: name, check, attempt } = part.start;
    driven.add(check);
    const origin = attempt > 0 ? name.slice(0, name.lastIndexOf('~')) : name;
    if (trouble === '') unfinished.delete(origin);
    else if (attempt === 0) unfinished.set(name, { check, why: trouble });
    if (attempt > 0) {
      const { runs, failed } = again.get(origin) ?? { runs: 0, failed: new Map<string, number>() };
      for (const rule of new Set(outcomes.filter(({ ok }) => !ok).map((outcome) => outcome.rule)))
        failed.set(rule, (failed.get(rule) ?? 0) + 1);
      again.set(origin, { runs: runs + 1, failed });
    }
    for (const outcome of outcomes) {
      if (attempt > 0 && !outcome.ok) continue;
      if (trouble !== '' && outcome.ok) continue;
      const entry = byRule.get(outcome.rule) ?? { held: 0, failures: new Map<string, Failure>() };
      byRule.set(outcome.rule, entry);
      if (outcome.ok) entry.held++;
      else
        entry.failures.set(`${name} ${outcome.want} ${outcome.evidence.join()}`, {
          ...outcome,
          case: name,
          check,
          disturbed,
          repeated: null,
        });
    }
  }
  const troubled = new Set([...unfinished.values()].map(({ check }) => check));
  const inScope = REQUIREMENTS.filter(
    (rule) => asked(rule.id, run.only) || (byRule.get(rule.id)?.failures.size ?? 0) > 0,
  );
  const results = inScope.map((rule): RuleResult => {
    const seen = byRule.get(rule.id) ?? { held: 0, failures: new Map<string, Failure>() };
    const failures = [...seen.failures.values()].flatMap((failure): Failure[] => {
      const repeats = again.get(failure.case);
      if (repeats === undefined) return [failure];
      const times = repeats.failed.get(rule.id) ?? 0;
      const repeated = failure.late === true ? times === repeats.runs : times > 0;
      return failure.late === true && failure.disturbed && !repeated ? [] : [{ ...failure, repeated }];
    });
    const checks = CHECKS.filter((check) => ruleOf(check) === rule.id);
    const tested = seen.held + failures.length;
    const firm = failures.filter((failure) => failure.late !== true || failure.repeated === true);
    const base = { rule, tested, held: seen.held, failures };
    if (rule.actor === 'client') return { ...base, verdict: 'excluded', reason: 'a rule for clients' };
    if (!run.target.profiles.includes(rule.profile)) {
      const reason = `the target does not serve the profile ${rule.profile}`;
      return { ...base, verdict: 'not-applicable', reason };
    }
    if (rule.level === 'hardened' && run.target.level !== 'hardened') {
      return { ...base, verdict: 'not-applicable', reason: 'the target is at level compat' };
    }
    if (firm.length > 0) return { ...base, failures: firm, verdict: rule.word === 'MUST' ? 'fail' : 'warn' };
    if (failures.length > 0)
      return { ...base, verdict: 'inconclusive', reason: 'late once, and not again when repeated alone' };
    const open = checks.find((check) => troubled.has(check.id));
    if (open !== undefined)
      return { ...base, verdict: 'not-observed', reason: `${open.id} did not run to its end` };
    if (seen.held > 0) return { ...base, verdict: 'pass' };
    const skipped = checks.find((check) => !driven.has(check.id));
    if (skipped?.lab !== undefined) return { ...base, verdict: 'excluded', reason: skipped.lab };
    if (skipped !== undefined && (skipped.cert === true || skipped.lane === 'solo'))
      return { ...base, verdict: 'excluded', reason: 'checked with --cert' };
    return { ...base, verdict: 'not-observed', reason: 'nothing that was driven put it to the test' };
  });
  return { results, troubles: [...unfinished].map(([name, { why }]) => ({ case: name, why })) };
}

/** The rules that something in this suite can decide. */
export function coveredRules(): ReadonlySet<string> {
  return new Set([
    ...CHECKS.flatMap((check) => [ruleOf(check), ...(check.also ?? [])]),
    ...MODEL_RULES,
    ...CLAIM_MODEL_RULES,
    ...CLAIM_ANSWER_RULES,
    ...ORACLE_RULES,
  ]);
}
