/** Answers to requests, for checks. */
import type { HttpRecord } from '../trace/records.ts';
import { Value } from '../trace/value.ts';
import type { Evidence } from './script.ts';

const SHOWN_CHARS = 300;

/** The first characters of a text, in one line. */
export function clipped(text: string, chars = SHOWN_CHARS): string {
  const line = text.trim().replaceAll(/\s+/g, ' ');
  return line.length > chars ? `${line.slice(0, chars)}…` : line;
}

/** A header of an answer, as the evidence. @param name as it is displayed, such as `Content-Type`. */
export function headerOf(answer: Evidence & { header(name: string): string }, name: string): Evidence {
  const describe = () => `${name}: ${answer.header(name) || '(absent)'}; ${answer.describe()}`;
  return { keys: answer.keys, describe };
}

/** An HTTP answer. `status` is 0 if there was none. */
export class Reply implements Evidence {
  readonly record: HttpRecord;
  readonly json: Value;

  constructor(record: HttpRecord) {
    this.record = record;
    this.json = Value.parse(record.resBody);
  }

  get status(): number {
    return this.record.status;
  }

  /** The JSON of the request. In a replay it comes from the trace, since signatures and timestamps cannot be recomputed. */
  get sent(): Value {
    return Value.parse(this.record.reqBody ?? '');
  }

  header(name: string): string {
    return this.record.resHeaders[name.toLowerCase()] ?? '';
  }

  get ms(): number {
    return this.record.t1 - this.record.t0;
  }

  get keys(): readonly string[] {
    return [this.record.key];
  }

  /** A status and the beginning of the body. */
  describe(): string {
    const { status, error, resBody } = this.record;
    return status === 0 ? `no answer (${error ?? 'unknown'})` : `${status} ${clipped(resBody)}`;
  }
}
