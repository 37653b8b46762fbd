/** The steps of a relay's check, which are either run live or replayed from a trace. */
import type {
  CloseRecord,
  FrameRecord,
  HttpRecord,
  LookRecord,
  OpenRecord,
  SendRecord,
} from '../trace/records.ts';

/** Thrown when a case cannot continue: it is ended early, or something that the check needs was refused. */
export class Interrupted extends Error {}

/** The `error` of a request that was abandoned because its case was ended. */
export const GIVEN_UP = 'GIVEN_UP';

/** The target did not answer; the message says what was tried. */
export class Unreachable extends Error {}

export interface Request {
  readonly method: string;
  /** Path and query, sent unchanged. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Raw bytes (latin1) to send instead, on a new connection, without an HTTP library. */
  readonly raw?: string;
  readonly timeoutMs: number;
}

export interface Call extends Request {
  /** For a write: the room whose rate limit it counts against; empty if only the address's limit applies. */
  readonly writes?: string;
  /** The request may park, and so counts against the target's cap of parked requests. */
  readonly parks?: true;
  readonly flood?: true;
}

/** The records of a stream so far. */
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
  /** Pause (true) or resume (false) reading from a stream's socket. */
  hold(stream: string, held: boolean): void;
  close(stream: string): void;
}
