/**
 * The trace: all that the suite sent and received, as one JSON object per line. `judge` needs no other input.
 *
 *   trace = run (case event* end)*        cases may interleave; every line names its case
 *
 * Times are milliseconds on the suite's monotonic clock, from the start of the run.
 */
import type { Level, Limits, Timings } from '@bot2bot/schemas';

/** Version of the suite, recorded in traces and reports. */
export const SUITE_VERSION = '0.1.0';

/** Facts about a target of any kind: those that it declares, or the assumed ones if it declares nothing. */
export interface TargetFacts {
  readonly level: Level;
  /** Whether it declares its facts: a relay does so in `/.well-known/bot2bot`. */
  readonly declared: boolean;
  readonly profiles: readonly string[];
  /** Declared values outside the ranges of the specification; any makes the run a lab run. */
  readonly outside: readonly string[];
  readonly implementation: { readonly name: string; readonly version: string } | null;
  /** The target was started for this run and ended with it, so that its URL is not served any more. */
  readonly started?: true;
}

export interface RelayFacts extends TargetFacts {
  readonly url: string;
  readonly limits: Limits;
  readonly timings: Timings;
  /** Number of agents that were registered before the cases, which share them. */
  readonly agents?: number;
}

export interface RunRecord<Facts extends TargetFacts = TargetFacts> {
  readonly t: 'run';
  /** The kind of target, such as `relay`. */
  readonly subject: string;
  readonly suite: string;
  readonly spec: string;
  readonly startedAt: string;
  readonly seed: number;
  /** Makes the room ids and handles of this run unique. */
  readonly salt: string;
  readonly cert: boolean;
  /** Selected rules, chapters or checks; empty for all. */
  readonly only: readonly string[];
  readonly target: Facts;
}

export interface CaseRecord {
  readonly t: 'case';
  readonly case: string;
  /** Id of the check that was run. */
  readonly check: string;
  /** The program that was run, for a check that runs programs. */
  readonly program?: unknown;
  /** 0 for the first run; n for the n-th repetition, whose name ends with `~n`. */
  readonly attempt: number;
  readonly at: number;
}

export interface EndRecord {
  readonly t: 'end';
  readonly case: string;
  readonly at: number;
  /** `interrupted`: a deadline or the user ended the case; it proves nothing. `fault`: the suite failed. */
  readonly outcome: 'done' | 'interrupted' | 'fault';
  readonly error?: string;
  /** The longest delay that the suite itself caused, because it did not run or kept to the target's rates, in ms. */
  readonly lag: number;
}

/** The smallest program found that breaks the same rule as the program of a case. */
export interface ShrinkRecord {
  readonly t: 'shrink';
  readonly case: string;
  readonly check: string;
  readonly rule: string;
  readonly program: unknown;
  /** Number of programs that were tried. */
  readonly tries: number;
}

/** An event of a case. Each kind of target has its own event types. */
export interface Event {
  readonly t: string;
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
  /** The bytes that were sent instead of a well-formed request (latin1). */
  readonly raw?: string;
  /** Status of the answer; 0 without an answer: `error` says why. */
  readonly status: number;
  readonly resHeaders: Readonly<Record<string, string>>;
  readonly resBody: string;
  readonly error?: string;
  /** The request deliberately exceeds the declared rate. */
  readonly flood?: true;
}

export interface OpenRecord extends Event {
  readonly t: 'open';
  readonly kind: 'sse' | 'ws';
  readonly t0: number;
  readonly t1: number;
  readonly path: string;
  readonly reqHeaders: Readonly<Record<string, string>>;
  /** 200 or 101 if the stream was opened; 0 without an answer. */
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
  /** Key of the stream's `open` record. */
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

/** The number of frames of a stream that a step had seen when it ended. */
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

/** The record of a completed step of a relay's case. */
export type StepRecord = HttpRecord | OpenRecord | SendRecord | LookRecord | SleepRecord;
/** Any record of a relay's case. */
export type RelayEvent = StepRecord | FrameRecord | CloseRecord;

export type TraceRecord<Facts extends TargetFacts, E extends Event> =
  RunRecord<Facts> | CaseRecord | EndRecord | ShrinkRecord | E;

/** All records of a case, in the order of writing. */
export interface CaseTrace<E extends Event = Event> {
  readonly start: CaseRecord;
  readonly end: EndRecord | null;
  readonly events: readonly E[];
}

/** A parsed trace. */
export interface Trace<Facts extends TargetFacts = TargetFacts, E extends Event = Event> {
  readonly run: RunRecord<Facts>;
  readonly cases: readonly CaseTrace<E>[];
  readonly shrunk: readonly ShrinkRecord[];
}

export type RelayRun = RunRecord<RelayFacts>;
export type RelayCase = CaseTrace<RelayEvent>;
export type RelayTrace = Trace<RelayFacts, RelayEvent>;
