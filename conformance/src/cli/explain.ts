import { styleText } from 'node:util';
import { REQUIREMENTS } from '@bot2bot/schemas';
import { ruleOf, type AnyCheck } from '../checks/check.ts';
import { asked } from '../checks/scope.ts';
import { RELAY } from '../judge/relay.ts';
import { clip } from '../report/exchange.ts';
import { FIELDS } from '../report/fields.gen.ts';
import { KILLS } from '../report/kills.gen.ts';
import { EXIT } from '../report/report.ts';
import { wrapped } from '../report/terminal.ts';
import { colour, NAME, UsageError } from './flags.ts';

/** The command `list`: prints every rule with its checks. */
export function list(): number {
  const bold = (text: string) => (colour(process.stdout) ? styleText('bold', text) : text);
  for (const rule of REQUIREMENTS) {
    const checks = RELAY.checks
      .filter((check) => ruleOf(check) === rule.id || check.also?.includes(rule.id) === true)
      .map((check) => check.id);
    const how =
      rule.actor === 'client'
        ? 'a rule for clients'
        : checks.join(' ') || 'by its schema, on every answer and frame';
    process.stdout.write(`${bold(rule.id.padEnd(10))} ${rule.word} ${rule.level.padEnd(8)} ${how}\n`);
  }
  return EXIT.conformant;
}

const LANES = {
  quick: 'takes seconds, in parallel with others',
  long: 'waits for a timing of the protocol, in parallel with others',
  solo: 'runs alone, only with --cert or in lab',
} as const;

/** Describes when a check runs. */
function when({ lane, cert, lab }: AnyCheck): string {
  if (lab !== undefined) return `runs only in lab: ${lab}`;
  return cert === true && lane !== 'solo' ? `${LANES[lane]}; only with --cert or in lab` : LANES[lane];
}

const titled = (title: string, lines: readonly string[]) =>
  lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)];

const MUTATIONS: Readonly<Record<string, string>> = {
  drop: 'absent',
  type: 'of another type',
  other: 'another value',
  stale: 'an earlier value',
};

/** The fields of answers and frames by which the rule detects a relay that gets one wrong, and how they were wrong. */
function fieldsOf(rule: string): string[] {
  const found = new Map<string, string[]>();
  for (const [mutation, caught] of Object.entries(FIELDS)) {
    const [field = '', how = ''] = mutation.split(' ');
    if (caught.startsWith(`${rule} by `))
      found.set(field, [...(found.get(field) ?? []), MUTATIONS[how] ?? how]);
  }
  return [...found].map(([field, how]) => `${field} (${how.join(', ')})`);
}

/** The command `explain`: prints a rule, its checks, the mutants that it kills, the fields that it decides, and an exchange of a relay that passes. */
export async function explain(id: string | undefined): Promise<number> {
  const rule = REQUIREMENTS.find((known) => known.id === id?.toUpperCase());
  if (rule === undefined) throw new UsageError(`unknown rule ${id ?? ''}; see ${NAME} list`);
  const checks = RELAY.checks.filter(
    (check) => asked(ruleOf(check), [rule.id]) || check.also?.includes(rule.id) === true,
  );
  const { EXAMPLES } = await import('../report/examples.gen.ts');
  const example = EXAMPLES[rule.id];
  const columns = process.stdout.isTTY ? process.stdout.columns : Infinity;
  const lines = [
    `${rule.id} (${rule.actor}, ${rule.word}, ${rule.level}, since ${rule.since}; spec/${rule.chapter})`,
    '',
    ...wrapped(rule.sentence, '  ', Infinity),
    ...(checks.length === 0
      ? [
          '',
          rule.actor === 'client'
            ? 'A rule for clients.'
            : 'Judged by its schema, on every answer and frame.',
        ]
      : titled(
          'Checks',
          checks.flatMap((check) => [`${check.id}: ${check.title}`, `  ${when(check)}`]),
        )),
    ...titled(
      'Detects a relay that',
      Object.entries(KILLS[rule.id] ?? {}).map(([mutant, what]) => `${what} (${mutant})`),
    ),
    ...titled('Detects wrong fields', fieldsOf(rule.id)),
    ...(example === undefined
      ? []
      : titled(
          `A relay that passes, in ${example.check}: ${example.want}`,
          example.lines.map((line) => (line.startsWith('*') ? line : clip(line, columns - 3))),
        )),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  return EXIT.conformant;
}
