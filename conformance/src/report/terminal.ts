/** The report for a terminal. */
import { styleText } from 'node:util';
import { clip, exchangeLines } from './exchange.ts';
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
  'as-baseline': 'yellow',
  violation: 'red',
  'stale-baseline': 'red',
  incomplete: 'yellow',
} as const;

/** What the target sent must not drive the terminal: control characters are shown, not obeyed. */
const shown = (text: string) =>
  text.replace(
    // oxlint-disable-next-line no-control-regex
    /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** The summary for a terminal. @param colour false where NO_COLOR is set or nobody watches. */
export function summary(report: Report, colour: boolean): string {
  const paint = (style: Parameters<typeof styleText>[0], text: string) =>
    colour ? styleText(style, text, { validateStream: false }) : text;
  const lines: string[] = [];
  for (const failure of report.failures) {
    const rule = report.rules.find(({ id }) => id === failure.rule);
    lines.push(
      '',
      `${paint(rule === undefined ? 'red' : COLOURS[markOf(rule)], `✗ ${failure.rule}`)} ${rule?.sentence ?? ''}`,
      ...(rule?.known === undefined ? [] : [`  known     ${shown(rule.known)}`]),
      `  required  ${shown(failure.required)}`,
      `  observed  ${shown(clip(failure.observed, 400))}`,
      ...exchangeLines(failure.exchange).map((line) => paint('gray', `  ${shown(line)}`)),
      `  ${repetition(failure.repeated)} · case ${shown(failure.case)}${failure.repro === null ? '' : ` · sh ${failure.repro}`}`,
    );
  }
  for (const { case: name, why } of report.troubles)
    lines.push('', `${paint('yellow', '! not finished')} ${shown(name)}: ${shown(why)}`);
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
