/** Runs the checks of the rule that a mutant breaks, and compares the failed rules with the mutant's entry. */
import { broken } from '../mutants/broken.ts';
import type { Mutant } from '../mutants/mutant.ts';
import { LAB } from '../mutants/mutants.ts';
import { CHECKS } from '../src/checks/index.ts';
import { ruleOf, rulesOf } from '../src/checks/check.ts';
import { HISTORIES_CHECK } from '../src/programs/histories.ts';
import { judge, RELAY } from '../src/index.ts';
import { certify } from './certify.ts';

/** Number of random programs, for mutants that only programs can detect. */
const PROGRAMS = 6;

/** A failed rule, and the checks in whose cases it failed. */
interface Broken {
  readonly rule: string;
  readonly checks: readonly string[];
}

interface Kill {
  readonly broken: readonly Broken[];
  /** Differences from the mutant's entry; empty if there are none. */
  readonly flaws: readonly string[];
}

const ruleOfMutant = ({ id }: Mutant) => ruleOf({ id });

/** Build the mutant. @returns the command that starts it. */
export async function commandOf(mutant: Mutant): Promise<string> {
  const path = await broken(mutant.id, [mutant]);
  return `exec node ${path} --port {port} ${[...LAB, ...(mutant.flags ?? [])].join(' ')}`;
}

/** The checks that may kill a mutant: those of its rule and `seenBy`; if the rule has no checks, those that also test it. */
function killers(mutant: Mutant): readonly string[] {
  const rule = ruleOfMutant(mutant);
  const own = RELAY.checks.filter((check) => ruleOf(check) === rule);
  const bearing = RELAY.checks.filter((check) => rulesOf(check).includes(rule));
  const seenBy = mutant.seenBy === undefined ? [] : [mutant.seenBy];
  return [...(own.length > 0 ? own : bearing).map(({ id }) => id), ...seenBy];
}

/** The differences between the failed rules and the mutant's entry. */
export function flawsOf(mutant: Mutant, seen: readonly Broken[]): string[] {
  const rule = ruleOfMutant(mutant);
  const { alsoBreaks = [], mayBreak = [] } = mutant;
  const by = new Map(seen.map((each) => [each.rule, each.checks]));
  const allowed = killers(mutant);
  const missing = [rule, ...alsoBreaks].filter((id) => !by.has(id)).map((id) => `${id} does not fail`);
  const checks = by.get(rule) ?? [];
  const elsewhere =
    checks.length > 0 && !checks.some((id) => allowed.includes(id))
      ? [`${rule} fails by ${checks.join(', ')} alone`]
      : [];
  const listed = new Set([rule, ...alsoBreaks, ...mayBreak]);
  const more = [...by.keys()].filter((id) => !listed.has(id)).map((id) => `${id} fails too`);
  return [...missing, ...elsewhere, ...more];
}

export async function kill(mutant: Mutant): Promise<Kill> {
  const rule = ruleOfMutant(mutant);
  const isScripted = CHECKS.some((check) => rulesOf(check).includes(rule));
  // Histories are one program, however many are requested.
  const runs = isScripted ? Number(rule === ruleOf(HISTORIES_CHECK)) : PROGRAMS;
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
