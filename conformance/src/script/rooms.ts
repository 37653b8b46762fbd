/** The steps of a relay's checks that need no identity: requests, posts, reads and streams. */
import { pathOf, type OperationId } from '@bot2bot/schemas';
import type { FrameRecord, LookRecord, RelayFacts, SendRecord } from '../trace/records.ts';
import { Random } from './random.ts';
import { Reply } from './reply.ts';
import { Script, type Place } from './script.ts';
import { Interrupted, type Steps } from './steps.ts';
import { Stream } from './stream.ts';

/** A sealed message as a check posts it; the suite needs no key to make one. */
export type Sealed = {
  readonly ciphertext: string;
  readonly nonce: string;
};

export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  /** Send it outside the declared rate on purpose. */
  readonly flood?: boolean;
}

/** Query parameters; undefined ones are left out. */
export type Query = Readonly<Record<string, string | number | undefined>>;

export function queryString(query: Query): string {
  const pairs = Object.entries(query).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, String(value)]],
  );
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs).toString()}`;
}

/** For how long a request with this `timeout` may park. */
export function parkMs(timeout: string | number | undefined): number {
  const seconds = Number(timeout);
  return (timeout !== undefined && Number.isFinite(seconds) ? Math.min(90, Math.max(1, seconds)) : 30) * 1000;
}

/** For an answer that need not be waited for, in ms. */
export const ANSWER_MS = 10_000;
const READY_MS = 8_000;

/** Where a relay's script stands, and what takes its steps. */
export interface RelayPlace extends Place<RelayFacts> {
  readonly steps: Steps;
}

export abstract class RoomScript extends Script<RelayFacts> {
  readonly steps: Steps;
  #rooms = 0;

  constructor(place: RelayPlace) {
    super(place);
    this.steps = place.steps;
  }

  /** Ids for a room that no one else has: like every id of the run, it depends on the seed and the salt alone. */
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

  /** GET an operation of the table. */
  get(operation: OperationId, room = '', query: Query = {}, options: CallOptions = {}): Promise<Reply> {
    return this.request('GET', pathOf(operation, room) + queryString(query), options);
  }

  /** POST JSON, or any text, to an operation of the table. */
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

  /** Post a message; what is not given is sealed afresh. */
  post(
    room: string,
    body: Readonly<Record<string, unknown>> = {},
    options: CallOptions = {},
  ): Promise<Reply> {
    return this.send('postMessage', room, { sender: 'suite', ...this.sealed(), ...body }, options);
  }

  /** Post a message that the check depends on; without it the check cannot go on. */
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

  /** @param query `timeout` in seconds; 1 when absent. */
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

  /** Open a stream as given, without looking at it. */
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

  /** Open a stream that the check depends on, and wait for its `ready`. */
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
