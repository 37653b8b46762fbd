/** The output of the command `explain RULE`. */
import { REQUIREMENTS } from '@bot2bot/schemas';
import { describe, expect, it } from 'vitest';
import { rulesOf } from '../src/checks/check.ts';
import { RELAY } from '../src/judge/relay.ts';
import { EXAMPLES } from '../src/report/examples.gen.ts';
import { KILLS } from '../src/report/kills.gen.ts';
import { suite } from './suite.ts';

/** Control characters, and values that differ between runs: room ids, times, seqs. */
// oxlint-disable-next-line no-control-regex
const UNFIT = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]|t-[\w-]{20}|\b1[5-9]\d{11}/;

const driven = new Set(RELAY.checks.flatMap(rulesOf));

describe('examples', () => {
  it.each([...driven])('%s has one, short and with short names', (rule) => {
    const example = EXAMPLES[rule];
    const check = RELAY.checks.find(({ id }) => id === example?.check);
    expect(check === undefined ? [] : rulesOf(check)).toContain(rule);
    const lines = example?.lines ?? [];
    expect(lines.some((line) => line.startsWith('*'))).toBe(true);
    expect(lines.filter((line) => line.trim() !== '…').length).toBeLessThanOrEqual(12);
    for (const line of [example?.want ?? '', ...lines]) {
      expect(line.length).toBeLessThanOrEqual(321);
      expect(line).not.toMatch(UNFIT);
    }
  });
});

it('explain shows the sentence, the checks, the mutants and what a relay that passes does', async () => {
  const { code, out } = await suite('explain', 'msg-14');
  expect(code).toBe(0);
  const flat = out.replaceAll(/\s+/g, ' ');
  expect(flat).toContain(REQUIREMENTS.find(({ id }) => id === 'MSG-14')?.sentence);
  expect(flat).toContain('MSG-14/repeat: a repeated post is recognised');
  for (const [id, what] of Object.entries(KILLS['MSG-14'] ?? {})) expect(flat).toContain(`${what} (${id})`);
  expect(flat).toContain('A relay that passes, in MSG-14/repeat: the first answer with duplicate: true');
  const telling = out.split('\n').filter((line) => line.startsWith('  *'));
  expect(telling.map((line) => line.replace(/^ {2}\* client /, '').slice(0, 26))).toEqual([
    '→ POST /api/rooms/room 1/m',
    '← 200 {"ok":true,"id":"m1"',
    '→ POST /api/rooms/room 1/m',
    '← 200 {"ok":true,"id":"m1"',
  ]);
  expect(telling[0]).toContain('"nonce":"nonce 1"');
  expect(telling[2]).toBe(telling[0]);
  expect(telling[3]).toContain('"duplicate":true');
});

it('explain of a rule for clients says so, and shows no exchange', async () => {
  const { code, out } = await suite('explain', 'SEAL-2');
  expect([code, out]).toEqual([0, expect.stringContaining('A rule for clients.')]);
  expect(out).not.toContain('A relay that passes');
});
