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

  it('every mutation that the table lists as caught is caught', () => {
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

  it('an unchanged trace breaks no rule', async () => {
    const { failed } = await runThrough(bench, null, ['STREAM-2', 'STREAM-14', 'ROOM-5', 'CLAIM-8', 'DIR-2']);
    expect(failed).toEqual([]);
  });
});
