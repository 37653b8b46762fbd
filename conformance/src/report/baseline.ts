/** Failures that are known: a relay's debts, written down so that new ones stand out. */
import { REQUIREMENTS } from '@bot2bot/schemas';
import { Type, type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import type { RuleResult } from '../judge/verdict.ts';

/** The file of `--baseline`. */
export const Baseline = Type.Object(
  {
    failures: Type.Array(
      Type.Object(
        {
          rule: Type.String({ description: "A rule's id, `MSG-14`." }),
          why: Type.String({ minLength: 1, description: 'Why it is tolerated; shown in every report.' }),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);
export type Baseline = Static<typeof Baseline>;

const checked = Compile(Baseline);

/**
 * Read a baseline.
 * @throws {SyntaxError} it is not JSON, or not of this shape; says where.
 * @throws {RangeError} a rule does not exist, or is named twice.
 */
export function parseBaseline(text: string): Baseline {
  const value: unknown = JSON.parse(text);
  if (!checked.Check(value)) {
    const [first] = checked.Errors(value);
    const place = first?.instancePath.slice(1) ?? '';
    const wrong = first?.keyword === 'boolean' ? 'is not a field of it' : (first?.message ?? 'is wrong');
    throw new SyntaxError(
      `${place === '' ? 'the file' : place} ${wrong}; it looks like {"failures":[{"rule":"MSG-14","why":"…"}]}`,
    );
  }
  const seen = new Set<string>();
  for (const { rule } of value.failures) {
    if (!REQUIREMENTS.some(({ id }) => id === rule)) throw new RangeError(`there is no rule ${rule}`);
    if (seen.has(rule)) throw new RangeError(`${rule} is in it twice`);
    seen.add(rule);
  }
  return value;
}

export interface Compared {
  /** Rules that fail, as the baseline says → why. */
  readonly known: ReadonlyMap<string, string>;
  /** Rules that pass now. */
  readonly stale: string[];
  /** Rules on which this run says nothing, or too little: one of their checks was not driven. */
  readonly notTested: string[];
}

/** Hold the results against a baseline. */
export function compare(baseline: Baseline | undefined, results: readonly RuleResult[]): Compared {
  const byRule = new Map(results.map((result) => [result.rule.id, result]));
  const known = new Map<string, string>();
  const [stale, notTested]: [string[], string[]] = [[], []];
  for (const { rule, why } of baseline?.failures ?? []) {
    const { verdict, whole = false } = byRule.get(rule) ?? {};
    if (verdict === 'fail' || verdict === 'warn') known.set(rule, why);
    else if (verdict === 'pass' && whole) stale.push(rule);
    else notTested.push(rule);
  }
  return { known, stale, notTested };
}
