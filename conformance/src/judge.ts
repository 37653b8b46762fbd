/** From trace to verdicts. Pure: live runs, saved traces, mutants and bug reports are judged alike. */
import { REQUIREMENTS, type Requirement } from '@bot2bot/schemas';
import { asked, ruleOf, type Check } from './check.ts';
import { CHECKS } from './checks.ts';
import { judgeRooms, MODEL_RULES } from './model.ts';
import { Oracle, ORACLE_RULES } from './oracle.ts';
import { PROGRAM_CHECK, runProgram, type Program } from './programs.ts';
import { Script, type Outcome } from './script.ts';
import { Interrupted, TapeSteps } from './steps.ts';
import type { CaseTrace, RunRecord, Trace } from './trace.ts';

export type Verdict =
  'pass' | 'fail' | 'warn' | 'not-applicable' | 'not-observed' | 'inconclusive' | 'excluded';

/** A requirement that did not hold. */
export interface Failure extends Outcome {
  readonly case: string;
  readonly check: string;
  /** Whether it happened again when the case was repeated; null when it was not repeated. */
  readonly repeated: boolean | null;
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
  /** Empty when the case ran to its end. */
  readonly trouble: string;
}

/** Find the check that a case drove. */
function checkOf(trace: CaseTrace): Pick<Check, 'id' | 'run'> | undefined {
  if (trace.start.check === PROGRAM_CHECK.id) {
    return { id: PROGRAM_CHECK.id, run: (script) => runProgram(script, trace.start.program as Program) };
  }
  return CHECKS.find((check) => check.id === trace.start.check);
}

/** What the rules say of one case: the check's own requirements, the model's and the oracle's. */
export async function judgeCase(run: RunRecord, trace: CaseTrace): Promise<CaseResult> {
  const check = checkOf(trace);
  if (check === undefined) return { outcomes: [], trouble: `this suite has no check ${trace.start.check}` };
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
  const outcomes = [...script.outcomes, ...oracle.outcomes, ...judgeRooms(run, trace)].filter((outcome) => {
    const rule = rules.get(outcome.rule);
    if (rule === undefined)
      throw new RangeError(`${trace.start.check} names a rule that does not exist: ${outcome.rule}`);
    return rule.level === 'compat' || run.target.level === 'hardened';
  });
  return { outcomes, trouble };
}

/** Judge a whole trace. @param checks those that were to run; others explain what was not observed. */
export async function judge(
  trace: Trace,
): Promise<{ results: RuleResult[]; troubles: { case: string; why: string }[] }> {
  const { run } = trace;
  const troubles: { case: string; why: string }[] = [];
  const byRule = new Map<string, { held: number; failures: Map<string, Failure> }>();
  const troubled = new Set<string>();
  const driven = new Set<string>();
  const again = new Map<string, Set<string>>();
  for (const part of trace.cases) {
    const { outcomes, trouble } = await judgeCase(run, part);
    const { case: name, check, attempt } = part.start;
    driven.add(check);
    if (trouble !== '') {
      troubles.push({ case: name, why: trouble });
      troubled.add(check);
    }
    for (const outcome of outcomes) {
      if (attempt > 0) {
        const origin = name.slice(0, name.lastIndexOf('~'));
        const failed = again.get(origin) ?? new Set();
        if (!outcome.ok) failed.add(outcome.rule);
        again.set(origin, failed);
        continue;
      }
      if (trouble !== '' && outcome.ok) continue;
      const entry = byRule.get(outcome.rule) ?? { held: 0, failures: new Map<string, Failure>() };
      byRule.set(outcome.rule, entry);
      if (outcome.ok) entry.held++;
      else
        entry.failures.set(`${name} ${outcome.want} ${outcome.evidence.join()}`, {
          ...outcome,
          case: name,
          check,
          repeated: null,
        });
    }
  }
  const inScope = REQUIREMENTS.filter(
    (rule) => asked(rule.id, run.only) || (byRule.get(rule.id)?.failures.size ?? 0) > 0,
  );
  const results = inScope.map((rule): RuleResult => {
    const seen = byRule.get(rule.id) ?? { held: 0, failures: new Map<string, Failure>() };
    const failures = [...seen.failures.values()].map((failure) => ({
      ...failure,
      repeated: again.get(failure.case)?.has(rule.id) ?? null,
    }));
    const checks = CHECKS.filter((check) => ruleOf(check) === rule.id);
    const tested = seen.held + failures.length;
    const firm = failures.filter((failure) => failure.late !== true || failure.repeated === true);
    const base = { rule, tested, held: seen.held, failures };
    if (rule.actor === 'client') return { ...base, verdict: 'excluded', reason: 'a rule for clients' };
    if (rule.level === 'hardened' && run.target.level !== 'hardened') {
      return { ...base, verdict: 'not-applicable', reason: 'the target is at level compat' };
    }
    if (firm.length > 0) return { ...base, failures: firm, verdict: rule.word === 'MUST' ? 'fail' : 'warn' };
    if (failures.length > 0)
      return { ...base, verdict: 'inconclusive', reason: 'late once, and not again when repeated alone' };
    const unfinished = checks.find((check) => troubled.has(check.id));
    if (unfinished !== undefined)
      return { ...base, verdict: 'not-observed', reason: `${unfinished.id} did not run to its end` };
    if (seen.held > 0) return { ...base, verdict: 'pass' };
    const skipped = checks.find((check) => !driven.has(check.id));
    if (skipped?.lab !== undefined) return { ...base, verdict: 'excluded', reason: skipped.lab };
    if (skipped !== undefined && (skipped.cert === true || skipped.lane === 'solo'))
      return { ...base, verdict: 'excluded', reason: 'checked with --cert' };
    return { ...base, verdict: 'not-observed', reason: 'nothing that was driven put it to the test' };
  });
  return { results, troubles };
}

/** The rules that something in this suite can decide. */
export function coveredRules(): ReadonlySet<string> {
  return new Set([
    ...CHECKS.flatMap((check) => [ruleOf(check), ...(check.also ?? [])]),
    ...MODEL_RULES,
    ...ORACLE_RULES,
  ]);
}
