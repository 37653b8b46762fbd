import fc from 'fast-check';
import { Compile } from 'typebox/compile';
import { describe, expect, it } from 'vitest';
import * as generated from '../../spec/generated/bot2bot.ts';
import { COMPONENTS } from '../src/index.ts';

type Check = (value: unknown) => boolean;
const checks = generated as unknown as Readonly<Record<string, Check>>;

/** Values at the boundaries of the schemas. */
const edges = fc.constantFrom<unknown>(
  undefined,
  null,
  true,
  false,
  0,
  -0,
  1,
  -1,
  0.5,
  NaN,
  Infinity,
  29_999,
  30_000,
  31_622_400_000,
  31_622_400_001,
  Number.MAX_SAFE_INTEGER,
  Number.MAX_SAFE_INTEGER + 1,
  '',
  'a',
  'abcd',
  'AAAA',
  'AB==',
  'AA==',
  '+_==',
  'm_8f3kQ2aVxw0',
  'x'.repeat(64),
  'x'.repeat(65),
  'A'.repeat(32),
  'A'.repeat(1025),
  [],
  [1],
  {},
  { from: 1, to: 2 },
  [{ name: 'a' }],
  { a: 1 },
  { a: 'b' },
  'message',
  'ready',
);

describe('the standalone checkers', () => {
  it.each(Object.keys(COMPONENTS))('%s agrees with TypeBox on its example and on near misses', (name) => {
    const schema = COMPONENTS[name];
    const check = checks[name];
    if (schema === undefined || check === undefined) throw new Error(`${name} was not generated`);
    const typebox = Compile({ ...COMPONENTS }, schema);
    const [example] = (schema as unknown as { examples: Record<string, unknown>[] }).examples;
    expect(check(example)).toBe(true);
    let [yes, no] = [0, 0];
    const fields = Object.keys((schema as unknown as { properties: object }).properties);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(...fields, 'unknown'), edges, fc.boolean()), { maxLength: 3 }),
        (changes) => {
          const value = { ...example };
          for (const [field, edge, remove] of changes) {
            if (remove || edge === undefined) delete value[field];
            else value[field] = edge;
          }
          const expected = typebox.Check(value);
          if (expected) yes++;
          else no++;
          expect({ value, ok: check(value) }).toEqual({ value, ok: expected });
        },
      ),
      { numRuns: 2_000 },
    );
    expect(yes).toBeGreaterThan(0);
    expect(no).toBeGreaterThan(0);
    for (const value of [undefined, null, [], 'text', 7]) expect(check(value)).toBe(typebox.Check(value));
  });
});
