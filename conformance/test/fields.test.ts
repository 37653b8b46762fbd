import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  decide,
  missedOf,
  runThrough,
  staleOf,
  startBench,
  textOf,
  wantedBy,
  type Bench,
  type Row,
} from '../mutants/field-table.ts';
import type { RelayTrace } from '../src/index.ts';
import { FIELDS } from '../src/report/fields.gen.ts';

const all = wantedBy('');
/** One of this many mutations is also tested with a live run through the proxy. */
const SAMPLE = 150;

describe('every field of every answer and frame is checked', () => {
  let bench: Bench;
  let trace: RelayTrace;
  let rows: readonly Row[] = [];

  beforeAll(async () => {
    bench = await startBench();
    ({ trace } = await runThrough(bench, null, []));
    rows = await decide(trace, bench, all);
  }, 240_000);
  afterAll(() => bench.stop());

  it('the table lists exactly the mutations of the contract', () => {
    expect(Object.keys(FIELDS).sort()).toEqual(all.map(({ name }) => name).sort());
  });

  it('every mutation is caught, or a reason says why nobody can tell', () => {
    expect(missedOf(rows).map((row) => `${row.mutation.name} ${textOf(row)}`)).toEqual([]);
  });

  it('every reason explains something that nothing catches', () => {
    expect(staleOf(rows)).toEqual([]);
    const [row] = rows.filter(({ caught }) => caught !== null);
    const rotten = { what: new RegExp(`^${row?.mutation.field.name ?? ''} `), why: 'it was not caught once' };
    expect(staleOf(rows, [rotten])).toEqual([rotten.what.source]);
  });

  it('a live run through the proxy agrees', async () => {
    const replayed = rows.filter(({ caught }) => caught?.live === false);
    for (const { mutation, caught } of replayed.filter((_, index) => index % SAMPLE === 0)) {
      const { failed } = await runThrough(bench, mutation, [caught?.check ?? '']);
      expect({ name: mutation.name, rules: failed.map(({ rule }) => rule) }).toEqual({
        name: mutation.name,
        rules: expect.arrayContaining([caught?.rule]),
      });
    }
  }, 120_000);

  it('an unchanged trace breaks no rule', async () => {
    const { failed } = await runThrough(bench, null, ['STREAM-2', 'STREAM-14', 'ROOM-5', 'CLAIM-8', 'DIR-2']);
    expect(failed).toEqual([]);
  });
});
