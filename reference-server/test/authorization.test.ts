import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { credentialsOf } from '../src/authorization.ts';

/** The parser of version 0.1, whose cost was quadratic: the new one must accept and refuse the same headers. */
function asBefore(header: string): ReturnType<typeof credentialsOf> {
  const list = /^Bot2Bot +(.*)$/i.exec(header)?.[1];
  if (list === undefined) return null;
  const fields = new Map<string, string>();
  for (const part of list.split(',')) {
    const [, name, value] = /^ *([a-z]+)=(.*?) *$/.exec(part) ?? [];
    if (name === undefined || value === undefined || fields.has(name)) return null;
    fields.set(name, value);
  }
  const [v = '1', ts = '', n = '', sig = ''] = ['v', 'ts', 'n', 'sig'].map((name) => fields.get(name));
  if (v !== '1' && v !== '2') return null;
  const isSignature = /^(?:[A-Za-z0-9+/]{85}[AQgw]==|[A-Za-z0-9_-]{85}[AQgw]==)$/;
  if (!/^\d{1,15}$/.test(ts) || !/^[A-Za-z0-9+/=_-]{16,64}$/.test(n) || !isSignature.test(sig)) return null;
  return { form: v === '2' ? 2 : 1, ts: Number(ts), n, sig };
}

const spaces = fc.integer({ min: 0, max: 3 }).map((many) => ' '.repeat(many));
const cased = fc
  .array(fc.boolean(), { minLength: 7, maxLength: 7 })
  .map((upper) => Array.from('bot2bot', (c, i) => (upper[i] === true ? c.toUpperCase() : c)).join(''));
const base64 = fc.uint8Array({ minLength: 64, maxLength: 64 }).map((bytes) => Buffer.from(bytes));
const valid = fc
  .record({
    scheme: cased,
    v: fc.constantFrom(undefined, '1', '2'),
    ts: fc.integer({ min: 0, max: 999_999_999_999_999 }),
    n: fc.stringMatching(/^[A-Za-z0-9+/=_-]{16,64}$/),
    sig: base64.map((bytes) => bytes.toString('base64')),
    other: fc.constantFrom(undefined, 'a= b=c;', 'zz='),
    gaps: fc.array(spaces, { minLength: 12, maxLength: 12 }),
    order: fc.array(fc.nat(), { minLength: 5, maxLength: 5 }),
  })
  .map(({ scheme, v, ts, n, sig, other, gaps, order }) => {
    const fields = [`ts=${ts}`, `n=${n}`, `sig=${sig}`, ...(v === undefined ? [] : [`v=${v}`])];
    if (other !== undefined) fields.push(other);
    const shuffled = fields
      .map((field, i) => ({ field, at: order[i] ?? 0 }))
      .toSorted((a, b) => a.at - b.at)
      .map(({ field }, i) => `${gaps[2 * i]}${field}${gaps[2 * i + 1]}`);
    return { header: `${scheme} ${shuffled.join(',')}`, want: { form: v === '2' ? 2 : 1, ts, n, sig } };
  });

/** A valid header with some characters removed, inserted or replaced. */
const nearly = fc
  .tuple(
    valid,
    fc.array(
      fc.tuple(fc.nat(), fc.constantFrom('', ' ', ',', '=', 'a', 'Z', '\t', '\u00a0', '-'), fc.boolean()),
      {
        maxLength: 3,
      },
    ),
  )
  .map(([{ header }, edits]) =>
    edits.reduce((text, [at, put, instead]) => {
      const place = at % text.length;
      return text.slice(0, place) + put + text.slice(place + (instead ? 1 : 0));
    }, header),
  );

/** The shortest of many runs, in ms: other load on the machine only adds time. */
function cost(header: string): number {
  let best = Infinity;
  const until = performance.now() + 500;
  for (let run = 0; run < 40 && performance.now() < until; run++) {
    const from = performance.now();
    for (let i = 0; i < 5; i++) credentialsOf(header);
    best = Math.min(best, (performance.now() - from) / 5);
  }
  return best;
}

const long = (unit: string, chars: number) => unit.repeat(Math.ceil(chars / unit.length)).slice(0, chars);
const names = Array.from({ length: 4_000 }, (_, i) =>
  Array.from(i.toString(26), (digit) => String.fromCharCode(97 + Number.parseInt(digit, 26))).join(''),
);
const HOSTILE: Readonly<Record<string, (chars: number) => string>> = {
  'spaces after =': (chars) => `Bot2Bot a=${long(' ', chars)}x`,
  'spaces after the scheme': (chars) => `Bot2Bot${long(' ', chars)}x`,
  'spaces before =': (chars) => `Bot2Bot a${long(' ', chars)}=x`,
  'spaces before a name': (chars) => `Bot2Bot ${long(' ', chars)}A=x`,
  'a name': (chars) => `Bot2Bot ${long('a', chars)}`,
  'a name and =': (chars) => `Bot2Bot ${long('a=', chars)}`,
  commas: (chars) => `Bot2Bot ${long(',', chars)}`,
  'many fields': (chars) => `Bot2Bot ${long(names.map((name) => `${name}=`).join(','), chars)}`,
  'spaces between letters': (chars) => `Bot2Bot a=${long('b ', chars)}`,
  digits: (chars) => `Bot2Bot ts=${long('1', chars)}`,
  'a nonce': (chars) => `Bot2Bot ts=1,n=${long('n', chars)}`,
  'a signature': (chars) => `Bot2Bot ts=1,n=${long('n', 16)},sig=${long('A', chars)}`,
};

describe('the Authorization header', () => {
  it('REQ-1 REQ-6: is accepted with fields in any order, with spaces, and with the scheme in any case', () => {
    fc.assert(
      fc.property(valid, ({ header, want }) => {
        expect(credentialsOf(header)).toEqual(want);
        expect(asBefore(header)).toEqual(want);
      }),
      { numRuns: 500 },
    );
  });

  it('REQ-2: any header is accepted or refused as by the old parser', () => {
    const anything = fc
      .string({ unit: 'binary-ascii', maxLength: 60 })
      .map((text) => text.replaceAll(/[\r\n]/g, ''));
    const texts = fc.oneof(
      nearly,
      anything,
      anything.map((text) => `Bot2Bot ${text}`),
    );
    fc.assert(
      fc.property(texts, (text) => {
        expect(credentialsOf(text)).toEqual(asBefore(text));
      }),
      { numRuns: 3_000 },
    );
    expect(credentialsOf(undefined)).toBeNull();
    const sig = randomBytes(64).toString('base64');
    expect(credentialsOf(`Bot2Bot ts=1,n=${'n'.repeat(16)},sig=${sig},ts=1`)).toBeNull();
  });

  it.each(Object.entries(HOSTILE))('takes time proportional to its length: %s', (_, header) => {
    // For twice the length, a linear cost doubles and a quadratic one quadruples.
    const [short, whole] = [header(7_750), header(15_500)];
    cost(whole);
    const [half, full] = [cost(short), cost(whole)];
    expect(full).toBeLessThan(Math.max(3 * half, 0.02));
    expect(full).toBeLessThan(2);
  });
});
