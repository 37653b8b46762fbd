import { REQUIREMENTS } from '@bot2bot/schemas';
import { describe, expect, it } from 'vitest';
import { KILLS } from '../src/report/kills.gen.ts';
import type { Mutant } from '../mutants/mutant.ts';
import { killMatrix, MUTANTS } from '../mutants/mutants.ts';
import { coveredRules, RELAY } from '../src/index.ts';
import { certify } from './certify.ts';
import { commandOf, flawsOf, kill } from './kill.ts';

const relayMusts = REQUIREMENTS.filter(({ actor, word }) => actor === 'relay' && word === 'MUST').map(
  ({ id }) => id,
);

describe('rules, checks and mutants are consistent', () => {
  it('every MUST for a relay has a check or a model that decides it', () => {
    const covered = coveredRules(RELAY);
    expect(relayMusts.filter((rule) => !covered.has(rule))).toEqual([]);
  });

  it('every check and every mutant belongs to a rule', () => {
    const known = new Set(REQUIREMENTS.map(({ id }) => id));
    const named = [...coveredRules(RELAY), ...MUTANTS.map(({ id }) => id.split('/')[0] ?? '')];
    expect(named.filter((rule) => !known.has(rule))).toEqual([]);
  });

  it('every MUST for a relay has a mutant', () => {
    const broken = new Set(MUTANTS.map(({ id }) => id.split('/')[0]));
    expect(relayMusts.filter((rule) => !broken.has(rule))).toEqual([]);
  });

  it('the kill matrix in reports matches the mutants', () => {
    expect(KILLS).toEqual(killMatrix());
  });
});

describe('each mutant fails the rule that it breaks, and exactly the other rules that its entry lists', () => {
  it.concurrent.for(MUTANTS)('$id', async (mutant, { expect }) => {
    const { flaws } = await kill(mutant);
    expect(flaws).toEqual([]);
  });
});

describe('a kill that differs from the entry is reported', () => {
  const mutant: Mutant = {
    id: 'MSG-3/x',
    what: '',
    file: '',
    from: '',
    to: '',
    alsoBreaks: ['READ-8'],
    mayBreak: ['READ-1'],
  };
  const own = { rule: 'MSG-3', checks: ['MSG-3/order'] };
  const follows = { rule: 'READ-8', checks: ['MSG-3/order'] };
  it.each([
    ['exact', [own, follows], []],
    ['exact, with what may break', [own, follows, { rule: 'READ-1', checks: ['MSG-3/order'] }], []],
    ['not its rule', [follows], ['MSG-3 does not fail']],
    [
      'by another check',
      [{ ...own, checks: ['MSG-4/at-the-limit'] }, follows],
      ['MSG-3 fails by MSG-4/at-the-limit alone'],
    ],
    ['more than listed', [own, follows, { rule: 'CLAIM-1', checks: ['MSG-3/order'] }], ['CLAIM-1 fails too']],
    ['less than listed', [own], ['READ-8 does not fail']],
  ])('%s', (_what, broken, flaws) => {
    expect(flawsOf(mutant, broken)).toEqual(flaws);
  });
});

it('an inconclusive failure is repeated, even if another rule is certainly broken', async () => {
  // The lost messages break STREAM-3, whatever the timing; they break STREAM-24 only if the check's requests were on time.
  const [command = ''] = await Promise.all(
    MUTANTS.filter(({ id }) => id === 'STREAM-24/hole').map(commandOf),
  );
  const stalls = setInterval(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600), 1_500);
  try {
    const { report, trace } = await certify(command, { only: ['STREAM-24'] });
    expect(trace.cases[0]?.end?.lag).toBeGreaterThan(500);
    expect(report.failures.map(({ rule }) => rule).sort()).toEqual(['STREAM-24', 'STREAM-3']);
    expect(report.rules.find(({ id }) => id === 'STREAM-24')?.verdict).toBe('fail');
  } finally {
    clearInterval(stalls);
  }
});
