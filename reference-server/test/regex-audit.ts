/** Finds the regular expressions that are applied to input, and measures their worst-case time. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { runInNewContext } from 'node:vm';
import * as schemas from '@bot2bot/schemas';
import fc from 'fast-check';
import { parseSync } from 'vite';

export interface Found {
  /** Source file or schema, for messages. */
  readonly where: string;
  readonly regex: RegExp;
}

const root = join(import.meta.dirname, '../..');

type Tree = Readonly<Record<string, unknown>>;
const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null;

function* walk(value: unknown): Generator<Tree> {
  if (!isTree(value)) return;
  yield value;
  for (const child of Object.values(value)) yield* walk(child);
}

/** Evaluate an expression from the sources that uses only constants and exports of the schemas. */
function evaluate(expression: string): unknown {
  return runInNewContext(`(${expression})`, { ...schemas, RegExp });
}

/**
 * Every regular expression in a source.
 * @throws for one that is not built from constants, since it cannot be measured.
 */
export function inSource(where: string, text: string): Found[] {
  const { program, errors } = parseSync(where, text);
  if (errors.length > 0) throw new Error(`${where} cannot be parsed`);
  const found: Found[] = [];
  for (const node of walk(program)) {
    const { regex, callee, start, end } = node;
    if (node['type'] === 'Literal' && isTree(regex))
      found.push({ where, regex: new RegExp(String(regex['pattern']), String(regex['flags'])) });
    const called = node['type'] === 'NewExpression' || node['type'] === 'CallExpression';
    if (!called || !isTree(callee) || callee['name'] !== 'RegExp') continue;
    const made = evaluate(text.slice(Number(start), Number(end)));
    if (!(made instanceof RegExp)) throw new Error(`${where}: no regular expression`);
    found.push({ where, regex: made });
  }
  return found;
}

/** Every regular expression in the sources of the relay and of the schemas, which it runs. */
export function inSources(): Found[] {
  const folders = ['reference-server/src', 'schemas/src'].map((name) => join(root, name));
  return folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .sort()
      .map((name) => join(folder, name))
      .flatMap((file) => inSource(relative(root, file), readFileSync(file, 'utf8'))),
  );
}

/** Every `pattern` in the schemas of bodies, answers, paths and queries. */
export function inSchemas(): Found[] {
  const patterns = new Set<string>();
  for (const node of walk([schemas.COMPONENTS, schemas.PATH_PARAMS, schemas.openapiDocument()])) {
    if (typeof node['pattern'] === 'string') patterns.add(node['pattern']);
  }
  // Compiled with the flag that validators use.
  return [...patterns].map((pattern) => ({ where: 'a schema', regex: new RegExp(pattern, 'u') }));
}

/** The shortest of several runs, in ms: other load on the machine only adds time. */
function cost(regex: RegExp, input: string): number {
  let best = Infinity;
  for (let run = 0; run < 3; run++) {
    const fresh = new RegExp(regex.source, regex.flags);
    const before = performance.now();
    fresh.exec(input);
    best = Math.min(best, performance.now() - before);
    if (tooLong(best, input.length)) return best;
  }
  return best;
}

/** Input lengths in characters. The short ones detect exponential time before it becomes too long to wait for. */
const LENGTHS = [16, 24, 100, 500, 2_000, 8_000, 16_000, 32_000, 64_000] as const;
/** Differences below this are measurement noise. */
const NOISE_MS = 0.5;
const TOO_LONG_MS = 200;
/** A linear expression takes about a microsecond for this many characters. */
const SHORT = 60;
const TOO_LONG_FOR_SHORT_MS = 5;
const tooLong = (ms: number, length: number) => ms > (length <= SHORT ? TOO_LONG_FOR_SHORT_MS : TOO_LONG_MS);
/** Maximum ratio of times when the length doubles: linear is 2, quadratic is 4. */
const SLACK = 3;

/** Attack inputs by length: a match of the pattern with a long run of one character inside, and an end that does not match. */
function* attacks({ source, flags }: RegExp): Generator<(length: number) => string> {
  // These flags do not change which strings match.
  const plain = new RegExp(source, flags.replace(/[dgimy]/g, ''));
  const matches = [...fc.sample(fc.stringMatching(plain), { seed: 20_261_128, numRuns: 3 }), ''];
  for (const text of new Set(matches.map((match) => match.slice(0, 16)))) {
    for (let at = 0; at <= text.length; at++) {
      const [head, tail] = [text.slice(0, at), text.slice(at)];
      for (const piece of new Set([head.slice(-1), tail.slice(0, 1), head.slice(-2), ' ', 'a', '0'])) {
        if (piece === '') continue;
        for (const end of ['\n', '\u0000', `${tail}\n`, `${piece}\n${tail}`])
          yield (length) => head + piece.repeat(Math.ceil(length / piece.length)) + end;
      }
    }
  }
}

function told(costs: readonly number[], attack: (length: number) => string): string {
  const each = costs.map((ms, i) => `${LENGTHS[i]}: ${ms.toFixed(2)} ms`);
  return `${each.join(', ')} for ${JSON.stringify(attack(8))}`;
}

/** @returns the measured times, if they grew faster than the length; otherwise null. */
function growth(regex: RegExp, attack: (length: number) => string): string | null {
  const costs: number[] = [];
  for (const length of LENGTHS) {
    const ms = cost(regex, attack(length));
    costs.push(ms);
    if (tooLong(ms, length)) return told(costs, attack);
  }
  const [longest = 0, half = 0, quarter = 0] = costs.toReversed();
  const grows = longest > SLACK * Math.max(half, NOISE_MS) || half > SLACK * Math.max(quarter, NOISE_MS);
  return grows ? told(costs, attack) : null;
}

/** @returns an attack with its times by length; null when all times are linear. */
export function superlinear(regex: RegExp): string | null {
  for (const attack of attacks(regex)) {
    // Measured twice, to exclude other load on the machine.
    const seen = growth(regex, attack) === null ? null : growth(regex, attack);
    if (seen !== null) return seen;
  }
  return null;
}
