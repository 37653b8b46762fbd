/** Every regular expression that is applied to input takes time proportional to the length of the input. */
import { AUTH_SCHEME } from '@bot2bot/schemas';
import { isSafe } from 'redos-detector';
import { describe, expect, it } from 'vitest';
import { inSchemas, inSource, inSources, superlinear, type Found } from './regex-audit.ts';

/** The analyser's limit for the number of ways to match one input; below it, an expression counts as proven linear. */
const FEW_WAYS = 50;
const isProven = (regex: RegExp) => isSafe(regex, { maxScore: FEW_WAYS, timeout: 10_000 }).safe;

/** Expressions that the analyser cannot prove linear, each with the reason why it is. They are measured like all others. */
const UNPROVEN: Readonly<Record<string, string>> = {
  '\\{\\w+\\}': 'reads our own path templates; a run of \\w ends at the next brace, where another begins',
  '\\{(\\w+)\\}': 'as above',
  '^(?:(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?|(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-][AQgw]==|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048]=)?)$':
    'anchored; two alternatives, in each of which one loop gives back whole groups of four, once each',
};

const all = [...inSources(), ...inSchemas()];
const named = (list: readonly Found[]) =>
  list.map(({ where, regex }) => [where, String(regex), regex] as const);

describe('the audit itself', () => {
  it.each([
    // This one was in use: a few thousand spaces in an Authorization header made it slow.
    /^ *([a-z]+)=(.*?) *$/,
    /^Bot2Bot +(.*)$/i,
    /\s+$/,
    /^(\S+)\s+(.*)$/,
    /^(a+)+$/,
    /^(?:\d+)*x/,
    /a.*b/,
  ])('sees that %s is not linear', (regex) => {
    expect(isProven(regex)).toBe(false);
    expect(superlinear(regex)).not.toBeNull();
  });

  it('finds all expressions, including those built from constants', () => {
    const text =
      "const a: RegExp = /^a+$/u;\nf(`${b}`, new RegExp(`^${AUTH_SCHEME} +`, 'i'), RegExp('c'));\n";
    expect(inSource('some.ts', text).map(({ regex }) => String(regex))).toEqual([
      '/^a+$/u',
      `/^${AUTH_SCHEME} +/i`,
      '/c/',
    ]);
    expect(() => inSource('some.ts', 'const f = (x: string) => new RegExp(x);')).toThrow(/not defined/);
  });

  it('reads the sources and the schemas', () => {
    const found = new Set(all.map(({ regex }) => regex.source));
    expect(found).toContain('^\\d{1,9}$');
    expect(found).toContain('^[A-Za-z0-9_-]{4,64}$');
  });
});

it('each expression that is not proven linear is listed with a reason', () => {
  const unproven = all.filter(({ regex }) => !isProven(regex)).map(({ regex }) => regex.source);
  expect([...new Set(unproven)].sort()).toEqual(Object.keys(UNPROVEN).sort());
});

it.each(named(all))('%s: the time of %s is linear in the length', (_where, _text, regex) => {
  expect(superlinear(regex)).toBeNull();
});
