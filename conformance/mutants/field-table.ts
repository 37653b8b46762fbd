/** Decides of every mutation of a field which rule catches it, or why none does. */
import { REQUIREMENTS } from '@bot2bot/schemas';
import { judge, probe, RELAY, relayDriver, Runner, startTarget, type RelayTrace } from '../src/index.ts';
import { FIELDS } from '../src/report/fields.gen.ts';
import { broken } from './broken.ts';
import { FieldAlteration, fieldsOf, isDeclared, mutationsOf, type Mutation } from './fields.ts';
import { LAB } from './mutants.ts';
import { startProxy, type Proxy } from './proxy.ts';
import { honestCases, type HonestCase } from './replay.ts';
import { UNSEEN } from './unseen.ts';

/** Seed and programs of the honest run and of the live ones: the same, so that they do the same. */
const RUN = { seed: 1, runs: 6, cert: false } as const;

/** Many runs register more handles than one. */
const FLAGS = ['--address-registrations', '100000'];

/** Checks of what a relay says of itself, and of values that it says. */
const OF_DISCOVERY: string[] = [
  'CORE-11/discovery',
  'CORE-8/long-body',
  'MSG-8/ttl-range',
  'READ-13/buffer',
  'READ-3/timeout',
];

/** Checks that tell within seconds that a relay has other limits or timings than it declares. */
const OF_VALUES: string[] = [
  'CORE-8/at-the-limit',
  'MSG-8/ttl-range',
  'MSG-16/memory',
  'ROOM-6/kept',
  'STREAM-21/over',
  'STREAM-23/coalesced',
  'CLAIM-18/bounds',
  'CLAIM-17/clamped',
];

/** What catches a mutation. */
interface Catch {
  readonly rule: string;
  /** The check that drove the case. */
  readonly check: string;
  /** Found by a live run through the proxy, because the replay does not tell. */
  readonly live: boolean;
}

export interface Row {
  readonly mutation: Mutation;
  readonly caught: Catch | null;
  /** Why no rule catches it; empty where nothing says why, and a check is wanting. */
  readonly why: string;
}

/** A relay behind a proxy. */
export interface Bench {
  readonly proxy: Proxy;
  stop(): Promise<void>;
}

export async function startBench(): Promise<Bench> {
  const path = await broken('honest', []);
  const command = `exec node ${path} --port {port} ${[...LAB, ...FLAGS].join(' ')}`;
  const relay = await startTarget(command, new AbortController().signal);
  const proxy = await startProxy(relay.url);
  return {
    proxy,
    stop: async () => {
      await proxy.stop();
      await relay.stop();
    },
  };
}

const relayMusts = new Set(
  REQUIREMENTS.filter(({ actor, word }) => actor === 'relay' && word === 'MUST').map(({ id }) => id),
);

/** Run checks through the proxy. @param only rules or checks; empty for all. */
export async function runThrough({ proxy }: Bench, mutation: Mutation | null, only: readonly string[]) {
  proxy.alter(mutation === null ? null : new FieldAlteration(mutation));
  // A relay that does not tell its level is one of level compat; this one is certified as hardened.
  const target = await probe(proxy.url, 'hardened');
  const trace = await new Runner(relayDriver(target), {
    ...RUN,
    only,
    signal: new AbortController().signal,
  }).run();
  const { results } = await judge(RELAY, trace);
  const failed = results.filter(({ verdict, rule }) => verdict === 'fail' && relayMusts.has(rule.id));
  return {
    trace,
    failed: failed.map(({ rule, failures }) => ({ rule: rule.id, check: failures[0]?.check ?? '' })),
  };
}

/**
 * What a target says of itself decides how it is judged: a replay judges by what it said in the honest run, apart from the
 * limits and timings.
 */
function isOnlyLive({ field }: Mutation): boolean {
  return field.operation === 'discovery' && !isDeclared(field);
}

/** What the table said the last time. */
function before({ name }: Mutation): Catch | null {
  const [rule, , check, live] = FIELDS[name]?.split(/[ ,]+/) ?? [];
  return rule === undefined || check === undefined || !relayMusts.has(rule)
    ? null
    : { rule, check, live: live === 'live' };
}

export function textOf({ caught, why }: Row): string {
  return caught === null
    ? `not seen: ${why || 'and nothing says why'}`
    : `${caught.rule} by ${caught.check}${caught.live ? ', live' : ''}`;
}

/** @returns the catch, or the checks of which only a live run can tell. */
async function replay(mutation: Mutation, cases: readonly HonestCase[]): Promise<Catch | string[]> {
  const old = before(mutation);
  const { field, kind } = mutation;
  const isOther = isDeclared(field) && kind === 'other';
  const mine = cases.filter((given) =>
    isOther ? given.reads.has(field.path[1] ?? '') : given.touches(field.operation),
  );
  const first = mine.filter(({ check }) => check === old?.check);
  const diverged = new Set<string>();
  for (const given of [...first, ...mine.filter((other) => !first.includes(other))]) {
    const { rule, diverged: otherwise } = await (isOther ? given.declaring(mutation) : given.with(mutation));
    if (rule !== null) return { rule, check: given.check, live: false };
    if (otherwise && (!isOther || OF_VALUES.includes(given.check))) diverged.add(given.check);
  }
  return [...diverged];
}

/** Run what may catch it, one check at a time. */
async function live(bench: Bench, mutation: Mutation, checks: readonly string[]): Promise<Catch | null> {
  const old = before(mutation)?.check;
  for (const check of [...(old === undefined ? [] : [old]), ...checks]) {
    const { failed } = await runThrough(bench, mutation, [check]);
    const [found] = failed;
    if (found !== undefined) return { ...found, live: true };
  }
  return null;
}

/** Decide of the mutations of a contract's fields, given an honest run. @param wanted part of their names. */
export async function decide(trace: RelayTrace, bench: Bench, wanted: readonly Mutation[]): Promise<Row[]> {
  const cases = await honestCases(trace);
  const rows: Row[] = [];
  for (const mutation of wanted) {
    const found = isOnlyLive(mutation) ? OF_DISCOVERY : await replay(mutation, cases);
    const caught = Array.isArray(found) ? await live(bench, mutation, found) : found;
    rows.push({ mutation, caught, why: caught === null ? (reasonFor(mutation)?.why ?? '') : '' });
  }
  return rows;
}

function reasonFor({ name }: Mutation, reasons = UNSEEN): (typeof UNSEEN)[number] | undefined {
  return reasons.find(({ what }) => what.test(name));
}

/** Rows that nothing catches although no reason explains them, or although the table says that they were caught. */
export function missedOf(rows: readonly Row[]): Row[] {
  return rows.filter(
    ({ mutation, caught, why }) => caught === null && (why === '' || before(mutation) !== null),
  );
}

/** Reasons that explain none of the rows of the whole table. @returns what they match. */
export function staleOf(rows: readonly Row[], reasons: typeof UNSEEN = UNSEEN): string[] {
  const uncaught = rows.filter(({ caught }) => caught === null).map(({ mutation }) => mutation);
  const used = new Set(uncaught.map((mutation) => reasonFor(mutation, reasons)));
  return reasons.filter((reason) => !used.has(reason)).map(({ what }) => what.source);
}

/** @param name `OPERATION` or `OPERATION.FIELD`; empty for all. */
export function wantedBy(name: string): Mutation[] {
  const all = mutationsOf(fieldsOf());
  return all.filter(
    ({ field }) =>
      field.name === name ||
      field.name.startsWith(name === '' ? '' : `${name}.`) ||
      field.name.startsWith(`${name}[`),
  );
}
