/** The baseline: known failures of a target, which do not fail a run. */
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
 * @throws {SyntaxError} it is not JSON, or does not match the schema; the message names the place.
 * @throws {RangeError} a rule does not exist, or is named twice.
 */
export function parseBaseline(text: string): Baseline {
  const value: unknown = JSON.parse(text);
  if (!checked.Check(value)) {
    const [first] = checked.Errors(value);
    const place = first?.instancePath.slice(1) ?? '';
    const wrong = first?.keyword === 'boolean' ? 'is not a known field' : (first?.message ?? 'is wrong');
    throw new SyntaxError(
      `${place === '' ? 'the file' : place} ${wrong}; it looks like {"failures":[{"rule":"MSG-14","why":"…"}]}`,
    );
  }
  const seen = new Set<string>();
  for (const { rule } of value.failures) {
    if (!REQUIREMENTS.some(({ id }) => id === rule)) throw new RangeError(`there is no rule ${rule}`);
    if (seen.has(rule)) throw new RangeError(`${rule} is listed twice`);
    seen.add(rule);
  }
  return value;
}

export interface Compared {
  /** Rules of the baseline that fail → why they are tolerated. */
  readonly known: ReadonlyMap<string, string>;
  /** Rules of the baseline that pass. */
  readonly stale: string[];
  /** Rules of the baseline that this run did not test, or not with all of their checks. */
  readonly notTested: string[];
}

/** Compare the results of a run with a baseline. */
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
