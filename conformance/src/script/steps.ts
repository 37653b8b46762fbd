/** The steps of a check: taken live against a target, or again from a trace. */
import type {
  CloseRecord,
  FrameRecord,
  HttpRecord,
  LookRecord,
  OpenRecord,
  SendRecord,
} from '../trace/records.ts';

/** Thrown through a check when its case cannot go on. */
export class Interrupted extends Error {}

/** The target did not answer. The message says what was tried. */
export class Unreachable extends Error {}

export interface Request {
  readonly method: string;
  /** Path and query, sent as they are. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs: number;
}

export interface Call extends Request {
  /** The room whose rate bucket the call draws from, if it is a write; empty for the address's alone. */
  readonly writes?: string;
  /** Whether it may park, and so needs one of the target's waiters. */
  readonly parks?: true;
  readonly flood?: true;
}

/** A stream as recorded so far. */
export interface StreamLog {
  readonly open: OpenRecord;
  readonly frames: readonly FrameRecord[];
  readonly closed: CloseRecord | null;
}

export interface Steps {
  http(key: string, call: Call): Promise<HttpRecord>;
  open(key: string, kind: 'sse' | 'ws', call: Request): Promise<StreamLog>;
  send(key: string, stream: string, data: string, room: string, flood: boolean): Promise<SendRecord>;
  /** Wait until the frames satisfy `until`, the stream ends, or the time is over. */
  awaitFrames(
    key: string,
    stream: string,
    until: (frames: readonly FrameRecord[]) => boolean,
    ms: number,
  ): Promise<LookRecord>;
  sleep(key: string, ms: number): Promise<void>;
  /** Stop or go on reading from a stream's socket. */
  hold(stream: string, held: boolean): void;
  close(stream: string): void;
}
