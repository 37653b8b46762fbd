/** Replays the steps of a check from a trace. */
import { GIVEN_UP, Interrupted, type Steps, type StreamLog } from '../script/steps.ts';
import type {
  RelayCase,
  CloseRecord,
  FrameRecord,
  HttpRecord,
  LookRecord,
  SendRecord,
  StepRecord,
} from '../trace/records.ts';

/** Steps with the results recorded in a trace. Pure: the same trace gives the same results. */
export class TapeSteps implements Steps {
  readonly #steps = new Map<string, StepRecord>();
  readonly #frames = new Map<string, FrameRecord[]>();
  readonly #closes = new Map<string, CloseRecord>();

  constructor(trace: RelayCase) {
    for (const event of trace.events) {
      if (event.t === 'frame') {
        const stream = event.key.slice(0, event.key.lastIndexOf('#'));
        const frames = this.#frames.get(stream) ?? [];
        frames.push(event);
        this.#frames.set(stream, frames);
      } else if (event.t === 'close') this.#closes.set(event.key, event);
      else this.#steps.set(event.key, event);
    }
  }

  #take<T extends StepRecord['t']>(t: T, key: string): Extract<StepRecord, { t: T }> {
    const step = this.#steps.get(key);
    if (step === undefined) throw new Interrupted(`the trace ends before step ${key}`);
    if ('error' in step && step.error === GIVEN_UP) throw new Interrupted(`step ${key} was not waited for`);
    if (step.t !== t)
      throw new Error(
        `step ${key} of the trace is ${step.t}, not ${t}: another version of the suite wrote it`,
      );
    return step as Extract<StepRecord, { t: T }>;
  }

  async http(key: string): Promise<HttpRecord> {
    return this.#take('http', key);
  }

  async open(key: string): Promise<StreamLog> {
    return {
      open: this.#take('open', key),
      frames: this.#frames.get(key) ?? [],
      closed: this.#closes.get(key) ?? null,
    };
  }

  async send(key: string): Promise<SendRecord> {
    return this.#take('send', key);
  }

  async awaitFrames(key: string): Promise<LookRecord> {
    return this.#take('look', key);
  }

  async sleep(key: string): Promise<void> {
    this.#take('sleep', key);
  }

  hold(): void {
    // A replay has no socket to pause.
  }

  close(): void {
    // The `close` record is in the trace.
  }
}
