import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  decide,
  runThrough,
  startBench,
  textOf,
  wantedBy,
  type Bench,
  type Row,
} from '../mutants/field-table.ts';
import type { RelayTrace } from '../src/index.ts';
import { FIELDS } from '../src/report/fields.gen.ts';

const all = wantedBy('');
/** Every so many of them are driven through the proxy as well. */
const SAMPLE = 150;

describe('each field of each answer and frame is looked at', () => {
  let bench: Bench;
  let trace: RelayTrace;
  let rows: readonly Row[] = [];

  beforeAll(async () => {
    bench = await startBench();
    ({ trace } = await runThrough(bench, null, []));
    rows = await decide(trace, bench, all);
  }, 240_000);
  afterAll(() => bench.stop());

  it('the table names every mutation of the contract, and no other', () => {
    expect(Object.keys(FIELDS).sort()).toEqual(all.map(({ name }) => name).sort());
  });

  it('what the table says is caught is caught', () => {
    const missed = rows.filter(
      ({ mutation, caught }) => caught === null && !(FIELDS[mutation.name] ?? '').startsWith('not seen'),
    );
    expect(missed.map((row) => `${row.mutation.name} ${textOf(row)}`)).toEqual([]);
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

  it('an unaltered answer breaks nothing', async () => {
    const { failed } = await runThrough(bench, null, ['STREAM-2', 'STREAM-14', 'ROOM-5', 'CLAIM-8', 'DIR-2']);
    expect(failed).toEqual([]);
  });
});
