/** Counts and words that all formats of a report share. */
import type { Verdict } from '../judge/verdict.ts';
import { VERDICTS, type Report } from './report.ts';

type Rule = Report['rules'][number];

/** A verdict, or `known`: the rule fails, and is in the baseline. */
export type Mark = Verdict | 'known';
const MARKS: readonly Mark[] = VERDICTS.flatMap((verdict): Mark[] =>
  verdict === 'fail' ? ['fail', 'known'] : [verdict],
);

export const markOf = (rule: Rule): Mark => (rule.known === undefined ? rule.verdict : 'known');

/** The rules that bind this kind of target: the denominator of every count. */
export function bindingRules(report: Report): Rule[] {
  return report.rules.filter(({ reason_code: reason }) => reason !== 'other-actor');
}

/** The number of rules with each mark, without marks that no rule has. */
export function tally(rules: readonly Rule[]): Map<Mark, number> {
  return new Map(
    MARKS.map((mark): [Mark, number] => [mark, rules.filter((rule) => markOf(rule) === mark).length]).filter(
      ([, count]) => count > 0,
    ),
  );
}

/** Rules by chapter: `MSG` → its rules, in order. */
export function families(rules: readonly Rule[]): Map<string, Rule[]> {
  const found = new Map<string, Rule[]>();
  for (const rule of rules) {
    const family = rule.id.split('-')[0] ?? rule.id;
    found.set(family, [...(found.get(family) ?? []), rule]);
  }
  return found;
}

export const MARK_WORDS: Readonly<Record<Mark, string>> = {
  pass: 'pass',
  fail: 'fail',
  known: 'known to fail',
  warn: 'warn',
  'not-applicable': 'not applicable',
  'not-observed': 'not observed',
  inconclusive: 'inconclusive',
  excluded: 'excluded',
};

/** The counts of all marks except `pass`, such as `2 fail, 1 not observed`. */
export function others(counts: ReadonlyMap<Mark, number>): string {
  return [...counts]
    .filter(([mark]) => mark !== 'pass')
    .map(([mark, count]) => `${count} ${MARK_WORDS[mark]}`)
    .join(', ');
}

export function verdictWords({ outcome, target, baseline, counts }: Report): string {
  switch (outcome) {
    case 'partial': {
      const checked = (counts['pass'] ?? 0) + (counts['warn'] ?? 0);
      return `${checked} ${checked === 1 ? 'rule' : 'rules'} checked, no verdict`;
    }
    case 'conformant':
      return target.lab ? 'CONFORMANT IN LAB' : 'CONFORMANT';
    case 'as-baseline':
      return 'NOT CONFORMANT, as the baseline says';
    case 'violation':
      return 'NOT CONFORMANT';
    case 'stale-baseline':
      return `STALE BASELINE: remove ${baseline?.stale.join(', ') ?? ''}`;
    case 'incomplete':
      return 'INCOMPLETE: no verdict';
  }
}

export function implementation({ target }: Report): string {
  return target.implementation === null
    ? 'an undeclared implementation'
    : `${target.implementation.name} ${target.implementation.version}`;
}

export function repetition(repeated: boolean | null): string {
  if (repeated === null) return 'not repeated';
  return repeated ? 'happened again when repeated' : 'intermittent: did not happen again';
}
