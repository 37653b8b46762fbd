import { REQUIREMENTS } from '@bot2bot/schemas';
import { describe, expect, it } from 'vitest';
import { KILLS } from '../src/kills.gen.ts';
import { broken } from '../mutants/broken.ts';

import { killMatrix, LAB, MUTANTS } from '../mutants/mutants.ts';
import { ruleOf } from '../src/check.ts';
import { CHECKS } from '../src/checks.ts';
import { coveredRules } from '../src/index.ts';
import type { Mutant } from '../mutants/mutant.ts';
import { certify } from './certify.ts';

const relayMusts = REQUIREMENTS.filter(({ actor, word }) => actor === 'relay' && word === 'MUST').map(
  ({ id }) => id,
);

describe('rules, checks and mutants hold together', () => {
  it('every MUST of a relay has something that decides it', () => {
    const covered = coveredRules();
    expect(relayMusts.filter((rule) => !covered.has(rule))).toEqual([]);
  });

  it('every check and every mutant belongs to a rule', () => {
    const known = new Set(REQUIREMENTS.map(({ id }) => id));
    const named = [...coveredRules(), ...MUTANTS.map(({ id }) => id.split('/')[0] ?? '')];
    expect(named.filter((rule) => !known.has(rule))).toEqual([]);
  });

  it('every MUST of a relay has a mutant', () => {
    const broken = new Set(MUTANTS.map(({ id }) => id.split('/')[0]));
    expect(relayMusts.filter((rule) => !broken.has(rule))).toEqual([]);
  });

  it('the kill matrix of the reports is that of the mutants', () => {
    expect(KILLS).toEqual(killMatrix());
  });
});

const ruleOfMutant = ({ id }: Mutant) => id.split('/')[0] ?? '';
/** Rules whose checks run beside nothing else: their mutants do neither. */
const solo = new Set(CHECKS.filter(({ lane }) => lane === 'solo').map(ruleOf));

async function killed(mutant: Mutant): Promise<void> {
  const path = await broken(mutant.id, [mutant]);
  const rule = ruleOfMutant(mutant);
  const flags = [...LAB, ...(mutant.flags ?? [])].join(' ');
  const { report } = await certify(`exec node ${path} --port {port} ${flags}`, { only: [rule] });
  const verdict = report.rules.find(({ id }) => id === rule)?.verdict;
  expect({ rule, verdict }).toEqual({ rule, verdict: 'fail' });
  expect(report.exit_code).toBe(1);
  expect(report.failures.find((failure) => failure.rule === rule)?.required).not.toBe('');
}

describe('each mutant is killed by the rule that it breaks', () => {
  it.concurrent.for(MUTANTS.filter((mutant) => !solo.has(ruleOfMutant(mutant))))('$id', killed);
  it.for(MUTANTS.filter((mutant) => solo.has(ruleOfMutant(mutant))))('$id', killed);
});
