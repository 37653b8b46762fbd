/** Validation of a body, valid or not, never takes much longer than parsing its text. */
import {
  AckBody,
  ClaimBody,
  ClaimRef,
  COMPONENTS,
  DEFAULT_LIMITS,
  DEFAULT_TIMINGS,
  DmBody,
  ListeningBody,
  PostBody,
  PublishBody,
  RegisterBody,
  type Component,
} from '@bot2bot/schemas';
import { Type, type TSchema } from 'typebox';
import { describe, expect, it } from 'vitest';
import { bodyChecks, fromSocket, parseObject } from '../src/validate.ts';

const bodies = bodyChecks(DEFAULT_LIMITS, DEFAULT_TIMINGS);
type Check = (body: Record<string, unknown>) => unknown;

/** Every validator, and the body that it accepts. */
const CHECKS: Readonly<Record<keyof typeof bodies | 'frame', readonly [Check, Component]>> = {
  draftOf: [bodies.draftOf, PostBody],
  frame: [(body) => bodies.draftOf(fromSocket(body)), PostBody],
  listeningOf: [bodies.listeningOf, ListeningBody],
  claimOf: [bodies.claimOf, ClaimBody],
  ackOf: [bodies.ackOf, AckBody],
  claimRefOf: [bodies.claimRefOf, ClaimRef],
  registrationOf: [bodies.registrationOf, RegisterBody],
  dmOf: [bodies.dmOf, DmBody],
  publicationOf: [bodies.publicationOf, PublishBody],
};

const list = (item: string) => (chars: number) =>
  `[${`${item},`.repeat(Math.floor(chars / (item.length + 1)))}${item}]`;
const text =
  (unit: string, end = '') =>
  (chars: number) =>
    `"${unit.repeat(Math.floor(chars / unit.length))}${end}"`;
/** JSON texts of about this many characters, by shape. */
const shapes: Readonly<Record<string, (chars: number) => string>> = {
  'a long text': text('a'),
  'a long text beyond ASCII': text('é'),
  'a long text beyond the BMP': text('😀'),
  'combining characters': text('e\u0301'),
  'base64 that ends wrong': text('AAAA', '!'),
  'base64 in both alphabets': text('A-+A'),
  'tag characters': text('a:'),
  spaces: text(' '),
  '@ signs': text('@'),
  escapes: text('\\u0000'),
  'digits as text': text('9'),
  'digits as a number': (chars) => '9'.repeat(chars),
  'a list of numbers': list('1'),
  'a list of nulls': list('null'),
  'a list of texts': list('"a"'),
  'a list of objects': list('{}'),
  'a list of lists': list('[]'),
  'lists in lists': (chars) => '['.repeat(chars / 2) + ']'.repeat(chars / 2),
  'objects in objects': (chars) => '{"a":'.repeat(chars / 6) + '1' + '}'.repeat(chars / 6),
  'many names': (chars) =>
    `{${Array.from({ length: chars / 12 }, (_, i) => `"k${String(i).padStart(7, '0')}":1`).join(',')}}`,
};
const [HALF, WHOLE] = [96 * 1024, 192 * 1024 - 200];
const SHAPES = Object.fromEntries(
  Object.entries(shapes).map(([shape, json]) => {
    const made = new Map([HALF, WHOLE].map((chars) => [chars, json(chars)]));
    return [shape, (chars: number) => made.get(chars) ?? ''];
  }),
);

/** Paths of the fields of a body, including those of nested objects. */
function fieldsOf(schema: TSchema, path: readonly string[] = []): string[][] {
  const at = '$ref' in schema ? COMPONENTS[String(schema.$ref)] : schema;
  if (at === undefined || !Type.IsObject(at)) return [];
  return Object.entries(at.properties).flatMap(([name, field]) => [
    [...path, name],
    ...fieldsOf(field, [...path, name]),
  ]);
}

/** The example of a body, with one field replaced by this JSON. */
function withField(component: Component, path: readonly string[], json: string): string {
  const [example = {}] = (component as { examples?: Record<string, unknown>[] }).examples ?? [];
  const put = (value: unknown, [name = '', ...rest]: readonly string[]): unknown => ({
    ...(typeof value === 'object' ? value : {}),
    [name]:
      rest.length === 0 ? 'PUT IT HERE' : put((value as Record<string, unknown> | undefined)?.[name], rest),
  });
  return JSON.stringify(put(example, path)).replace('"PUT IT HERE"', () => json);
}

/** The example of a body with many additional unknown fields. */
function withMany(component: Component, chars: number): string {
  const [example = {}] = (component as { examples?: Record<string, unknown>[] }).examples ?? [];
  return JSON.stringify(example).replace(/\}$/, `,${SHAPES['many names']?.(chars).slice(1) ?? ''}`);
}

/** The shortest of several runs, or the first that is below the noise, in ms. */
function best(once: () => void): number {
  let least = Infinity;
  for (let run = 0; run < 5 && least > NOISE_MS; run++) {
    const from = performance.now();
    once();
    least = Math.min(least, performance.now() - from);
  }
  return least;
}

/** Time to parse the text and read each of its characters once, in ms. */
function readingOf(json: string): number {
  return best(() => {
    JSON.parse(json);
    /^[^]*$/.test(json);
  });
}

function checkingOf(json: string, check: Check): number {
  const body = parseObject(json);
  // The validator may modify the body, but in the same way in every run.
  return best(() => {
    try {
      check(body);
    } catch {
      // Refusals are measured too.
    }
  });
}

/** Maximum ratio to the parsing time. One that created an error for each item of a list took fifty times as long. */
const MOST_OF_READING = 5;
/** Times below this are measurement noise, in ms. */
const NOISE_MS = 0.1;
/** Maximum ratio of times when the length doubles: linear is 2, quadratic is 4. */
const MOST_OF_HALF = 3;

/** Expect bounded time. Measures again where it seems too long, to exclude other load on the machine. */
function expectBounded(what: string, at: (chars: number) => string, check: Check): void {
  const whole = at(WHOLE);
  const seen: Readonly<Record<string, number>>[] = [];
  for (let attempt = 0; attempt < 4; attempt++) {
    const long = checkingOf(whole, check);
    if (long <= NOISE_MS) return;
    const half = at(HALF);
    const [short, reading, readingHalf] = [checkingOf(half, check), readingOf(whole), readingOf(half)];
    seen.push({ long, short, reading, readingHalf });
    const isBounded = long <= MOST_OF_READING * reading && short <= MOST_OF_READING * readingHalf;
    if (isBounded && long <= MOST_OF_HALF * short) return;
  }
  expect.fail(`${what}: ${JSON.stringify(seen)}`);
}

describe.each(Object.entries(CHECKS))(
  '%s takes time proportional to the length of the body',
  (_, [check, component]) => {
    const fields = [...fieldsOf(component), ['unknown']];
    it.each(fields.map((path) => [path.join('/'), path] as const))('for any value of %s', (name, path) => {
      for (const [shape, json] of Object.entries(SHAPES))
        expectBounded(`${shape} in ${name}`, (chars) => withField(component, path, json(chars)), check);
    });

    it('however many fields it has', () => {
      expectBounded('many fields', (chars) => withMany(component, chars), check);
    });
  },
);

describe('parseObject takes no longer than decoding and parsing', () => {
  it.each(Object.entries(SHAPES))('%s', (_, json) => {
    for (const chars of [HALF, WHOLE]) {
      const bytes = Buffer.from(`{"a":${json(chars)}}`);
      const reading = best(() => void JSON.parse(bytes.toString()));
      expect(best(() => void parseObject(bytes))).toBeLessThan(MOST_OF_READING * reading + NOISE_MS);
    }
  });
});
