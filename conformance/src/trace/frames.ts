import type { FrameRecord } from './records.ts';
import { Value } from './value.ts';

/** A frame of a stream: its JSON, its SSE id, and its time of arrival. */
export interface Frame {
  /** Key of its record: `3#5` is frame 5 of the stream `3`. */
  readonly key: string;
  readonly type: string;
  readonly json: Value;
  readonly id: string | undefined;
  readonly at: number;
}

/** Parsed frames: a frame is used many times and may have 128 KiB, so it is parsed only once. */
const parsed = new WeakMap<FrameRecord, Frame>();

/** Parse a frame; `null` if it is not JSON, such as a comment. */
export function frameOf(record: FrameRecord): Frame | null {
  if (record.kind === 'comment' || record.kind === 'binary') return null;
  let frame = parsed.get(record);
  if (frame === undefined) {
    const { key, id, at, data } = record;
    const json = Value.parse(data);
    parsed.set(record, (frame = { key, type: json.get('type').string, json, id, at }));
  }
  return frame;
}

export function framesOf(records: readonly FrameRecord[]): Frame[] {
  return records.map(frameOf).filter((frame) => frame !== null);
}
