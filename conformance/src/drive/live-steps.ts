/** Runs the steps of a check against a relay, and records the results. */
import { performance } from 'node:perf_hooks';
import { Interrupted, type Call, type Request, type Steps, type StreamLog } from '../script/steps.ts';
import type {
  CloseRecord,
  FrameRecord,
  HttpRecord,
  LookRecord,
  OpenRecord,
  RelayEvent,
  SendRecord,
} from '../trace/records.ts';
import type { Pacer } from './pacer.ts';
import type { OpenStream, StreamEvents, Wire } from './wire.ts';

/** After this many frames in one case a stream is closed: no check needs more, and an endless stream must not fill the memory. */
const MAX_FRAMES = 10_000;

interface LiveStream {
  readonly log: { open: OpenRecord; frames: FrameRecord[]; closed: CloseRecord | null };
  readonly wire: OpenStream;
  readonly release: () => void;
  wake: () => void;
}

export class LiveSteps implements Steps {
  readonly #case: string;
  readonly #wire: Wire;
  readonly #pacer: Pacer;
  readonly #write: (record: RelayEvent) => void;
  readonly #epoch: number;
  readonly #signal: AbortSignal;
  readonly #streams = new Map<string, LiveStream>();
  /** The longest delay of a step by the pacer, in ms. */
  held = 0;

  constructor(given: {
    case: string;
    wire: Wire;
    pacer: Pacer;
    write: (record: RelayEvent) => void;
    /** `performance.now()` at the start of the run. */
    epoch: number;
    signal: AbortSignal;
  }) {
    this.#case = given.case;
    this.#wire = given.wire;
    this.#pacer = given.pacer;
    this.#write = given.write;
    this.#epoch = given.epoch;
    this.#signal = given.signal;
  }

  async #paced<T>(turn: Promise<T>): Promise<T> {
    const from = performance.now();
    const value = await turn;
    this.held = Math.max(this.held, performance.now() - from);
    return value;
  }

  #now(): number {
    return Math.round((performance.now() - this.#epoch) * 1000) / 1000;
  }

  #check(): void {
    if (this.#signal.aborted) throw new Interrupted('the case was interrupted');
  }

  async http(key: string, call: Call): Promise<HttpRecord> {
    this.#check();
    if (call.writes !== undefined && call.flood === undefined)
      await this.#paced(this.#pacer.write(call.writes, this.#signal));
    const release =
      call.parks === undefined ? undefined : await this.#paced(this.#pacer.waiter(this.#signal));
    const t0 = this.#now();
    const answer = await this.#wire.http(call, this.#signal);
    release?.();
    if (call.flood === true) this.#pacer.flooded(call.writes ?? '');
    const record: HttpRecord = {
      t: 'http',
      case: this.#case,
      key,
      t0,
      t1: this.#now(),
      method: call.method,
      path: call.path,
      reqHeaders: call.headers ?? {},
      ...(call.body === undefined ? {} : { reqBody: call.body }),
      ...(call.raw === undefined ? {} : { raw: call.raw }),
      ...answer,
      ...(call.flood === undefined ? {} : { flood: true }),
    };
    this.#write(record);
    this.#check();
    return record;
  }

  async open(key: string, kind: 'sse' | 'ws', call: Request): Promise<StreamLog> {
    this.#check();
    const release = await this.#paced(this.#pacer.stream(this.#signal));
    const frames: FrameRecord[] = [];
    const early: (() => void)[] = [];
    let live: LiveStream | undefined;
    const heard = (act: () => void) => {
      if (live === undefined) early.push(act);
      else act();
    };
    const t0 = this.#now();
    const events: StreamEvents = {
      frame: (frame) => {
        const at = this.#now();
        heard(() => {
          const record: FrameRecord = {
            t: 'frame',
            case: this.#case,
            key: `${key}#${frames.length}`,
            at,
            ...frame,
          };
          if (frames.length >= MAX_FRAMES) {
            this.close(key);
            return;
          }
          frames.push(record);
          this.#write(record);
          live?.wake();
        });
      },
      close: (ended) => {
        const at = this.#now();
        heard(() => {
          if (live === undefined || live.log.closed !== null) return;
          live.log.closed = { t: 'close', case: this.#case, key, at, ...ended };
          this.#write(live.log.closed);
          live.release();
          live.wake();
        });
      },
    };
    const wire = await this.#wire[kind](call, events, this.#signal);
    const open: OpenRecord = {
      t: 'open',
      case: this.#case,
      key,
      kind,
      t0,
      t1: this.#now(),
      path: call.path,
      reqHeaders: call.headers ?? {},
      ...wire.answer,
    };
    this.#write(open);
    live = { log: { open, frames, closed: null }, wire, release, wake: () => undefined };
    this.#streams.set(key, live);
    for (const act of early) act();
    if (open.status !== 200 && open.status !== 101) release();
    this.#check();
    return live.log;
  }

  #stream(key: string): LiveStream {
    const stream = this.#streams.get(key);
    if (stream === undefined) throw new RangeError(`no stream ${key}`);
    return stream;
  }

  async send(key: string, stream: string, data: string, room: string, flood: boolean): Promise<SendRecord> {
    this.#check();
    if (flood) this.#pacer.flooded(room);
    else await this.#paced(this.#pacer.write(room, this.#signal));
    const at = this.#now();
    try {
      this.#stream(stream).wire.send(data);
    } catch {
      // The stream has ended; its `close` record says so.
    }
    const record: SendRecord = {
      t: 'send',
      case: this.#case,
      key,
      stream,
      at,
      data,
      ...(flood ? { flood: true } : {}),
    };
    this.#write(record);
    return record;
  }

  async awaitFrames(
    key: string,
    stream: string,
    until: (frames: readonly FrameRecord[]) => boolean,
    ms: number,
  ): Promise<LookRecord> {
    this.#check();
    const live = this.#stream(stream);
    const { log } = live;
    const open = log.open.status === 200 || log.open.status === 101;
    if (open) {
      await new Promise<void>((resolve) => {
        const settle = () => {
          clearTimeout(timer);
          this.#signal.removeEventListener('abort', settle);
          live.wake = () => undefined;
          resolve();
        };
        const timer = setTimeout(settle, ms);
        let isDue = false;
        // One chunk may contain many frames: wake waiting steps only once.
        live.wake = () => {
          if (isDue) return;
          isDue = true;
          queueMicrotask(() => {
            isDue = false;
            if (log.closed !== null || until(log.frames)) settle();
          });
        };
        this.#signal.addEventListener('abort', settle);
        live.wake();
      });
    }
    this.#check();
    const record: LookRecord = {
      t: 'look',
      case: this.#case,
      key,
      stream,
      at: this.#now(),
      frames: log.frames.length,
      closed: log.closed !== null,
    };
    this.#write(record);
    return record;
  }

  async sleep(key: string, ms: number): Promise<void> {
    this.#check();
    const t0 = this.#now();
    await new Promise<void>((resolve) => {
      const settle = () => {
        clearTimeout(timer);
        this.#signal.removeEventListener('abort', settle);
        resolve();
      };
      const timer = setTimeout(settle, ms);
      this.#signal.addEventListener('abort', settle);
    });
    this.#check();
    this.#write({ t: 'sleep', case: this.#case, key, t0, t1: this.#now() });
  }

  hold(stream: string, held: boolean): void {
    const { wire } = this.#stream(stream);
    if (held) wire.pause();
    else wire.resume();
  }

  close(stream: string): void {
    const live = this.#stream(stream);
    const open = live.log.open.status === 200 || live.log.open.status === 101;
    if (!open || live.log.closed !== null) return;
    live.log.closed = { t: 'close', case: this.#case, key: stream, at: this.#now(), by: 'suite' };
    this.#write(live.log.closed);
    live.wire.close();
    live.release();
  }

  closeAll(): void {
    for (const key of this.#streams.keys()) this.close(key);
  }
}
