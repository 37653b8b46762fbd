/** A small run of `npm run storm`, and tests that its diary detects faults. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Diary } from '../bench/storm-diary.ts';

const diaryOf = (...lines: string[]) => {
  const diary = new Diary();
  for (const line of lines) diary.take(line);
  return diary;
};
const FIGURES = [
  'afterAck',
  'early',
  'disorder',
  'miscounted',
  'gaps',
  'resets',
  'regranted',
  'resumed',
] as const;
/** The counters that are not 0. */
const told = (diary: Diary) => FIGURES.filter((name) => diary[name] > 0);

describe('counters of a diary', () => {
  const first = ['G 100 1100 1 a 1 0', 'B 1 a', 'A 1 a'];

  test.each([
    ['a message that is acked', first, []],
    ['a message granted after its ack', [...first, 'G 2000 3000 1 b 2 0'], ['afterAck', 'regranted']],
    [
      'another claim before the lease expired',
      ['G 100 1100 1 a 1 0', 'G 900 1900 1 b 2 0'],
      ['early', 'regranted'],
    ],
    ['another claim after it', ['G 100 1100 1 a 1 0', 'G 1200 2200 1 b 2 0'], ['regranted']],
    ['a resumed claim', ['G 100 1100 1 a 1 0', 'G 900 1100 1 a 1 1'], ['resumed']],
    [
      'a resumed claim without the resumed flag',
      ['G 100 1100 1 a 1 0', 'G 900 1100 1 a 1 0'],
      ['miscounted', 'resumed'],
    ],
    [
      'a delivery number that is too low',
      ['G 100 1100 1 a 1 0', 'G 1200 2200 1 b 1 0'],
      ['miscounted', 'regranted'],
    ],
    ['an older message after a newer one', ['G 100 1100 2 a 1 0', 'G 200 1200 1 b 1 0'], ['disorder']],
    ['a gap', ['L 1 5'], ['gaps']],
    ['a reset', ['R'], ['resets']],
  ])('%s', (_what, lines, expected) => {
    expect(told(diaryOf(...lines)).sort()).toEqual([...expected].sort());
  });

  test('a message that was skipped is missing, and one whose ack had no answer is not', () => {
    const all = new Set([1, 2]);
    expect(diaryOf('G 100 1100 2 b 1 0', 'B 2 b', 'A 2 b').missing(all)).toBe(1);
    expect(diaryOf('G 100 1100 1 a 1 0', 'G 200 1200 2 b 1 0', 'A 2 b').missing(all)).toBe(1);
    expect(diaryOf('G 100 1100 1 a 1 0', 'B 1 a', 'G 200 1200 2 b 1 0', 'A 2 b').missing(all)).toBe(0);
  });
});

test('processes that are killed while they claim lose nothing, and get nothing twice without a reason', async () => {
  const words = ['run', '--silent', 'storm', '--', '--messages', '200', '--handles', '4', '--kills', '10'];
  const child = spawn('npm', [...words, '--seed', '7'], { cwd: join(import.meta.dirname, '../..') });
  let said = '';
  child.stdout.on('data', (text: Buffer) => (said += text.toString()));
  child.stderr.on('data', (text: Buffer) => (said += text.toString()));
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect(said).toMatch(/acked +800 +of 800[^]*killed and started again +10[^]*every promise held/);
  expect(code).toBe(0);
});
