import { REQUIREMENTS } from '@bot2bot/schemas';
import { describe, expect, it } from 'vitest';
import { KILLS } from '../src/report/kills.gen.ts';
import { broken } from '../mutants/broken.ts';
import type { Mutant } from '../mutants/mutant.ts';
import { killMatrix, LAB, MUTANTS } from '../mutants/mutants.ts';
import { coveredRules, RELAY } from '../src/index.ts';
import { certify } from './certify.ts';

const relayMusts = REQUIREMENTS.filter(({ actor, word }) => actor === 'relay' && word === 'MUST').map(
  ({ id }) => id,
);

describe('rules, checks and mutants hold together', () => {
  it('every MUST of a relay has something that decides it', () => {
    const covered = coveredRules(RELAY);
    expect(relayMusts.filter((rule) => !covered.has(rule))).toEqual([]);
  });

  it('every check and every mutant belongs to a rule', () => {
    const known = new Set(REQUIREMENTS.map(({ id }) => id));
    const named = [...coveredRules(RELAY), ...MUTANTS.map(({ id }) => id.split('/')[0] ?? '')];
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

async function commandOf(mutant: Mutant): Promise<string> {
  const path = await broken(mutant.id, [mutant]);
  return `exec node ${path} --port {port} ${[...LAB, ...(mutant.flags ?? [])].join(' ')}`;
}

describe('each mutant is killed by the rule that it breaks', () => {
  it.concurrent.for(MUTANTS)('$id', async (mutant, { expect }) => {
    const rule = mutant.id.split('/')[0] ?? '';
    const { report } = await certify(await commandOf(mutant), { only: [rule] });
    const verdict = report.rules.find(({ id }) => id === rule)?.verdict;
    expect({ rule, verdict }).toEqual({ rule, verdict: 'fail' });
    expect(report.exit_code).toBe(1);
    expect(report.failures.find((failure) => failure.rule === rule)?.required).not.toBe('');
  });
});

it('what a stalled machine makes doubtful is repeated, though another rule was broken beyond doubt', async () => {
  // Its hole breaks STREAM-3 too, by what was seen alone; STREAM-24 by what the check asked in time.
  const [command = ''] = await Promise.all(
    MUTANTS.filter(({ id }) => id === 'STREAM-24/hole').map(commandOf),
  );
  const stalls = setInterval(
    () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_200),
    2_500,
  );
  try {
    const { report, trace } = await certify(command, { only: ['STREAM-24'] });
    expect(trace.cases[0]?.end?.lag).toBeGreaterThan(1_000);
    expect(report.failures.map(({ rule }) => rule).sort()).toEqual(['STREAM-24', 'STREAM-3']);
    expect(report.rules.find(({ id }) => id === 'STREAM-24')?.verdict).toBe('fail');
  } finally {
    clearInterval(stalls);
  }
});
