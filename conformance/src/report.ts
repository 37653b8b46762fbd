/** What a run amounts to: the report's data, its terminal form, its files. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { DEFAULT_LIMITS, DEFAULT_TIMINGS } from '@bot2bot/schemas';
import { Type, type Static } from 'typebox';
import type { Failure, RuleResult, Verdict } from './judge.ts';
import { KILLS } from './kills.gen.ts';
import type { Program } from './programs.ts';
import { reproScript } from './repro.ts';
import type { CaseTrace, Trace } from './trace.ts';

/** How a run ends. @see the README's table of exit codes */
export const EXIT = {
  conformant: 0,
  violation: 1,
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
const VERDICTS: readonly Verdict[] = VerdictSchema.anyOf.map((literal) => literal.const);

const FailureReport = Type.Object({
  rule: Type.String(),
  check: Type.String(),
  case: Type.String(),
  required: Type.String(),
  observed: Type.String(),
  repeated: Type.Union([Type.Boolean(), Type.Null()]),
  exchange: Type.Array(Type.String()),
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
  outcome: Type.Union([Type.Literal('conformant'), Type.Literal('violation'), Type.Literal('incomplete')]),
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
      tested: Type.Integer(),
      held: Type.Integer(),
      mutants_killed: Type.Array(Type.String()),
    }),
  ),
  failures: Type.Array(FailureReport),
  troubles: Type.Array(Type.Object({ case: Type.String(), why: Type.String() })),
});
export type Report = Static<typeof Report>;

const SHOWN_STEPS = 14;
const SHOWN_CHARS = 400;
const clip = (text: string, chars = SHOWN_CHARS) => (text.length > chars ? `${text.slice(0, chars)}…` : text);

/** The part of a case that leads up to its failure, a line for each thing that was sent or came. */
function exchange(trace: CaseTrace, failure: Failure): string[] {
  const isEvidence = (key: string) =>
    failure.evidence.some((wanted) => key === wanted || key.startsWith(`${wanted}#`));
  const last = trace.events.findLastIndex((event) => isEvidence(event.key));
  const lines = trace.events.slice(0, last + 1).flatMap((event): string[] => {
    const mark = isEvidence(event.key) ? '*' : ' ';
    switch (event.t) {
      case 'http':
        return [
          `${mark} → ${event.method} ${event.path}${event.reqBody === undefined ? '' : ` ${clip(event.reqBody, 200)}`}`,
          `${mark} ← ${event.status === 0 ? `no answer (${event.error ?? ''})` : `${event.status} ${clip(event.resBody)}`}  (${Math.round(event.t1 - event.t0)} ms)`,
        ];
      case 'open':
        return [`${mark} → ${event.kind.toUpperCase()} ${event.path}  ← ${event.status}`];
      case 'frame':
        return event.kind === 'comment'
          ? []
          : [`${mark} ⇠ ${event.id === undefined ? '' : `[${event.id}] `}${clip(event.data, 240)}`];
      case 'send':
        return [`${mark} ⇢ ${clip(event.data, 240)}`];
      case 'close':
        return [
          `${mark} ${event.by === 'relay' ? '⇠' : '⇢'} closed${event.code === undefined ? '' : ` (${event.code})`}`,
        ];
      default:
        return [];
    }
  });
  return lines.length > SHOWN_STEPS
    ? [`  … ${lines.length - SHOWN_STEPS} earlier lines are in trace.ndjson`, ...lines.slice(-SHOWN_STEPS)]
    : lines;
}

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

/** @param strict warnings, lab runs and whatever was not observed count as failures. */
export function makeReport(
  trace: Trace,
  judged: { results: readonly RuleResult[]; troubles: readonly { case: string; why: string }[] },
  more: { shrunk?: ReadonlyMap<string, Program>; strict?: boolean } = {},
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
  const passed = counts['pass'] ?? 0;
  const strictly = more.strict === true && lab;
  const outcome =
    (counts['fail'] ?? 0) > 0 || (more.strict === true && (counts['warn'] ?? 0) > 0)
      ? 'violation'
      : passed === 0 || open || strictly
        ? 'incomplete'
        : 'conformant';
  const report: Report = {
    suite: run.suite,
    spec: run.spec,
    started_at: run.startedAt,
    seed: run.seed,
    cert: run.cert,
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
      tested,
      held,
      mutants_killed: [...(KILLS[rule.id] ?? [])],
    })),
    failures,
    troubles: [...judged.troubles],
  };
  return { report, scripts };
}

/** Write `report.json`, the scripts and the cases into a folder that is made. */
export function writeReport(folder: string, { report, scripts }: Made): void {
  mkdirSync(join(folder, 'repro'), { recursive: true });
  mkdirSync(join(folder, 'cases'), { recursive: true });
  writeFileSync(join(folder, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
  for (const [name, text] of scripts)
    writeFileSync(join(folder, name), text, { mode: name.endsWith('.sh') ? 0o755 : 0o644 });
}

const COLOURS = {
  pass: 'green',
  fail: 'red',
  warn: 'yellow',
  inconclusive: 'yellow',
  'not-observed': 'yellow',
  'not-applicable': 'gray',
  excluded: 'gray',
} as const;

/** The summary for a terminal. @param colour false where NO_COLOR is set or nobody watches. */
export function summary(report: Report, colour: boolean): string {
  const paint = (style: Parameters<typeof styleText>[0], text: string) =>
    colour ? styleText(style, text, { validateStream: false }) : text;
  const lines: string[] = [];
  for (const failure of report.failures) {
    const rule = report.rules.find(({ id }) => id === failure.rule);
    lines.push(
      '',
      `${paint(rule?.verdict === 'warn' ? 'yellow' : 'red', `✗ ${failure.rule}`)} ${rule?.sentence ?? ''}`,
      `  required  ${failure.required}`,
      `  observed  ${clip(failure.observed)}`,
      ...failure.exchange.map((line) => paint('gray', `  ${line}`)),
      `  ${failure.repeated === true ? 'happened again when repeated' : failure.repeated === false ? 'intermittent: did not happen again' : 'not repeated'} · case ${failure.case}${failure.repro === null ? '' : ` · sh ${failure.repro}`}`,
    );
  }
  for (const { case: name, why } of report.troubles)
    lines.push('', `${paint('yellow', '! not finished')} ${name}: ${why}`);
  const { target, counts } = report;
  const relay = report.rules.filter(
    ({ verdict, reason }) => verdict !== 'excluded' || reason !== 'a rule for clients',
  );
  const byFamily = new Map<string, Map<Verdict, number>>();
  for (const { id, verdict } of relay) {
    const family = id.split('-')[0] ?? id;
    const row = byFamily.get(family) ?? new Map<Verdict, number>();
    row.set(verdict, (row.get(verdict) ?? 0) + 1);
    byFamily.set(family, row);
  }
  lines.push('');
  for (const [family, row] of byFamily) {
    const total = [...row.values()].reduce((a, b) => a + b, 0);
    const passed = row.get('pass') ?? 0;
    const bar = VERDICTS.flatMap((verdict) =>
      Array.from({ length: row.get(verdict) ?? 0 }, () =>
        paint(COLOURS[verdict], verdict === 'pass' ? '■' : verdict === 'fail' ? '✗' : '·'),
      ),
    ).join('');
    const rest = VERDICTS.filter((verdict) => verdict !== 'pass' && row.has(verdict)).map(
      (verdict) => `${row.get(verdict)} ${verdict}`,
    );
    lines.push(
      `  ${family.padEnd(7)} ${bar}  ${passed} of ${total} pass${rest.length === 0 ? '' : `, ${rest.join(', ')}`}`,
    );
  }
  const pending = relay.filter(
    ({ verdict }) => verdict === 'excluded' || verdict === 'not-observed' || verdict === 'inconclusive',
  );
  if (pending.length > 0)
    lines.push(
      '',
      ...pending.map(({ id, verdict, reason }) => paint('gray', `  ${id} ${verdict}: ${reason ?? ''}`)),
    );
  const name =
    target.implementation === null
      ? 'an undeclared implementation'
      : `${target.implementation.name} ${target.implementation.version}`;
  const what = `${name} at level ${target.level}, specification ${report.spec}`;
  lines.push('', `${counts['pass'] ?? 0} of ${relay.length} rules pass · seed ${report.seed}`);
  if (target.below_default.length > 0)
    lines.push(`Declared below the default: ${target.below_default.join(', ')}`);
  if (target.lab)
    lines.push(
      paint(
        'yellow',
        `LAB, not a certificate: declared outside the ranges are ${clip(target.outside_ranges.join(', '), 200)}`,
      ),
    );
  const verdict = {
    conformant: paint('green', target.lab ? 'CONFORMANT IN LAB' : 'CONFORMANT'),
    violation: paint('red', 'NOT CONFORMANT'),
    incomplete: paint('yellow', 'INCOMPLETE: no verdict'),
  }[report.outcome];
  lines.push(`${verdict}  ${what}`);
  return lines.join('\n');
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
