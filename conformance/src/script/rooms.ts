/** Steps without an identity: requests, posts, reads and streams. */
import { pathOf, type OperationId } from '@bot2bot/schemas';
import type { FrameRecord, LookRecord, RelayFacts, SendRecord } from '../trace/records.ts';
import { Random } from './random.ts';
import { Reply } from './reply.ts';
import { Script, type ScriptContext } from './script.ts';
import { Interrupted, type Steps } from './steps.ts';
import { Stream } from './stream.ts';

/** An encrypted message as a check posts it. The ciphertext is random: the suite needs no key. */
export type Sealed = {
  readonly ciphertext: string;
  readonly nonce: string;
};

export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  /** Deliberately exceed the declared rate. */
  readonly flood?: boolean;
}

/** Query parameters; undefined ones are omitted. */
export type Query = Readonly<Record<string, string | number | undefined>>;

export function queryString(query: Query): string {
  const pairs = Object.entries(query).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, String(value)]],
  );
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs).toString()}`;
}

/** The longest time that a request with this `timeout` may park, in ms. */
export function parkMs(timeout: string | number | undefined): number {
  const seconds = Number(timeout);
  return (timeout !== undefined && Number.isFinite(seconds) ? Math.min(90, Math.max(1, seconds)) : 30) * 1000;
}

/** Time-out for a request that does not park, in ms. */
export const ANSWER_MS = 10_000;
const READY_MS = 8_000;

/** The context of a relay's script, with the implementation of its steps. */
export interface RelayContext extends ScriptContext<RelayFacts> {
  readonly steps: Steps;
}

export abstract class RoomScript extends Script<RelayFacts> {
  readonly steps: Steps;
  #rooms = 0;

  constructor(place: RelayContext) {
    super(place);
    this.steps = place.steps;
  }

  /** A unique room id. Like every id of a run, it is derived only from the seed and the salt. */
  room(): string {
    const id = new Random(this.run.salt, this.run.seed, this.case, this.branch, this.#rooms++).id(22);
    return `t-${id}`;
  }

  /** @param chars length of the ciphertext's base64 text, a multiple of 4. */
  sealed(chars = 48): Sealed {
    const seedling = this.bytes(30).toString('base64');
    const ciphertext = seedling.repeat(Math.ceil(chars / seedling.length)).slice(0, chars);
    return { ciphertext, nonce: this.bytes(24).toString('base64') };
  }

  async request(
    method: string,
    path: string,
    options: CallOptions & { body?: string; writes?: string; parks?: true } = {},
  ): Promise<Reply> {
    const record = await this.steps.http(this.key(), {
      method,
      path,
      timeoutMs: options.timeoutMs ?? ANSWER_MS,
      ...(options.headers === undefined ? {} : { headers: options.headers }),
      ...(options.body === undefined ? {} : { body: options.body }),
      ...(options.writes === undefined ? {} : { writes: options.writes }),
      ...(options.parks === undefined ? {} : { parks: true }),
      ...(options.flood === true ? { flood: true } : {}),
    });
    return new Reply(record);
  }

  /**
   * Send bytes that are not a well-formed request.
   * @param path the path to record in the trace.
   * @param raw all bytes, as latin1; `Host` is not added.
   */
  async raw(method: string, path: string, raw: string): Promise<Reply> {
    return new Reply(await this.steps.http(this.key(), { method, path, raw, timeoutMs: ANSWER_MS }));
  }

  /** Send a GET request for an operation. */
  get(operation: OperationId, room = '', query: Query = {}, options: CallOptions = {}): Promise<Reply> {
    return this.request('GET', pathOf(operation, room) + queryString(query), options);
  }

  /** Send JSON, or any text, to an operation. */
  send(
    operation: 'postMessage' | 'announceListening',
    room: string,
    body: unknown,
    options: CallOptions = {},
  ): Promise<Reply> {
    return this.request('POST', pathOf(operation, room), {
      ...options,
      headers: { 'Content-Type': 'application/json', ...options.headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      writes: room,
    });
  }

  /** Post a message; missing fields get fresh values. */
  post(
    room: string,
    body: Readonly<Record<string, unknown>> = {},
    options: CallOptions = {},
  ): Promise<Reply> {
    return this.send('postMessage', room, { sender: 'suite', ...this.sealed(), ...body }, options);
  }

  /** Post a message; if it is refused the check cannot continue. */
  async posted(
    room: string,
    body: Readonly<Record<string, unknown>> = {},
  ): Promise<{ seq: number; id: string; reply: Reply }> {
    const reply = await this.post(room, body);
    this.require(
      'MSG-1',
      reply.status === 200 && !Number.isNaN(reply.json.get('seq').number),
      'a valid post is answered 200 with id and seq',
      reply,
    );
    if (reply.status !== 200) throw new Interrupted('a post that the check needs was not accepted');
    return { seq: reply.json.get('seq').number, id: reply.json.get('id').string, reply };
  }

  transcript(room: string, query: Query = {}, options: CallOptions = {}): Promise<Reply> {
    return this.get('readTranscript', room, query, options);
  }

  /** Send a `wait`. @param query `timeout` in seconds, default 1. */
  async wait(room: string, query: Query = {}, options: CallOptions = {}): Promise<Reply> {
    const given = { timeout: 1, ...query };
    const timeoutMs = parkMs(given.timeout) + ANSWER_MS;
    return this.request('GET', pathOf('waitForMessages', room) + queryString(given), {
      timeoutMs,
      parks: true,
      ...options,
    });
  }

  status(room: string): Promise<Reply> {
    return this.get('probeRoom', room);
  }

  /** Open a stream, without a check of the result. */
  async open(
    kind: 'sse' | 'ws',
    room: string,
    query: Query = {},
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Stream> {
    const path = pathOf(kind === 'sse' ? 'streamEvents' : 'openSocket', room) + queryString(query);
    const log = await this.steps.open(this.key(), kind, {
      method: 'GET',
      path,
      headers,
      timeoutMs: ANSWER_MS,
    });
    return new Stream(this, room, log);
  }

  /** Open a stream and wait for its `ready`; if that fails the check cannot continue. */
  async joined(
    kind: 'sse' | 'ws',
    room: string,
    query: Query = {},
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Stream> {
    const stream = await this.open(kind, room, query, headers);
    const rule = kind === 'sse' ? 'STREAM-1' : 'STREAM-9';
    this.require(
      rule,
      stream.opened,
      kind === 'sse' ? 'events answers 200 with text/event-stream' : 'ws answers 101',
      stream,
    );
    const ready = stream.opened && (await stream.has('ready', READY_MS));
    this.requireInTime('STREAM-2', ready, 'ready follows the replay', stream);
    if (!ready) throw new Interrupted('a stream that the check needs did not open');
    return stream;
  }

  awaitFrames(
    stream: Stream,
    until: (records: readonly FrameRecord[]) => boolean,
    ms: number,
  ): Promise<LookRecord> {
    return this.steps.awaitFrames(this.key(), stream.key, until, ms);
  }

  sendFrame(stream: Stream, data: string, flood = false): Promise<SendRecord> {
    return this.steps.send(this.key(), stream.key, data, stream.room, flood);
  }

  sleep(ms: number): Promise<void> {
    return this.steps.sleep(this.key(), ms);
  }
}
