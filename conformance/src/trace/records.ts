/**
 * The trace: what the suite did and saw, one JSON object a line. `judge` needs nothing else.
 *
 *   trace = run (case event* end)*        cases may interleave; every line names its case
 *
 * Times are milliseconds on the suite's monotonic clock, from the start of the run.
 */
import type { Level, Limits, Timings } from '@bot2bot/schemas';

/** Of the suite that writes and judges traces. */
export const SUITE_VERSION = '0.1.0';

/** What is known of a target of any kind: what it said of itself, or what is assumed where it said nothing. */
export interface TargetFacts {
  readonly level: Level;
  /** Whether it said what it is: a relay serves `/.well-known/bot2bot`. */
  readonly declared: boolean;
  readonly profiles: readonly string[];
  /** Declared values outside the ranges of the specification; any makes the run a lab run. */
  readonly outside: readonly string[];
  readonly implementation: { readonly name: string; readonly version: string } | null;
  /** It was started for the run alone: afterwards nothing serves where it was reached. */
  readonly started?: true;
}

export interface RelayFacts extends TargetFacts {
  readonly url: string;
  readonly limits: Limits;
  readonly timings: Timings;
  /** How many agents were registered with it before the cases, which share them. */
  readonly agents?: number;
}

export interface RunRecord<Facts extends TargetFacts = TargetFacts> {
  readonly t: 'run';
  /** What kind of target it is: `relay`. */
  readonly subject: string;
  readonly suite: string;
  readonly spec: string;
  readonly startedAt: string;
  readonly seed: number;
  /** Makes room ids of this run unlike those of any other. */
  readonly salt: string;
  readonly cert: boolean;
  /** Rules, chapters or checks that were asked for; empty for all. */
  readonly only: readonly string[];
  readonly target: Facts;
}

export interface CaseRecord {
  readonly t: 'case';
  readonly case: string;
  /** Which check was driven. */
  readonly check: string;
  /** The program that was run, for checks that are given one. */
  readonly program?: unknown;
  /** 0, or how many times the case had been run before: then its name ends with `~` and this number. */
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

/** The smallest program that was found to break a rule as the program of a case did. */
export interface ShrinkRecord {
  readonly t: 'shrink';
  readonly case: string;
  readonly rule: string;
  readonly program: unknown;
  /** How many programs were tried. */
  readonly tries: number;
}

/** What a case did or saw. Each kind of target has its own. */
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
  /** What was sent in place of a well-formed request (latin1). */
  readonly raw?: string;
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

/** What a step of a relay's case leaves behind when it is done. */
export type StepRecord = HttpRecord | OpenRecord | SendRecord | LookRecord | SleepRecord;
/** Everything that a relay's case leaves behind. */
export type RelayEvent = StepRecord | FrameRecord | CloseRecord;

export type TraceRecord<Facts extends TargetFacts, E extends Event> =
  RunRecord<Facts> | CaseRecord | EndRecord | ShrinkRecord | E;

/** Everything that one case left in the trace, in the order of writing. */
export interface CaseTrace<E extends Event = Event> {
  readonly start: CaseRecord;
  readonly end: EndRecord | null;
  readonly events: readonly E[];
}

/** A trace, taken apart. */
export interface Trace<Facts extends TargetFacts = TargetFacts, E extends Event = Event> {
  readonly run: RunRecord<Facts>;
  readonly cases: readonly CaseTrace<E>[];
  readonly shrunk: readonly ShrinkRecord[];
}

export type RelayRun = RunRecord<RelayFacts>;
export type RelayCase = CaseTrace<RelayEvent>;
export type RelayTrace = Trace<RelayFacts, RelayEvent>;
