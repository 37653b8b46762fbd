/** Streams of a relay, for checks. */
import { frameOf, framesOf, type Frame } from '../trace/frames.ts';
import type { FrameRecord, LookRecord, SendRecord } from '../trace/records.ts';
import { Value } from '../trace/value.ts';
import { clipped } from './reply.ts';
import type { Evidence } from './script.ts';
import type { Steps, StreamLog } from './steps.ts';

/** Generous time-out for something that happens at once on a healthy relay, in ms. */
const SOON_MS = 2_000;

/** The script that opened a stream. */
export interface StreamOwner {
  readonly steps: Steps;
  awaitFrames(
    stream: Stream,
    until: (records: readonly FrameRecord[]) => boolean,
    ms: number,
  ): Promise<LookRecord>;
  sendFrame(stream: Stream, data: string, flood?: boolean): Promise<SendRecord>;
}

/** An open stream. Its properties show the state at the last wait. */
export class Stream implements Evidence {
  readonly log: StreamLog;
  readonly room: string;
  readonly #owner: StreamOwner;
  #seen = 0;
  #closed = false;

  constructor(owner: StreamOwner, room: string, log: StreamLog) {
    this.#owner = owner;
    this.room = room;
    this.log = log;
  }

  get key(): string {
    return this.log.open.key;
  }

  get keys(): readonly string[] {
    return [this.key];
  }

  get status(): number {
    return this.log.open.status;
  }

  get opened(): boolean {
    return (
      this.status === 101 || (this.status === 200 && this.header('content-type').includes('event-stream'))
    );
  }

  header(name: string): string {
    return this.log.open.resHeaders[name.toLowerCase()] ?? '';
  }

  /** All frames up to the last wait, including comments. */
  get records(): readonly FrameRecord[] {
    return this.log.frames.slice(0, this.#seen);
  }

  get frames(): Frame[] {
    return framesOf(this.records);
  }

  of(type: string): Frame[] {
    return this.frames.filter((frame) => frame.type === type);
  }

  get messages(): Value[] {
    return this.of('message').map((frame) => frame.json);
  }

  get ready(): Value {
    return this.of('ready')[0]?.json ?? new Value(undefined);
  }

  /** Whether the stream had ended at the last wait. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Wait until the frames satisfy `until`. @returns whether they did so in time. */
  async until(until: (frames: readonly Frame[]) => boolean, ms = SOON_MS): Promise<boolean> {
    const look = await this.#owner.awaitFrames(this, (records) => until(framesOf(records)), ms);
    this.#seen = look.frames;
    this.#closed = look.closed;
    return until(this.frames);
  }

  /** Wait for a frame of this type. */
  has(type: string, ms = SOON_MS): Promise<boolean> {
    return this.#comes((frame) => frame.type === type, ms);
  }

  /** Wait for the message with this seq. */
  hasSeq(seq: number, ms = SOON_MS): Promise<boolean> {
    return this.#comes((frame) => frame.type === 'message' && frame.json.get('seq').number === seq, ms);
  }

  /** Wait for a frame as long as a further message arrives within each `ms`, since a slow stream has not lost anything. */
  async #comes(isIt: (frame: Frame) => boolean, ms: number): Promise<boolean> {
    for (;;) {
      const before = this.messages.length;
      const came = await this.until((frames) => frames.some(isIt), ms);
      if (came || this.messages.length === before) return came;
    }
  }

  /** Wait for this time, and record all frames. */
  async listen(ms: number): Promise<void> {
    await this.until(() => false, ms);
  }

  /** Send a text frame (WebSocket). @returns the JSON that was sent; in a replay, that of the trace. */
  async send(data: unknown): Promise<Value> {
    const text = typeof data === 'string' ? data : JSON.stringify(data);
    return Value.parse((await this.#owner.sendFrame(this, text)).data);
  }

  /** Pause (true) or resume (false) reading from the socket. */
  hold(held: boolean): void {
    this.#owner.steps.hold(this.key, held);
  }

  close(): void {
    this.#owner.steps.close(this.key);
  }

  /** Some frames of the stream, as the evidence; the whole stream if none of them exists. */
  at(...frames: readonly (Pick<Frame, 'key'> | undefined)[]): Evidence {
    const keys = frames.flatMap((frame) => (frame === undefined ? [] : [frame.key]));
    const told = () => framesTold(this.records.filter(({ key }) => keys.includes(key)));
    return keys.length === 0 ? this : { keys, describe: told };
  }

  /** The first message whose seq differs from these, as the evidence; the whole stream if seqs are missing at its end. */
  atOther(seqs: readonly number[]): Evidence {
    return this.at(this.of('message').find(({ json }, i) => json.get('seq').number !== seqs[i]));
  }

  /** The frames, or the answer that refused the stream. */
  describe(): string {
    if (!this.opened) {
      const { error, resBody } = this.log.open;
      return this.status === 0 ? `no stream (${error ?? 'unknown'})` : `${this.status} ${clipped(resBody)}`;
    }
    return `${framesTold(this.records)}${this.closed ? ' | closed' : ''}`;
  }
}

/** A description of frames in one line; of many, the first and the last, and the number of each type between them. */
function framesTold(records: readonly FrameRecord[]): string {
  const told = ({ kind, id, data }: FrameRecord) =>
    kind === 'comment' ? ':' : `${id === undefined ? '' : `[${id}] `}${clipped(data, 120)}`;
  const shown = records.map(told);
  if (records.length > 6) {
    const counts = new Map<string, number>();
    for (const record of records.slice(3, -3)) {
      const kind = record.kind === 'comment' ? 'keep-alive' : frameOf(record)?.type || 'frame';
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    const kinds = [...counts].map(([kind, count]) => `${count} × ${clipped(kind, 40)}`);
    shown.splice(3, shown.length - 6, `… ${shown.length - 6} more: ${kinds.join(', ')} …`);
  }
  return `stream: ${shown.join(' | ') || 'no frame'}`;
}
