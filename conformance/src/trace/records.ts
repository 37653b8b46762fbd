/**
 * The trace: what the suite did and saw, one JSON object a line. `judge` needs nothing else.
 *
 *   trace = run (case event* end)*        cases may interleave; every line names its case
 *
 * Times are milliseconds on the suite's monotonic clock, from the start of the run.
 */
import type { Level, Limits, Timings } from '@bot2bot/schemas';

/** What the target said of itself, or what is assumed where it said nothing. */
export interface TargetFacts {
  readonly url: string;
  readonly level: Level;
  /** Whether `/.well-known/bot2bot` was served. */
  readonly declared: boolean;
  readonly profiles: readonly string[];
  readonly limits: Limits;
  readonly timings: Timings;
  /** Declared values outside the ranges of the specification; any makes the run a lab run. */
  readonly outside: readonly string[];
  readonly implementation: { readonly name: string; readonly version: string } | null;
}

export interface RunRecord {
  readonly t: 'run';
  readonly suite: string;
  readonly spec: string;
  readonly startedAt: string;
  readonly seed: number;
  /** Makes room ids of this run unlike those of any other. */
  readonly salt: string;
  /** How many agents were registered before the cases, which share them. */
  readonly agents?: number;
  readonly cert: boolean;
  /** Rules, chapters or checks that were asked for; empty for all. */
  readonly only: readonly string[];
  readonly target: TargetFacts;
}

export interface CaseRecord {
  readonly t: 'case';
  readonly case: string;
  /** Which check was driven. */
  readonly check: string;
  /** The program that was run, for checks that are given one. */
  readonly program?: unknown;
  /** 0, or how many times the case had been run before. */
  readonly attempt: number;
  readonly at: number;
}

export interface EndRecord {
  readonly t: 'end';
  readonly case: string;
  readonly at: number;
  /** `interrupted`: the check's deadline or the user ended it; what it saw proves nothing. */
  readonly outcome: 'done' | 'interrupted' | 'fault';
  readonly error?: string;
  /** Longest time for which the suite itself did not run or kept to the target's rates, in ms. */
  readonly lag: number;
}

interface Event {
  readonly case: string;
  /** Position of the step in its case: `3`, or `b1.3` for the third step of branch 1. */
  readonly key: string;
}

export interface HttpRecord extends Event {
  readonly t: 'http';
  readonly t0: number;
  readonly t1: number;
  readonly method: string;
  readonly path: string;
  readonly reqHeaders: Readonly<Record<string, string>>;
  readonly reqBody?: string;
  /** 0 when no answer came; `error` says why. */
  readonly status: number;
  readonly resHeaders: Readonly<Record<string, string>>;
  readonly resBody: string;
  readonly error?: string;
  /** Sent outside the declared rate on purpose. */
  readonly flood?: true;
}

export interface OpenRecord extends Event {
  readonly t: 'open';
  readonly kind: 'sse' | 'ws';
  readonly t0: number;
  readonly t1: number;
  readonly path: string;
  readonly reqHeaders: Readonly<Record<string, string>>;
  /** 200 or 101 when the stream is open; 0 when nothing came. */
  readonly status: number;
  readonly resHeaders: Readonly<Record<string, string>>;
  readonly resBody: string;
  readonly error?: string;
}

export interface FrameRecord extends Event {
  readonly t: 'frame';
  readonly at: number;
  readonly kind: 'event' | 'comment' | 'text' | 'binary';
  readonly id?: string;
  readonly data: string;
}

export interface SendRecord extends Event {
  readonly t: 'send';
  /** Key of the stream's `open`. */
  readonly stream: string;
  readonly at: number;
  readonly data: string;
  readonly flood?: true;
}

export interface CloseRecord extends Event {
  readonly t: 'close';
  readonly at: number;
  readonly by: 'relay' | 'suite';
  readonly code?: number;
}

/** How many frames of a stream a step had seen when it went on. */
export interface LookRecord extends Event {
  readonly t: 'look';
  readonly stream: string;
  readonly at: number;
  readonly frames: number;
  readonly closed: boolean;
}

interface SleepRecord extends Event {
  readonly t: 'sleep';
  readonly t0: number;
  readonly t1: number;
}

export type StepRecord = HttpRecord | OpenRecord | SendRecord | LookRecord | SleepRecord;
export type TraceRecord = RunRecord | CaseRecord | EndRecord | StepRecord | FrameRecord | CloseRecord;

/** Everything that one case left in the trace, in the order of writing. */
export interface CaseTrace {
  readonly start: CaseRecord;
  readonly end: EndRecord | null;
  readonly events: readonly (StepRecord | FrameRecord | CloseRecord)[];
}

/** A trace, taken apart. */
export interface Trace {
  readonly run: RunRecord;
  readonly cases: readonly CaseTrace[];
}

/**
 * Read a trace from its lines.
 * @throws {SyntaxError} naming the line that is not a record.
 */
export function parseTrace(text: string): Trace {
  const lines = text.split('\n').filter((line) => line !== '');
  const records = lines.map((line, index) => {
    try {
      const record = JSON.parse(line) as TraceRecord;
      if (typeof record.t !== 'string') throw new TypeError('no t');
      return record;
    } catch {
      throw new SyntaxError(`line ${index + 1} of the trace is not a record`);
    }
  });
  const run = records.find((record) => record.t === 'run');
  if (run === undefined) throw new SyntaxError('the trace has no run record');
  return { run, cases: groupCases(records) };
}

function groupCases(records: readonly TraceRecord[]): CaseTrace[] {
  const cases = new Map<
    string,
    { start: CaseRecord; end: EndRecord | null; events: CaseTrace['events'][number][] }
  >();
  for (const record of records) {
    if (record.t === 'run') continue;
    if (record.t === 'case') {
      cases.set(record.case, { start: record, end: null, events: [] });
      continue;
    }
    const known = cases.get(record.case);
    if (known === undefined)
      throw new SyntaxError(`the trace has an event of an unknown case ${record.case}`);
    if (record.t === 'end') known.end = record;
    else known.events.push(record);
  }
  return [...cases.values()];
}
