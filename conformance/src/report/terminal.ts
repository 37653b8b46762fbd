/** The report for a terminal. */
import { styleText } from 'node:util';
import { clip, exchangeLines, type Step } from './exchange.ts';
import { difference, namerOf } from './names.ts';
import type { Report } from './report.ts';
import {
  families,
  implementation,
  markOf,
  others,
  bindingRules,
  repetition,
  tally,
  verdictWords,
  type Mark,
} from './tally.ts';

const COLOURS: Readonly<Record<Mark, 'green' | 'red' | 'yellow' | 'gray'>> = {
  pass: 'green',
  fail: 'red',
  known: 'yellow',
  warn: 'yellow',
  inconclusive: 'yellow',
  'not-observed': 'yellow',
  'not-applicable': 'gray',
  excluded: 'gray',
};

const OUTCOMES = {
  conformant: 'green',
  partial: 'green',
  'as-baseline': 'yellow',
  violation: 'red',
  'stale-baseline': 'red',
  incomplete: 'yellow',
} as const;

/** Escape control characters, so that text from the target cannot control the terminal. */
const shown = (text: string) =>
  text.replace(
    // oxlint-disable-next-line no-control-regex
    /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** Maximum number of cases that are named for each reason why a case did not finish. */
const MAX_NAMES = 5;

function troublesByCause({ troubles }: Report): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { case: name, why } of troubles) found.set(why, [...(found.get(why) ?? []), name]);
  return found;
}

/** Minimum and maximum number of columns that are used; the minimum is also the default. */
const [COLUMNS, MOST_COLUMNS] = [80, 160];
/** Maximum number of lines of a cause. */
const CAUSE_LINES = 15;
const STEP_LINES = 4;

type Paint = (style: Parameters<typeof styleText>[0], text: string) => string;

/** Wrap text at spaces, and clip the last line. @param most maximum number of lines. @param width columns of a line. */
export function wrapped(text: string, indent: string, most: number, width = COLUMNS - 1): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).filter((part) => part !== '')) {
    if (line !== '' && indent.length + line.length + 1 + word.length > width - 4) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  const kept = lines.length > most ? [...lines.slice(0, most - 1), lines.slice(most - 1).join(' ')] : lines;
  return kept.map((each) => `${indent}${clip(each, width - indent.length - 1)}`);
}

/** The last steps that are evidence; if there are none, the last steps. */
function breach(steps: readonly Step[]): Step[] {
  const evidence = steps.filter(
    (step) => step.evidence && !(step.way === 'sent' && step.what.startsWith('closed')),
  );
  return (evidence.length > 0 ? evidence : steps).slice(-STEP_LINES);
}

/** Where a report is shown. */
interface Place {
  /** Width of the terminal. */
  readonly columns?: number | undefined;
  /** The folder with its files, if they were written. */
  readonly folder?: string;
}

/** The summary of one cause, in at most CAUSE_LINES lines. */
function causeLines(
  report: Report,
  cause: Report['causes'][number],
  paint: Paint,
  { columns = COLUMNS, folder }: Place,
): string[] {
  const width = Math.min(Math.max(columns, COLUMNS), MOST_COLUMNS) - 1;
  const rule = report.rules.find(({ id }) => id === cause.rule);
  const failure = report.failures.find((known) => known.rule === cause.rule);
  if (failure === undefined) return [];
  const short = namerOf(failure.exchange);
  // Shorten the steps first: the first message in them gets the name m1.
  const steps = exchangeLines(breach(failure.exchange), short);
  const one = (text: string) => clip(shown(short(text)), width - 13);
  const [first = '', ...rest] = wrapped(`✗ ${cause.rule} ${rule?.sentence ?? ''}`, '', 2, width);
  const colour = rule === undefined ? 'red' : COLOURS[markOf(rule)];
  const lines = [
    first.replace(/^✗ \S+/, (name) => paint(colour, name)),
    ...rest.map((line) => `  ${clip(line, width - 3)}`),
    ...(rule?.known === undefined ? [] : [`  known     ${one(rule.known)}`]),
    `  required  ${one(failure.required)}`,
    `  observed  ${clip(shown(difference(failure.required, failure.observed, short)), width - 13)}`,
    ...steps.map((line) => paint('gray', `  ${clip(shown(line), width - 3)}`)),
    `  ${clip(`${repetition(failure.repeated)} · case ${shown(failure.case)}`, width - 3)}`,
    ...(failure.repro === null
      ? []
      : [
          `  again: sh ${folder === undefined ? '' : `${folder}/`}${failure.repro}${report.target.started ? ' URL' : ''}`,
        ]),
  ];
  if (cause.explains.length === 0) return lines;
  lines.push(`  explains ${cause.explains.length} more:`);
  const room = CAUSE_LINES - lines.length;
  const each = cause.explains.map((id) => {
    const found = report.failures.find((known) => known.rule === id);
    const words = `${one(found?.required ?? '')}: ${difference(found?.required ?? '', found?.observed ?? '', short)}`;
    return `    ${id.padEnd(9)} ${clip(shown(words), width - 15)}`;
  });
  if (each.length <= room) return [...lines, ...each];
  const ids = cause.explains.slice(room - 2).join(' ');
  return [...lines, ...each.slice(0, room - 2), ...wrapped(ids, '    ', 2, width)];
}

/** The summary for a terminal. @param colour false if NO_COLOR is set or the output is not a terminal. */
export function summary(report: Report, colour: boolean, place: Place = {}): string {
  const paint: Paint = (style, text) => (colour ? styleText(style, text, { validateStream: false }) : text);
  const lines: string[] = [];
  for (const cause of report.causes) lines.push('', ...causeLines(report, cause, paint, place));
  for (const [why, names] of troublesByCause(report)) {
    const more = names.length - MAX_NAMES;
    lines.push(
      '',
      `${paint('yellow', '! not finished')} ${shown(names.slice(0, MAX_NAMES).join(', '))}${more > 0 ? ` and ${more} more` : ''}: ${shown(why)}`,
    );
  }
  const rules = bindingRules(report);
  lines.push('');
  for (const [family, members] of families(rules)) {
    const counts = tally(members);
    const bar = [...counts]
      .map(([mark, count]) =>
        paint(
          COLOURS[mark],
          (mark === 'pass' ? '■' : mark === 'fail' || mark === 'known' ? '✗' : '·').repeat(count),
        ),
      )
      .join('');
    const rest = others(counts);
    lines.push(
      `  ${family.padEnd(7)} ${bar}  ${counts.get('pass') ?? 0} of ${members.length} pass${rest === '' ? '' : `, ${rest}`}`,
    );
  }
  const pending = rules.filter(
    ({ verdict }) => verdict === 'excluded' || verdict === 'not-observed' || verdict === 'inconclusive',
  );
  if (pending.length > 0)
    lines.push(
      '',
      ...pending.map(({ id, verdict, reason }) =>
        paint('gray', `  ${id} ${verdict}: ${shown(reason ?? '')}`),
      ),
    );
  const { target, baseline } = report;
  if (baseline !== null && baseline.stale.length + baseline.not_tested.length > 0)
    lines.push(
      '',
      ...baseline.stale.map((id) => paint('red', `  ${id} passes, yet is in the baseline: remove it`)),
      ...baseline.not_tested.map((id) =>
        paint('gray', `  ${id} is in the baseline, and was not tested in this run`),
      ),
    );
  lines.push('', `${report.counts['pass'] ?? 0} of ${rules.length} rules pass · seed ${report.seed}`);
  if (target.below_default.length > 0)
    lines.push(`Declared below the default: ${shown(target.below_default.join(', '))}`);
  if (target.lab)
    lines.push(
      paint(
        'yellow',
        `LAB, not a certificate: declared outside the ranges are ${shown(clip(target.outside_ranges.join(', '), 200))}`,
      ),
    );
  lines.push(
    `${paint(OUTCOMES[report.outcome], verdictWords(report))}  ${shown(implementation(report))} at level ${target.level}, specification ${report.spec}`,
  );
  return lines.join('\n');
}
