/**
 * Finds the rule that catches an altered field, without a relay: the recorded answers and frames of a correct relay are
 * altered and judged again.
 *
 * The result is that of a live run as long as the check sends the same requests. If a request would differ because of the
 * altered value, the case diverges: nothing after that counts, and a live run is needed.
 */
import { REQUIREMENTS, type OperationId } from '@bot2bot/schemas';
import { binds } from '../src/checks/scope.ts';
import { judgeCase } from '../src/judge/case.ts';
import { RELAY } from '../src/judge/relay.ts';
import { TapeSteps } from '../src/judge/replay-steps.ts';
import { RelayScript } from '../src/script/claims.ts';
import type { Outcome } from '../src/script/script.ts';
import { Interrupted, type Call, type Request, type Steps, type StreamLog } from '../src/script/steps.ts';
import { operationOf } from '../src/trace/operations.ts';
import type {
  FrameRecord,
  HttpRecord,
  LookRecord,
  RelayCase,
  RelayEvent,
  RelayRun,
  RelayTrace,
  SendRecord,
} from '../src/trace/records.ts';
import { another, FieldAlteration, type Mutation } from './fields.ts';

/** The result of one case for one mutation. */
export interface Finding {
  /** How many values were altered. */
  readonly altered: number;
  /** A MUST that fails, or null. */
  readonly rule: string | null;
  /** Whether the check would have sent another request. */
  readonly diverged: boolean;
}

function endOf(event: RelayEvent): number {
  return 't1' in event ? event.t1 : event.at;
}

/** The events that a mutation may alter (successful answers, and frames), each with its operation. */
function operationsOf({ events }: RelayCase): Map<RelayEvent, OperationId> {
  const found = new Map<RelayEvent, OperationId>();
  const streams = new Map<string, OperationId | null>();
  for (const event of events) {
    let operation: OperationId | null | undefined = null;
    if (event.t === 'open') streams.set(event.key, operationOf('GET', event.path));
    if (event.t === 'http' && event.status >= 200 && event.status < 300)
      operation = operationOf(event.method, event.path);
    if (event.t === 'frame' && event.kind !== 'comment' && event.kind !== 'binary')
      operation = streams.get(event.key.slice(0, event.key.lastIndexOf('#')));
    if (operation !== null && operation !== undefined) found.set(event, operation);
  }
  return found;
}

function alteredTrace(honest: HonestCase, mutation: Mutation): { trace: RelayCase; altered: number } {
  const alteration = new FieldAlteration(mutation);
  const events = honest.trace.events.map((event): RelayEvent => {
    // 200, since only successful answers and frames have an operation.
    if (!alteration.concerns(honest.operations.get(event) ?? null, 200)) return event;
    const before = alteration.count;
    if (event.t === 'http') {
      const resBody = alteration.json(event.resBody);
      return alteration.count === before ? event : { ...event, resBody };
    }
    if (event.t !== 'frame') return event;
    const data = alteration.json(event.data);
    const { id: given, ...rest } = event;
    const id = event.kind === 'event' ? alteration.eventId(given) : given;
    return alteration.count === before ? event : { ...rest, data, ...(id === undefined ? {} : { id }) };
  });
  return { trace: { ...honest.trace, events }, altered: alteration.count };
}

/** The run, as if the relay had declared another value. */
function alteredRun(run: RelayRun, { field: { path, schema } }: Mutation): RelayRun {
  const [place = '', name = ''] = path;
  const { target } = run;
  const table = (place === 'limits' ? target.limits : target.timings) as Readonly<Record<string, number>>;
  return { ...run, target: { ...target, [place]: { ...table, [name]: another(schema, name, table[name]) } } };
}

/** A table that notes the names that are read. */
function noting<T extends object>(table: T, names: Set<string>): T {
  return new Proxy(table, {
    get: (values, name, self) => {
      names.add(String(name));
      return Reflect.get(values, name, self) as unknown;
    },
  });
}

/** The request of each step of a check, and its time in the recording. */
type Taken = Map<string, { readonly asked: unknown; readonly at: number }>;

class Diverged extends Interrupted {}

/** Replays a case and records the requests of the check. Given those of the honest run, it stops at the first that differs. */
class WatchedSteps implements Steps {
  readonly #tape: TapeSteps;
  readonly #expected: Taken | null;
  readonly taken: Taken = new Map();
  /** Time in the recording of the first difference. */
  divergedAt = Infinity;

  constructor(trace: RelayCase, expected: Taken | null) {
    this.#tape = new TapeSteps(trace);
    this.#expected = expected;
  }

  /** Record a step. @returns whether it is the same as in the honest run. */
  #note(key: string, asked: unknown, at: number): boolean {
    this.taken.set(key, { asked, at });
    if (this.#expected === null) return true;
    const before = this.#expected.get(key);
    return before !== undefined && isAlike(before.asked, asked);
  }

  #act(key: string, asked: unknown): void {
    const at = this.#expected?.get(key)?.at ?? 0;
    if (this.divergedAt < Infinity) throw new Diverged(`diverged before ${key}`);
    if (this.#note(key, asked, at)) return;
    this.divergedAt = at;
    throw new Diverged(`diverged at ${key}`);
  }

  async #known<T extends { readonly t0?: number; readonly at?: number }>(
    key: string,
    asked: unknown,
    take: () => Promise<T>,
  ): Promise<T> {
    if (this.#expected !== null) {
      this.#act(key, asked);
      return take();
    }
    const record = await take();
    this.#note(key, asked, record.t0 ?? record.at ?? 0);
    return record;
  }

  http(key: string, { method, path, headers, body }: Call): Promise<HttpRecord> {
    return this.#known(key, [method, path, headers ?? {}, valueOf(body)], () => this.#tape.http(key));
  }

  async open(key: string, kind: 'sse' | 'ws', { path, headers }: Request): Promise<StreamLog> {
    let log: StreamLog | undefined;
    await this.#known(key, [kind, path, headers ?? {}], async () => (log = await this.#tape.open(key)).open);
    return log ?? this.#tape.open(key);
  }

  send(key: string, stream: string, data: string): Promise<SendRecord> {
    return this.#known(key, [stream, valueOf(data)], () => this.#tape.send(key));
  }

  /**
   * If the altered frames would have made the check wait longer, the replay diverges only at the next request: what the
   * check requires of the frames themselves still counts.
   */
  async awaitFrames(
    key: string,
    stream: string,
    until: (frames: readonly FrameRecord[]) => boolean,
  ): Promise<LookRecord> {
    const record = await this.#tape.awaitFrames(key);
    const frames = (await this.#tape.open(stream)).frames.slice(0, record.frames);
    const asked = [until(frames), until(frames.slice(0, -1))];
    if (!this.#note(key, asked, record.at)) this.divergedAt = Math.min(this.divergedAt, record.at);
    return record;
  }

  async sleep(key: string, ms: number): Promise<void> {
    await this.#known(key, ms, async () => {
      await this.#tape.sleep(key);
      return {};
    });
  }

  hold(): void {
    this.#tape.hold();
  }

  close(): void {
    this.#tape.close();
  }
}

function valueOf(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '') as unknown;
  } catch {
    return text;
  }
}

/** Names of fields and headers with a signature, which is new in every replay. */
const AFRESH = /sig2?$|^authorization$/i;
/** Maximum difference of the Unix times in two replays of the same run, in ms. */
const REPLAYS_MS = 900_000;

/** Whether two requests are the same, apart from times and signatures. */
function isAlike(a: unknown, b: unknown): boolean {
  if (typeof a === 'number' && typeof b === 'number' && a > 1e12 && a < 1e13)
    return Math.abs(a - b) < REPLAYS_MS;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  const [left, right] = [Object.entries(a), new Map(Object.entries(b))];
  return (
    left.length === right.size &&
    left.every(([name, value]) => AFRESH.test(name) || isAlike(value, right.get(name)))
  );
}

const MUSTS = new Map(REQUIREMENTS.filter(({ word }) => word === 'MUST').map((rule) => [rule.id, rule]));

/** The first MUST that fails, preferably not by lateness, which counts only if it happens again. */
function broken(run: RelayRun, outcomes: readonly Outcome[], but: ReadonlySet<string>): string | null {
  const failed = outcomes.filter(({ ok, rule }) => {
    const must = MUSTS.get(rule);
    return !ok && !but.has(rule) && must !== undefined && binds(must, run.target);
  });
  return (failed.find(({ late }) => late !== true) ?? failed[0])?.rule ?? null;
}

async function takenIn(run: RelayRun, trace: RelayCase, expected: Taken | null): Promise<WatchedSteps> {
  const steps = new WatchedSteps(trace, expected);
  try {
    const check = RELAY.checks.find(({ id }) => id === trace.start.check);
    await check?.run(new RelayScript({ steps, run, case: trace.start.case }), trace.start.program);
  } catch {
    // The recording has ended or the check has diverged: `steps` has the result.
  }
  return steps;
}

function upTo(trace: RelayCase, at: number): RelayCase {
  return { ...trace, events: trace.events.filter((event) => endOf(event) <= at) };
}

/** One case of an honest run. */
export class HonestCase {
  readonly run: RelayRun;
  readonly trace: RelayCase;
  readonly operations: ReadonlyMap<RelayEvent, OperationId>;
  /** The limits and timings of the relay that its judgement depends on. */
  readonly reads: ReadonlySet<string>;
  #taken: Promise<WatchedSteps> | undefined;

  constructor(run: RelayRun, trace: RelayCase, reads: ReadonlySet<string>) {
    this.run = run;
    this.trace = trace;
    this.reads = reads;
    this.operations = operationsOf(trace);
  }

  get check(): string {
    return this.trace.start.check;
  }

  /** Number of characters received: a measure of the cost of judging the case. */
  get size(): number {
    return this.trace.events.reduce(
      (sum, event) =>
        sum + (event.t === 'http' ? event.resBody.length : event.t === 'frame' ? event.data.length : 0),
      0,
    );
  }

  touches(operation: OperationId): boolean {
    return [...this.operations.values()].includes(operation);
  }

  async with(mutation: Mutation): Promise<Finding> {
    const { trace, altered } = alteredTrace(this, mutation);
    if (altered === 0) return { altered, rule: null, diverged: false };
    return { altered, ...(await this.#judge(this.run, trace)) };
  }

  /** Judge the relay by another declared value. */
  async declaring(mutation: Mutation): Promise<Finding> {
    if (!this.reads.has(mutation.field.path[1] ?? '')) return { altered: 0, rule: null, diverged: false };
    return { altered: 1, ...(await this.#judge(alteredRun(this.run, mutation), this.trace)) };
  }

  async #judge(run: RelayRun, trace: RelayCase): Promise<Omit<Finding, 'altered'>> {
    const none: ReadonlySet<string> = new Set();
    const judged = broken(run, (await judgeCase(RELAY, run, trace)).outcomes, none);
    this.#taken ??= takenIn(this.run, this.trace, null);
    const { divergedAt } = await takenIn(run, trace, (await this.#taken).taken);
    if (divergedAt === Infinity) return { rule: judged, diverged: false };
    if (judged === null) return { rule: null, diverged: true };
    // Ignore rules that fail only because the case is cut off here.
    const early = (await judgeCase(RELAY, this.run, upTo(this.trace, divergedAt))).outcomes;
    const but = new Set(early.filter(({ ok }) => !ok).map(({ rule }) => rule));
    const rule = broken(run, (await judgeCase(RELAY, run, upTo(trace, divergedAt))).outcomes, but);
    return { rule, diverged: true };
  }
}

/** The cases of an honest run, smallest first, without those in which a rule failed (on a loaded machine). */
export async function honestCases({ run, cases }: RelayTrace): Promise<HonestCase[]> {
  const honest: HonestCase[] = [];
  for (const trace of cases) {
    if (trace.start.attempt > 0) continue;
    const reads = new Set<string>();
    const { target } = run;
    const limits = noting(target.limits, reads);
    const timings = noting(target.timings, reads);
    const watched = { ...run, target: { ...target, limits, timings } };
    const { outcomes, trouble } = await judgeCase(RELAY, watched, trace);
    if (trouble === '' && outcomes.every(({ ok }) => ok)) honest.push(new HonestCase(run, trace, reads));
  }
  return honest.sort((a, b) => a.size - b.size);
}
