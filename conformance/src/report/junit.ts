/** The report as JUnit XML: a suite for each chapter, a case for each rule. */
import { exchangeLines } from './exchange.ts';
import type { Report } from './report.ts';
import { families, repetition, verdictWords } from './tally.ts';
import { NOTHING, xml, type Markup } from './xml.ts';

type Kind = 'pass' | 'failure' | 'error' | 'skipped';

interface Case {
  readonly kind: Kind;
  readonly markup: Markup;
}

function testcase(family: string, name: string, kind: Kind, message: string, body: Markup): Case {
  const inside = {
    pass: NOTHING,
    failure: xml`<failure message="${message}">${body}</failure>`,
    error: xml`<error message="${message}">${body}</error>`,
    skipped: xml`<skipped message="${message}"/>`,
  }[kind];
  return {
    kind,
    markup: xml`    <testcase classname="${family}" name="${name}">${inside}</testcase>\n`,
  };
}

/** Only a rule that passes is a pass: one that was not observed or is inconclusive is an error. */
function ruleCase(report: Report, family: string, rule: Report['rules'][number]): Case {
  const name = `${rule.id} ${rule.sentence}`;
  const failure = report.failures.find((known) => known.rule === rule.id);
  const broken = failure === undefined ? '' : `required: ${failure.required}\nobserved: ${failure.observed}`;
  const body =
    failure === undefined
      ? NOTHING
      : xml`\n${[...exchangeLines(failure.exchange), `${repetition(failure.repeated)} · case ${failure.case}`].map((line) => xml`${line}\n`)}`;
  if (rule.known !== undefined)
    return testcase(family, name, 'skipped', `known to fail: ${rule.known}\n${broken}`, NOTHING);
  if (report.baseline?.stale.includes(rule.id) === true)
    return testcase(family, name, 'failure', 'it passes, yet is in the baseline: remove it', NOTHING);
  switch (rule.verdict) {
    case 'pass':
      return testcase(family, name, 'pass', '', NOTHING);
    case 'fail':
      return testcase(family, name, 'failure', broken, body);
    case 'warn':
      return report.strict
        ? testcase(family, name, 'failure', broken, body)
        : testcase(family, name, 'skipped', `a warning (${rule.word}):\n${broken}`, NOTHING);
    case 'not-observed':
    case 'inconclusive':
      return testcase(family, name, 'error', `${rule.verdict}: ${rule.reason ?? ''}`, NOTHING);
    case 'not-applicable':
    case 'excluded':
      return testcase(family, name, 'skipped', `${rule.verdict}: ${rule.reason ?? ''}`, NOTHING);
  }
}

/** `tests="3" failures="1" …` */
function counted(cases: readonly Case[]): Markup {
  const count = (kind: Kind) => cases.filter((one) => one.kind === kind).length;
  return xml`tests="${cases.length}" failures="${count('failure')}" errors="${count('error')}" skipped="${count('skipped')}"`;
}

/** `junit.xml`. Cases that did not run to their end are errors of a suite of their own, `RUN`. */
export function junit(report: Report): string {
  const suites = [...families(report.rules)].map(([family, rules]): [string, Case[]] => [
    family,
    rules.map((rule) => ruleCase(report, family, rule)),
  ]);
  const run = report.troubles.map(({ case: name, why }) => testcase('RUN', name, 'error', why, NOTHING));
  if (report.outcome === 'incomplete')
    run.push(testcase('RUN', 'verdict', 'error', verdictWords(report), NOTHING));
  if (run.length > 0) suites.push(['RUN', run]);
  const all = suites.flatMap(([, cases]) => cases);
  return xml`<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bot2bot-conformance" ${counted(all)}>
${suites.map(
  ([family, cases]) => xml`  <testsuite name="${family}" timestamp="${report.started_at}" ${counted(cases)}>
${cases.map(({ markup }) => markup)}  </testsuite>
`,
)}</testsuites>
`.markup;
}
