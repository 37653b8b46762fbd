/** The data of a report: what its page, its summary and its files show. */
import { Type, type Static } from 'typebox';
import { compare, type Baseline } from './baseline.ts';
import { causesOf } from './causes.ts';
import { exchange, Step } from './exchange.ts';
import type { Failure, Judged, Reason, RuleResult, Verdict } from '../judge/verdict.ts';
import { KILLS } from './kills.gen.ts';
import { difference, namer } from './names.ts';
import type { Presenter } from './presenter.ts';
import type { CaseTrace, Event, TargetFacts, Trace } from '../trace/records.ts';

/** How a run ends. @see the README's table of exit codes */
export const EXIT = {
  conformant: 0,
  partial: 0,
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
  difference: Type.String({ description: 'One sentence about what was observed, with short names.' }),
  repeated: Type.Union([Type.Boolean(), Type.Null()]),
  exchange: Type.Array(Step),
  program: Type.Optional(Type.Unknown()),
  repro: Type.Union([Type.String(), Type.Null()]),
});

const ReasonCode = Type.Union([
  Type.Literal('other-actor'),
  Type.Literal('lab'),
  Type.Literal('cert'),
  Type.Literal('profile'),
  Type.Literal('level'),
  Type.Literal('late-once'),
  Type.Literal('gave-up'),
  Type.Literal('unfinished'),
  Type.Literal('untested'),
]);

/** `report.json`. */
export const Report = Type.Object({
  subject: Type.String({ description: 'What kind of target it is: `relay`.' }),
  suite: Type.String(),
  spec: Type.String(),
  started_at: Type.String(),
  seed: Type.Integer(),
  cert: Type.Boolean(),
  strict: Type.Boolean(),
  target: Type.Object({
    url: Type.String(),
    started: Type.Boolean({ description: 'It was started for the run, and has ended with it.' }),
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
    Type.Literal('partial', {
      description: 'None of the selected rules is broken, but others were not checked: no verdict.',
    }),
    Type.Literal('as-baseline', { description: 'Rules are broken, all of them known from the baseline.' }),
    Type.Literal('violation'),
    Type.Literal('stale-baseline', {
      description: 'A rule of the baseline passes: remove it from the baseline.',
    }),
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
      reason_code: Type.Optional(ReasonCode),
      known: Type.Optional(Type.String({ description: 'It fails, as the baseline says: why.' })),
      tested: Type.Integer(),
      held: Type.Integer(),
      mutants_killed: Type.Array(Type.String()),
    }),
  ),
  causes: Type.Array(
    Type.Object({
      rule: Type.String({ description: 'Of the failure to look at first.' }),
      explains: Type.Array(Type.String(), { description: 'Rules whose failures show the same fault.' }),
    }),
    { description: 'The failures, grouped: each is in exactly one.' },
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

/** Why a rule neither passed nor failed, for people. */
function words(reason: Reason): string {
  switch (reason.code) {
    case 'other-actor':
      return `a rule for ${reason.actor}s`;
    case 'lab':
      return reason.why;
    case 'cert':
      return 'checked with --cert';
    case 'profile':
      return `the target does not serve the profile ${reason.profile}`;
    case 'level':
      return 'the target is at level compat';
    case 'late-once':
      return 'late once, and not again when repeated alone';
    case 'gave-up':
      return `the search for an order gave up in ${reason.case}`;
    case 'unfinished':
      return `${reason.check} did not run to its end`;
    case 'untested':
      return 'nothing that was driven put it to the test';
  }
}

export interface Made {
  readonly report: Report;
  /** The command that certifies such a target, and its option that names this one. */
  readonly command: { readonly verb: string; readonly option: string };
  /** File name → text, to be written beside the report. */
  readonly scripts: ReadonlyMap<string, string>;
}

/**
 * @param more.strict warnings count as failures, and a lab run is incomplete.
 * @param more.baseline failures that are known, and do not count.
 */
export function makeReport<Facts extends TargetFacts, E extends Event>(
  presenter: Presenter<Facts, E>,
  trace: Trace<Facts, E>,
  judged: Judged,
  more: { strict?: boolean; baseline?: Baseline | undefined } = {},
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
      const script = presenter.script(run, part, failure, result.rule.sentence);
      const repro = script === null ? null : `repro/${result.rule.id}.sh`;
      if (script !== null) scripts.set(`repro/${result.rule.id}.sh`, script);
      const smallest = trace.shrunk.find(
        ({ rule, check }) => rule === result.rule.id && check === failure.check,
      );
      const program = smallest?.program ?? part.start.program;
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
          difference: difference(failure.want, failure.got, namer()),
          repeated: failure.repeated,
          exchange: exchange(presenter.arrows(part.events), failure),
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
  const compared = compare(more.baseline, judged.results);
  const outcome = judged.results.some(({ rule, verdict }) => breaks(verdict) && !compared.known.has(rule.id))
    ? 'violation'
    : compared.stale.length > 0
      ? 'stale-baseline'
      : (counts['pass'] ?? 0) + compared.known.size === 0 || open || (strict && lab)
        ? 'incomplete'
        : compared.known.size > 0
          ? 'as-baseline'
          : run.only.length > 0
            ? 'partial'
            : 'conformant';
  const report: Report = {
    subject: run.subject,
    suite: run.suite,
    spec: run.spec,
    started_at: run.startedAt,
    seed: run.seed,
    cert: run.cert,
    strict,
    target: {
      url: presenter.where(target),
      started: target.started === true,
      implementation: target.implementation,
      level: target.level,
      declared: target.declared,
      profiles: [...target.profiles],
      lab,
      outside_ranges: [...target.outside],
      below_default: presenter.belowDefault(target),
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
      ...(reason === undefined ? {} : { reason: words(reason), reason_code: reason.code }),
      ...(compared.known.has(rule.id) ? { known: compared.known.get(rule.id) ?? '' } : {}),
      tested,
      held,
      mutants_killed: Object.keys(KILLS[rule.id] ?? {}),
    })),
    causes: causesOf(
      failures.map(({ rule, exchange: steps }) => {
        const result = judged.results.find((known) => known.rule.id === rule);
        return {
          rule,
          steps: steps.length,
          counts: result?.verdict === 'fail' && !compared.known.has(rule),
          failures: result?.failures ?? [],
        };
      }),
    ),
    failures,
    troubles: [...judged.troubles],
    baseline:
      more.baseline === undefined
        ? null
        : { known: [...compared.known.keys()], stale: compared.stale, not_tested: compared.notTested },
  };
  return { report, command: { verb: presenter.verb, option: presenter.option(target) }, scripts };
}
