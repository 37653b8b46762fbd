/** Runs a mutant against the checks of the rule that it breaks, and says whether it is killed as the table says. */
import { broken } from '../mutants/broken.ts';
import type { Mutant } from '../mutants/mutant.ts';
import { LAB } from '../mutants/mutants.ts';
import { CHECKS } from '../src/checks/index.ts';
import { ruleOf, rulesOf } from '../src/checks/check.ts';
import { judge, RELAY } from '../src/index.ts';
import { certify } from './certify.ts';

/** Random programs for a mutant that only they can see. */
const PROGRAMS = 6;

/** A rule that failed, and the checks in whose cases it did. */
interface Broken {
  readonly rule: string;
  readonly checks: readonly string[];
}

interface Kill {
  readonly broken: readonly Broken[];
  /** Empty when the mutant is killed exactly. */
  readonly flaws: readonly string[];
}

const ruleOfMutant = ({ id }: Mutant) => ruleOf({ id });

/** Starts the broken relay, as `--cmd`. */
export async function commandOf(mutant: Mutant): Promise<string> {
  const path = await broken(mutant.id, [mutant]);
  return `exec node ${path} --port {port} ${[...LAB, ...(mutant.flags ?? [])].join(' ')}`;
}

/** The checks that may kill it: those of its rule, and the one that it names; of a rule that has none, those that bear on it. */
function killers(mutant: Mutant): readonly string[] {
  const rule = ruleOfMutant(mutant);
  const own = RELAY.checks.filter((check) => ruleOf(check) === rule);
  const bearing = RELAY.checks.filter((check) => rulesOf(check).includes(rule));
  const seenBy = mutant.seenBy === undefined ? [] : [mutant.seenBy];
  return [...(own.length > 0 ? own : bearing).map(({ id }) => id), ...seenBy];
}

/** Where what failed differs from what the table says. */
export function flawsOf(mutant: Mutant, seen: readonly Broken[]): string[] {
  const rule = ruleOfMutant(mutant);
  const { alsoBreaks = [], mayBreak = [] } = mutant;
  const by = new Map(seen.map((each) => [each.rule, each.checks]));
  const allowed = killers(mutant);
  const missing = [rule, ...alsoBreaks].filter((id) => !by.has(id)).map((id) => `${id} does not fail`);
  const checks = by.get(rule) ?? [];
  const stranger =
    checks.length > 0 && !checks.some((id) => allowed.includes(id))
      ? [`${rule} fails by ${checks.join(', ')} alone`]
      : [];
  const listed = new Set([rule, ...alsoBreaks, ...mayBreak]);
  const more = [...by.keys()].filter((id) => !listed.has(id)).map((id) => `${id} fails too`);
  return [...missing, ...stranger, ...more];
}

export async function kill(mutant: Mutant): Promise<Kill> {
  const rule = ruleOfMutant(mutant);
  const runs = CHECKS.some((check) => rulesOf(check).includes(rule)) ? 0 : PROGRAMS;
  const { trace } = await certify(await commandOf(mutant), { only: [rule], runs });
  const { results } = await judge(RELAY, trace);
  const failed = results
    .filter(({ verdict }) => verdict === 'fail' || verdict === 'warn')
    .map(({ rule: { id }, failures }) => ({
      rule: id,
      checks: [...new Set(failures.map(({ check }) => check))],
    }));
  return { broken: failed, flaws: flawsOf(mutant, failed) };
}
