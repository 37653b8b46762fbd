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

describe('each mutant is killed by the rule that it breaks, and breaks what the table says and no more', () => {
  it.concurrent.for(MUTANTS)('$id', async (mutant, { expect }) => {
    const { flaws } = await kill(mutant);
    expect(flaws).toEqual([]);
  });
});

describe('a kill that is not exact is told', () => {
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
