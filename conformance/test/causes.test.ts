import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { needs } from '../../scripts/needs.ts';
import { broken } from '../mutants/broken.ts';
import { LAB, MUTANTS } from '../mutants/mutants.ts';
import { startTarget, summary, writeReport, type Report } from '../src/index.ts';
import { causesOf, type Broken } from '../src/report/causes.ts';
import { difference, namer } from '../src/report/names.ts';
import { certify, type Certified } from './certify.ts';

const failure = (given: { case: string; evidence: string[]; want?: string; got?: string }) => ({
  rule: '',
  ok: false,
  check: '',
  want: 'a',
  got: 'b',
  repeated: true,
  disturbed: false,
  ...given,
});
const rule = (name: string, steps: number, failures: Broken['failures'], counts = true): Broken => ({
  rule: name,
  steps,
  counts,
  failures,
});
const at = (name: string, evidence: string[], want: string, got = want) =>
  failure({ case: name, evidence, want, got });

describe('causes', () => {
  it('the failure with the fewest steps comes first, and those that share all its evidence are under it', () => {
    const lost = [at('c', ['1', '2#3'], 'once'), at('d', ['4'], 'once')];
    expect(
      causesOf([
        rule('LATE-1', 9, [at('c', ['2#3'], 'x')]),
        rule('HEAD-1', 5, lost),
        rule('TWIN-1', 8, [at('c', ['2'], 'y'), at('d', ['4', '5'], 'y')]),
      ]),
    ).toEqual([{ rule: 'HEAD-1', explains: ['LATE-1', 'TWIN-1'] }]);
  });

  it.each([
    ['another case', at('other', ['1'], 'x')],
    ['evidence that only overlaps', at('c', ['2', '3'], 'x')],
    ['another frame of the same stream', at('c', ['1#2'], 'x')],
    ['a header of the same answer', at('c', ['1'], 'x', 'Cache-Control: max-age=60')],
  ])('a rule that fails elsewhere too is a cause of its own: %s', (_, more) => {
    const head = rule('HEAD-1', 2, [at('c', ['1#1', '2'], 'y'), at('d', ['9'], 'y')]);
    const other = rule('OWN-1', 3, [at('c', ['2'], 'x'), more]);
    expect(causesOf([head, other])).toHaveLength(2);
  });

  it('a new failure is never folded under one in the baseline', () => {
    const same = [at('c', ['1'], 'x')];
    const found = causesOf([rule('KNOWN-1', 1, same, false), rule('NEW-1', 5, same)]);
    expect(found).toEqual([{ rule: 'NEW-1', explains: ['KNOWN-1'] }]);
  });

  it('each failure is in exactly one cause', () => {
    const words = fc.constantFrom('0', '1', '2', '2#1');
    const one = fc.record({
      case: fc.constantFrom('a', 'b'),
      evidence: fc.array(words, { maxLength: 3 }),
      want: fc.constantFrom('x', 'y'),
    });
    const rules = fc.array(fc.tuple(fc.array(one, { maxLength: 4 }), fc.nat(9), fc.boolean()), {
      maxLength: 9,
    });
    fc.assert(
      fc.property(rules, (given) => {
        const all = given.map(([found, steps, counts], index) =>
          rule(`R-${index}`, steps, found.map(failure), counts),
        );
        const listed = causesOf(all).flatMap(({ rule: head, explains }) => [head, ...explains]);
        expect(listed.toSorted()).toEqual(all.map((each) => each.rule).toSorted());
      }),
    );
  });
});

describe('the difference in one sentence', () => {
  it.each([
    ['409', '200 {"ok":true}', 'status 200 instead of 409'],
    ['an answer of 400 to a ttl_ms of 300', '201 {}', 'status 201 instead of 400'],
    ['{"last_seq":1795843216391003}', '{"last_seq":1795843216391002}', 'last_seq is seq 1 instead of seq 2'],
    ['{"epoch":"a"}', '{}', 'no epoch'],
    [
      'each once',
      'stream: {"type":"message","seq":1795843216391001} | {"type":"message","seq":1795843216391001}',
      'seq 1 came twice',
    ],
    ['one', 'stream: {"type":"ready"} | : | :', 'the stream brought ready, 2 × keep-alive'],
    [
      'one',
      'stream: [e:0] {"type":"ready"} | … 3 more: 2 × message, 1 × ready … | :',
      'the stream brought 2 × ready, 2 × message, keep-alive',
    ],
    ['seq 5', '200 {"seq":7}', 'seq is 7 instead of 5, in 200 {"seq":7}'],
    ['seq 5, the oldest', '200 {"empty":true}', 'no seq, in 200 {"empty":true}'],
    ['the answer with duplicate: true', '200 {"a":1}; 200 {"b":2}', 'no duplicate, in 200 {"b":2}'],
    [
      '{ok, cursor: 0}',
      '200 {"ok":true,"cursor":3}',
      'cursor is 3 instead of 0, in 200 {"ok":true,"cursor":3}',
    ],
    ['sent with duplicate: true', 'stream: {"type":"sent"}', 'no duplicate, in {"type":"sent"}'],
    ['no resumed, for the claim is new', '200 {"resumed":true}', 'resumed is true, in 200 {"resumed":true}'],
    ['a: true', '200 {"x":"cut off…', '200 {"x":"cut off…'],
    ['a: true', '200 [{"a":true},{"a":false}]', '200 [{"a":true},{"a":false}]'],
    ['the id e:1', 'stream: [e:0] {"type":"ready"}', '[e:0] {"type":"ready"}'],
    ['two', 'stream: [e:0] {"type":"ready"} | [e:0] {"type":"ready"}', 'the stream brought 2 × ready'],
    ['anything', 'no answer (ECONNRESET)', 'no answer (ECONNRESET)'],
  ])('%s, but %s', (want, got, told) => {
    expect(difference(want, got, namer())).toBe(told);
  });

  it('gives equal values equal short names, and leaves no long value', () => {
    const short = namer();
    const room = 't-YB6fHLLBnO_Oi54qSdqNDc';
    const first = short(`/api/rooms/${room}/status {"epoch":"At3BShupEOpk","id":"m_zg8tpUSgMRQu"}`);
    expect(first).toBe('/api/rooms/room 1/status {"epoch":"epoch 1","id":"m1"}');
    expect(short(`[At3BShupEOpk:1795843216391001] ${room}`)).toBe('[epoch 1:seq 1] room 1');
    expect(short('1795843216391003')).toBe('seq 3');
    expect(short('[Bt3BShupEOpk:1795843216394001]')).toBe('[epoch 2:seq B1]');
    expect(short('gap 1795843216391002-1795843216391003')).toBe('gap seq 2-seq 3');
    expect(short('the claim c_x3ogCF1T9wU0 of seq 1795843216391002')).toBe('the claim 1 of seq 2');
  });
});

/** Lost messages on streams, a wrong status, a wrong signature: one for each kind of repro script. */
const IDS = ['STREAM-3/lost', 'CORE-8/400', 'SIGN-1/label', 'STREAM-16/no-ack'];
const ONLY = ['CORE-8', 'STREAM-3', 'STREAM-16', 'SIGN-1'];
const sound = `exec node ${join(import.meta.dirname, '../../reference-server/bin/bot2bot-relay.mjs')} --port {port} ${LAB.join(' ')}`;
let mutant: string;
let bad: Certified;

beforeAll(async () => {
  const patches = MUTANTS.filter(({ id }) => IDS.includes(id));
  mutant = `exec node ${await broken('causes', patches)} --port {port} ${LAB.join(' ')}`;
  bad = await certify(mutant, { only: ONLY, seed: 5, runs: 2 });
}, 120_000);

/** The lines of each cause: blocks between blank lines, before the table of chapters. */
function blocks(report: Report, columns?: number): string[][] {
  return summary(report, false, { columns })
    .split('\n\n')
    .map((block) => block.split('\n').filter((line) => line !== ''))
    .filter(([first]) => first?.startsWith('✗'));
}

it('the terminal has one block of at most 15 lines of 80 columns for each cause, with every rule', () => {
  const many = bad.report.failures.flatMap((found) =>
    Array.from({ length: 30 }, (_, index) => ({
      ...found,
      rule: index === 0 ? found.rule : `${found.rule}0${index}`,
      observed: `${found.observed} ${'long '.repeat(500)}`,
      required: 'word '.repeat(100),
      case: 'c'.repeat(300),
    })),
  );
  const [head] = bad.report.failures;
  const worst: Report = {
    ...bad.report,
    failures: many,
    causes: [{ rule: head?.rule ?? '', explains: many.map((each) => each.rule).slice(1, 30) }],
  };
  for (const report of [bad.report, worst]) {
    expect(blocks(report)).toHaveLength(report.causes.length);
    for (const lines of blocks(report)) {
      expect(lines.length).toBeLessThanOrEqual(15);
      for (const line of lines) expect([line, line.length <= 79]).toEqual([line, true]);
    }
  }
  const wide = Math.max(
    ...blocks(worst, 120)
      .flat()
      .map((line) => line.length),
  );
  expect(wide).toBeGreaterThan(100);
  expect(wide).toBeLessThan(120);
  const said = blocks(bad.report).flat().join('\n');
  for (const { rule: id } of bad.report.failures) expect(said).toContain(id);
  for (const line of said.split('\n')) expect(line).not.toMatch(/t-[\w-]{20}|\d{15}/);
});

it('CORE-2: a wrong content type is what is told of an answer', async () => {
  const patches = MUTANTS.filter(({ id }) => id === 'CORE-2/plain-json');
  const command = `exec node ${await broken('content-type', patches)} --port {port}`;
  const { report } = await certify(command, { only: ['CORE-2/malformed-json'] });
  expect(report.failures.map((found) => [found.rule, found.check, found.difference])).toEqual([
    ['CORE-2', 'CORE-2/malformed-json', expect.stringMatching(/^Content-Type: application\/json; .*400 /)],
  ]);
});

it.each(ONLY)(
  'the script of %s exits 1 with the broken relay and 0 with a correct one',
  { timeout: 180_000 },
  async (id) => {
    needs('curl');
    expect(bad.report.failures.map((found) => found.rule)).toContain(id);
    const folder = mkdtempSync(join(tmpdir(), 'bot2bot-repro-'));
    writeReport(folder, bad);
    const bin = join(import.meta.dirname, '../bin/bot2bot-conformance.mjs');
    for (const [command, code] of [
      [mutant, 1],
      [sound, 0],
    ] as const) {
      const relay = await startTarget(command, new AbortController().signal);
      const ran = spawnSync('sh', [join(folder, `repro/${id}.sh`), relay.url], {
        encoding: 'utf8',
        env: { ...process.env, BOT2BOT_CONFORMANCE: `node ${bin}` },
      });
      await relay.stop();
      expect([ran.status, ran.stdout + ran.stderr]).toEqual([code, ran.stdout + ran.stderr]);
    }
  },
);
