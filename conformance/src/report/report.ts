/** What a run amounts to: the data of every form of the report. */
import { DEFAULT_LIMITS, DEFAULT_TIMINGS } from '@bot2bot/schemas';
import { Type, type Static } from 'typebox';
import { compare, type Baseline } from './baseline.ts';
import { exchange, Step } from './exchange.ts';
import type { Failure, RuleResult, Verdict } from '../judge/verdict.ts';
import { KILLS } from './kills.gen.ts';
import type { Program } from '../programs/program.ts';
import { reproScript } from './repro.ts';
import type { CaseTrace, Trace } from '../trace/records.ts';

/** How a run ends. @see the README's table of exit codes */
export const EXIT = {
  conformant: 0,
  'as-baseline': 0,
  violation: 1,
  'stale-baseline': 1,
  usage: 2,
  incomplete: 3,
  unreachable: 4,
  fault: 5,
} as const;

const VerdictSchema = Type.Union([
  Type.Literal('pass'),
  Type.Literal('fail'),
  Type.Literal('warn'),
  Type.Literal('not-applicable'),
  Type.Literal('not-observed'),
  Type.Literal('inconclusive'),
  Type.Literal('excluded'),
]);
export const VERDICTS: readonly Verdict[] = VerdictSchema.anyOf.map((literal) => literal.const);

const FailureReport = Type.Object({
  rule: Type.String(),
  check: Type.String(),
  case: Type.String(),
  required: Type.String(),
  observed: Type.String(),
  repeated: Type.Union([Type.Boolean(), Type.Null()]),
  exchange: Type.Array(Step),
  program: Type.Optional(Type.Unknown()),
  repro: Type.Union([Type.String(), Type.Null()]),
});

/** `report.json`. */
export const Report = Type.Object({
  suite: Type.String(),
  spec: Type.String(),
  started_at: Type.String(),
  seed: Type.Integer(),
  cert: Type.Boolean(),
  strict: Type.Boolean(),
  target: Type.Object({
    url: Type.String(),
    implementation: Type.Union([Type.Null(), Type.Object({ name: Type.String(), version: Type.String() })]),
    level: Type.String(),
    declared: Type.Boolean(),
    profiles: Type.Array(Type.String()),
    lab: Type.Boolean(),
    outside_ranges: Type.Array(Type.String()),
    below_default: Type.Array(Type.String()),
  }),
  outcome: Type.Union([
    Type.Literal('conformant'),
    Type.Literal('as-baseline', { description: 'Rules are broken, all of them known from the baseline.' }),
    Type.Literal('violation'),
    Type.Literal('stale-baseline', { description: 'A rule of the baseline passes: it is to be removed.' }),
    Type.Literal('incomplete'),
  ]),
  exit_code: Type.Integer(),
  counts: Type.Record(Type.String(), Type.Integer()),
  rules: Type.Array(
    Type.Object({
      id: Type.String(),
      level: Type.String(),
      word: Type.String(),
      sentence: Type.String(),
      verdict: VerdictSchema,
      reason: Type.Optional(Type.String()),
      known: Type.Optional(Type.String({ description: 'It fails, as the baseline says: why.' })),
      tested: Type.Integer(),
      held: Type.Integer(),
      mutants_killed: Type.Array(Type.String()),
    }),
  ),
  failures: Type.Array(FailureReport),
  troubles: Type.Array(Type.Object({ case: Type.String(), why: Type.String() })),
  baseline: Type.Union([
    Type.Null(),
    Type.Object({
      known: Type.Array(Type.String()),
      stale: Type.Array(Type.String()),
      not_tested: Type.Array(Type.String()),
    }),
  ]),
});
export type Report = Static<typeof Report>;

/** The clearest failure of each rule: repeated before intermittent, a check's own before the model's, short before long. */
function clearest(result: RuleResult, cases: ReadonlyMap<string, CaseTrace>): Failure | undefined {
  const cost = (failure: Failure) =>
    (failure.repeated === false ? 1e6 : 0) +
    (failure.check.startsWith(`${result.rule.id}/`) ? 0 : 1e5) +
    (cases.get(failure.case)?.events.length ?? 0);
  return [...result.failures].sort((a, b) => cost(a) - cost(b))[0];
}

export interface Made {
  readonly report: Report;
  /** File name → text, to be written beside the report. */
  readonly scripts: ReadonlyMap<string, string>;
}

/**
 * @param more.strict warnings, lab runs and whatever was not observed count as failures.
 * @param more.baseline failures that are known, and do not count.
 */
export function makeReport(
  trace: Trace,
  judged: { results: readonly RuleResult[]; troubles: readonly { case: string; why: string }[] },
  more: { shrunk?: ReadonlyMap<string, Program>; strict?: boolean; baseline?: Baseline | undefined } = {},
): Made {
  const { run } = trace;
  const { target } = run;
  const cases = new Map(trace.cases.map((part) => [part.start.case, part]));
  const scripts = new Map<string, string>();
  const failures = judged.results
    .filter(({ verdict }) => verdict === 'fail' || verdict === 'warn')
    .flatMap((result) => {
      const failure = clearest(result, cases);
      const part = failure === undefined ? undefined : cases.get(failure.case);
      if (failure === undefined || part === undefined) return [];
      const script = reproScript(run, part, failure, result.rule.sentence);
      const repro = script === null ? null : `repro/${result.rule.id}.sh`;
      if (script !== null) scripts.set(`repro/${result.rule.id}.sh`, script);
      const program = more.shrunk?.get(result.rule.id) ?? part.start.program;
      scripts.set(
        `cases/${result.rule.id}.json`,
        `${JSON.stringify({ check: failure.check, seed: run.seed, program: program ?? null }, null, 2)}\n`,
      );
      return [
        {
          rule: result.rule.id,
          check: failure.check,
          case: failure.case,
          required: failure.want,
          observed: failure.got,
          repeated: failure.repeated,
          exchange: exchange(part, failure),
          ...(program === undefined ? {} : { program }),
          repro,
        },
      ];
    });
  const counts: Record<string, number> = Object.fromEntries(VERDICTS.map((verdict) => [verdict, 0]));
  for (const { verdict } of judged.results) counts[verdict] = (counts[verdict] ?? 0) + 1;
  const lab = target.outside.length > 0;
  const open =
    judged.troubles.length > 0 ||
    judged.results.some(({ verdict }) => verdict === 'inconclusive' || verdict === 'not-observed');
  const strict = more.strict === true;
  const breaks = (verdict: Verdict) => verdict === 'fail' || (strict && verdict === 'warn');
  const compared = compare(more.baseline, judged.results, trace);
  const outcome = judged.results.some(({ rule, verdict }) => breaks(verdict) && !compared.known.has(rule.id))
    ? 'violation'
    : compared.stale.length > 0
      ? 'stale-baseline'
      : (counts['pass'] ?? 0) + compared.known.size === 0 || open || (strict && lab)
        ? 'incomplete'
        : compared.known.size > 0
          ? 'as-baseline'
          : 'conformant';
  const report: Report = {
    suite: run.suite,
    spec: run.spec,
    started_at: run.startedAt,
    seed: run.seed,
    cert: run.cert,
    strict,
    target: {
      url: target.url,
      implementation: target.implementation,
      level: target.level,
      declared: target.declared,
      profiles: [...target.profiles],
      lab,
      outside_ranges: [...target.outside],
      below_default: belowDefault(target),
    },
    outcome,
    exit_code: EXIT[outcome],
    counts,
    rules: judged.results.map(({ rule, verdict, reason, tested, held }) => ({
      id: rule.id,
      level: rule.level,
      word: rule.word,
      sentence: rule.sentence,
      verdict,
      ...(reason === undefined ? {} : { reason }),
      ...(compared.known.has(rule.id) ? { known: compared.known.get(rule.id) ?? '' } : {}),
      tested,
      held,
      mutants_killed: [...(KILLS[rule.id] ?? [])],
    })),
    failures,
    troubles: [...judged.troubles],
    baseline:
      more.baseline === undefined
        ? null
        : { known: [...compared.known.keys()], stale: compared.stale, not_tested: compared.notTested },
  };
  return { report, scripts };
}

function belowDefault(target: Trace['run']['target']): string[] {
  const below = (values: Readonly<Record<string, number>>, defaults: Readonly<Record<string, number>>) =>
    Object.entries(values).flatMap(([name, value]) =>
      value < (defaults[name] ?? value) ? [`${name} = ${value}`] : [],
    );
  return target.declared
    ? [...below(target.limits, DEFAULT_LIMITS), ...below(target.timings, DEFAULT_TIMINGS)]
    : [];
}
