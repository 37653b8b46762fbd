/** What a check is written with: steps that are taken live or again from a trace, and what the rules require of them. */
import {
  AUTH_SCHEME,
  messageText,
  messageText2,
  pathOf,
  requestText,
  requestText2,
  ROUTES,
  type OperationId,
  type Route,
} from '@bot2bot/schemas';
import { madeIdentity, registrationOf, sha256, sharedAgent, type Identity } from './identity.ts';
import { Random } from './random.ts';
import { Interrupted, type Steps, type StreamLog } from './steps.ts';
import type { FrameRecord, HttpRecord, LookRecord, RunRecord, SendRecord, TargetFacts } from './trace.ts';

/** One thing that a rule required, and whether it held. */
export interface Outcome {
  readonly rule: string;
  readonly ok: boolean;
  /** What the rule required here. */
  readonly want: string;
  /** What came instead; empty when it held. */
  readonly got: string;
  /** Keys of the records that show it. */
  readonly evidence: readonly string[];
  /** The requirement was a bound on time: only a repetition on a quiet machine proves its breach. */
  readonly late?: true;
  /** Whether it held could not be decided; `ok` is false. */
  readonly undecided?: true;
}

/** A JSON value of unknown shape, and safe ways into it. */
export class Value {
  readonly raw: unknown;

  constructor(raw: unknown) {
    this.raw = raw;
  }

  static parse(text: string): Value {
    try {
      return new Value(JSON.parse(text));
    } catch {
      return new Value(undefined);
    }
  }

  get(name: string): Value {
    return new Value(isObject(this.raw) ? this.raw[name] : undefined);
  }

  has(name: string): boolean {
    return isObject(this.raw) && Object.hasOwn(this.raw, name);
  }

  /** The elements of an array; nothing for anything else. */
  get items(): Value[] {
    return Array.isArray(this.raw) ? this.raw.map((item) => new Value(item)) : [];
  }

  /** NaN for anything but a number, so that every comparison fails. */
  get number(): number {
    return typeof this.raw === 'number' ? this.raw : NaN;
  }

  get string(): string {
    return typeof this.raw === 'string' ? this.raw : '';
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An HTTP answer. `status` is 0 when none came. */
export class Reply {
  readonly record: HttpRecord;
  readonly json: Value;

  constructor(record: HttpRecord) {
    this.record = record;
    this.json = Value.parse(record.resBody);
  }

  get status(): number {
    return this.record.status;
  }

  /** The JSON that was sent; from a trace, what was sent then: signatures and times are not made twice alike. */
  get sent(): Value {
    return Value.parse(this.record.reqBody ?? '');
  }

  header(name: string): string {
    return this.record.resHeaders[name.toLowerCase()] ?? '';
  }

  get ms(): number {
    return this.record.t1 - this.record.t0;
  }
}

/** A frame of a stream: its JSON, its SSE id, and when it came. */
export interface Frame {
  readonly type: string;
  readonly json: Value;
  readonly id: string | undefined;
  readonly at: number;
}

/** A frame is looked at many times and may hold 128 KiB: it is parsed once. */
const parsed = new WeakMap<FrameRecord, Frame>();

/** `null` for what is not a JSON frame, such as a comment. */
export function frameOf(record: FrameRecord): Frame | null {
  if (record.kind === 'comment' || record.kind === 'binary') return null;
  let frame = parsed.get(record);
  if (frame === undefined) {
    const json = Value.parse(record.data);
    parsed.set(record, (frame = { type: json.get('type').string, json, id: record.id, at: record.at }));
  }
  return frame;
}

function framesOf(records: readonly FrameRecord[]): Frame[] {
  return records.map(frameOf).filter((frame) => frame !== null);
}

/** Generous bound for something that should happen at once on a healthy relay, in ms. */
const SOON_MS = 2_000;

/** An open stream. Shows what had come when the check last looked. */
export class Stream {
  readonly log: StreamLog;
  readonly room: string;
  readonly #script: Script;
  #seen = 0;
  #closed = false;

  constructor(script: Script, room: string, log: StreamLog) {
    this.#script = script;
    this.room = room;
    this.log = log;
  }

  get key(): string {
    return this.log.open.key;
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

  /** Everything that had come at the last look, comments included. */
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

  /** Whether the stream had ended at the last look. */
  get closed(): boolean {
    return this.#closed;
  }

  /** @returns whether the frames came to satisfy `until` within the time. */
  async until(until: (frames: readonly Frame[]) => boolean, ms = SOON_MS): Promise<boolean> {
    const look = await this.#script.look(this, (records) => until(framesOf(records)), ms);
    this.#seen = look.frames;
    this.#closed = look.closed;
    return until(this.frames);
  }

  /** Wait for a frame of this type. */
  has(type: string, ms = SOON_MS): Promise<boolean> {
    return this.until((frames) => frames.some((frame) => frame.type === type), ms);
  }

  /** Wait for the message with this seq. */
  hasSeq(seq: number, ms = SOON_MS): Promise<boolean> {
    return this.until(
      (frames) => frames.some((f) => f.type === 'message' && f.json.get('seq').number === seq),
      ms,
    );
  }

  /** Wait, collecting whatever comes. */
  async listen(ms: number): Promise<void> {
    await this.until(() => false, ms);
  }

  /** Send a text frame (WebSocket). @returns the JSON that was sent; from a trace, what was sent then. */
  async send(data: unknown): Promise<Value> {
    const text = typeof data === 'string' ? data : JSON.stringify(data);
    return Value.parse((await this.#script.sendFrame(this, text)).data);
  }

  /** Stop and go on reading from the socket. */
  hold(held: boolean): void {
    this.#script.steps.hold(this.key, held);
  }

  close(): void {
    this.#script.steps.close(this.key);
  }
}

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

/** How a request is signed, and what of it is broken on purpose. */
export interface SignedOptions extends CallOptions {
  readonly query?: Query;
  /** An object is sent as JSON, a text as it is. */
  readonly body?: unknown;
  /** 2 when absent; 1 for a target at compat. */
  readonly form?: 1 | 2;
  /** Unix ms; now when absent. */
  readonly ts?: number;
  /** The signing nonce; fresh when absent. */
  readonly n?: string;
  /** Signs in place of the identity. */
  readonly by?: Identity;
  /** What is signed in place of the request. */
  readonly text?: (text: string) => string;
  /** What is sent in place of the signature. */
  readonly sig?: (sig: string) => string;
}

/** How a message is signed, and what of it is broken on purpose. */
export interface SignedPostOptions extends CallOptions {
  /** With `sender_sig2`; true when absent, at hardened. */
  readonly form2?: boolean;
  readonly ts?: number;
  readonly senderNonce?: string;
  readonly by?: Identity;
  /** The room that is signed for. */
  readonly signedRoom?: string;
  /** Fields that are changed after the signatures were made. */
  readonly after?: Readonly<Record<string, unknown>>;
}

/** Query parameters; undefined ones are left out. */
export type Query = Readonly<Record<string, string | number | undefined>>;

function queryString(query: Query): string {
  const pairs = Object.entries(query).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, String(value)]],
  );
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs).toString()}`;
}

/** For how long a request with this `timeout` may park. */
function parkMs(timeout: string | number | undefined): number {
  const seconds = Number(timeout);
  return (timeout !== undefined && Number.isFinite(seconds) ? Math.min(90, Math.max(1, seconds)) : 30) * 1000;
}

const ANSWER_MS = 10_000;
const READY_MS = 8_000;

export class Script {
  readonly steps: Steps;
  readonly run: RunRecord;
  readonly outcomes: Outcome[];
  readonly #case: string;
  readonly #branch: string;
  readonly #random: Random;
  #step = 0;
  #rooms = 0;
  #identities = 0;
  #agents = 0;

  constructor(given: { steps: Steps; run: RunRecord; case: string; branch?: string; outcomes?: Outcome[] }) {
    this.steps = given.steps;
    this.run = given.run;
    this.#case = given.case;
    this.#branch = given.branch ?? '';
    this.outcomes = given.outcomes ?? [];
    this.#random = new Random(given.run.seed, given.case, this.#branch);
  }

  get target(): TargetFacts {
    return this.run.target;
  }

  /** Whether rules of level hardened are judged. */
  get hardened(): boolean {
    return this.target.level === 'hardened';
  }

  #key(): string {
    return `${this.#branch}${this.#step++}`;
  }

  /** Ids for a room that no one else has: like every id of the run, it depends on the seed and the salt alone. */
  room(): string {
    const id = new Random(this.run.salt, this.run.seed, this.#case, this.#branch, this.#rooms++).id(22);
    return `t-${id}`;
  }

  bytes(count: number): Buffer {
    return this.#random.bytes(count);
  }

  /** @param chars length of the ciphertext's base64 text, a multiple of 4. */
  sealed(chars = 48): Sealed {
    const seedling = this.#random.bytes(30).toString('base64');
    const ciphertext = seedling.repeat(Math.ceil(chars / seedling.length)).slice(0, chars);
    return { ciphertext, nonce: this.#random.bytes(24).toString('base64') };
  }

  async request(
    method: string,
    path: string,
    options: CallOptions & { body?: string; writes?: string; parks?: true } = {},
  ): Promise<Reply> {
    const record = await this.steps.http(this.#key(), {
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
    const log = await this.steps.open(this.#key(), kind, {
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

  /** A handle that no one else has, not yet registered: like room ids it depends on the seed and the salt alone. */
  identity(handle?: string): Identity {
    const { salt, seed } = this.run;
    return madeIdentity([salt, seed, this.#case, this.#branch, 'i', this.#identities++], handle);
  }

  /** The body that registers an identity. @param ts Unix ms. */
  registration(identity: Identity, ts = Date.now()): Record<string, unknown> {
    return registrationOf(identity, ts);
  }

  register(body: Readonly<Record<string, unknown>>, options: CallOptions = {}): Promise<Reply> {
    return this.write('registerIdentity', [], body, options);
  }

  /** A handle that the check depends on, registered. */
  async registered(identity = this.identity()): Promise<Identity> {
    const reply = await this.register(this.registration(identity));
    this.require('ID-1', reply.status === 201, 'a valid registration is answered 201', reply);
    if (reply.status !== 201) throw new Interrupted('a registration that the check needs was not accepted');
    return identity;
  }

  /**
   * A registered agent that other cases share, so that a run registers few. What it does in rooms of the case is its
   * own; its inbox and its profile are not. A branch gets one of its own.
   */
  async agent(): Promise<Identity> {
    const index = this.#agents++;
    const isShared = this.#branch === '' && index < (this.run.agents ?? 0);
    return isShared ? sharedAgent(this.run, index) : this.registered();
  }

  /** Send JSON, or any text, to an operation that draws from the address's rate and from no room's. */
  write(
    operation: OperationId,
    params: readonly string[],
    body: unknown,
    options: CallOptions & { query?: Query; parks?: true } = {},
  ): Promise<Reply> {
    const { query = {}, ...rest } = options;
    const { method } = ROUTES[operation];
    const text = typeof body === 'string' || body === undefined ? body : JSON.stringify(body);
    return this.request(method, pathOf(operation, ...params) + queryString(query), {
      ...rest,
      headers: { ...(text === undefined ? {} : { 'Content-Type': 'application/json' }), ...options.headers },
      ...(text === undefined ? {} : { body: text }),
      writes: '',
    });
  }

  /** The `Authorization` of a request. @param target path and query. @param body its text; empty without one. */
  authorization(
    method: string,
    target: string,
    body: string,
    identity: Identity,
    options: Omit<SignedOptions, 'query' | 'body'> = {},
  ): string {
    const { form = this.hardened ? 2 : 1, ts = Date.now(), by = identity } = options;
    const n = options.n ?? this.#random.bytes(18).toString('base64url');
    const plain =
      form === 1 ? requestText(method, target, ts, n) : requestText2(method, target, ts, n, sha256(body));
    const sig = by.sign(options.text?.(plain) ?? plain);
    return `${AUTH_SCHEME} ${form === 1 ? '' : 'v=2,'}ts=${ts},n=${n},sig=${options.sig?.(sig) ?? sig}`;
  }

  /** A request that an identity signs. @param params what stands in the path, such as a room. */
  signedRequest(
    operation: OperationId,
    params: string | readonly string[],
    identity: Identity,
    options: SignedOptions = {},
  ): Promise<Reply> {
    const { query = {}, body, headers, ...rest } = options;
    const values = typeof params === 'string' ? [params] : params;
    const { method, query: known }: Route = ROUTES[operation];
    const text = body === undefined || typeof body === 'string' ? (body ?? '') : JSON.stringify(body);
    const target = pathOf(operation, ...values) + queryString(query);
    const Authorization = this.authorization(method, target, text, identity, rest);
    return this.write(operation, values, body === undefined ? undefined : text, {
      query,
      headers: { Authorization, ...headers },
      timeoutMs: (known?.['timeout'] === undefined ? 0 : parkMs(query['timeout'])) + ANSWER_MS,
      ...(known?.['timeout'] === undefined ? {} : { parks: true }),
      ...(rest.timeoutMs === undefined ? {} : { timeoutMs: rest.timeoutMs }),
      ...(rest.flood === undefined ? {} : { flood: rest.flood }),
    });
  }

  /** A body that an identity has signed for a room. */
  signedBody(
    room: string,
    identity: Identity,
    body: Readonly<Record<string, unknown>> = {},
    options: SignedPostOptions = {},
  ): Record<string, unknown> {
    const { ts = Date.now(), by = identity, form2 = this.hardened, signedRoom = room } = options;
    const senderNonce = options.senderNonce ?? this.#random.bytes(18).toString('base64url');
    const full: Sealed & Record<string, unknown> = { ...this.sealed(), ...body };
    const { ttl_ms: ttl, reply_to: replyTo, ext } = full;
    const ciphertextSha256 = sha256(full.ciphertext);
    const bound = messageText2({
      room: signedRoom,
      handle: identity.handle,
      signPub: identity.signPub,
      ts,
      senderNonce,
      ciphertextSha256,
      nonce: full.nonce,
      ttlMs: typeof ttl === 'number' ? ttl : 0,
      replyTo: typeof replyTo === 'string' ? replyTo : undefined,
      signedOnly: full['signed_only'] === true,
      extSha256: sha256(typeof ext === 'string' ? ext : ''),
    });
    return {
      ...full,
      sender_handle: identity.handle,
      sender_ts: ts,
      sender_nonce: senderNonce,
      sender_sig: by.sign(messageText(signedRoom, ts, senderNonce, ciphertextSha256)),
      ...(form2 ? { sender_sig2: by.sign(bound) } : {}),
      ...options.after,
    };
  }

  /** Post a message that an identity signs. */
  signedPost(
    room: string,
    identity: Identity,
    body: Readonly<Record<string, unknown>> = {},
    options: SignedPostOptions = {},
  ): Promise<Reply> {
    return this.send('postMessage', room, this.signedBody(room, identity, body, options), options);
  }

  /** @param query `timeout` in seconds; 1 when absent. @param options.body fields beside the handle. */
  claim(
    room: string,
    identity: Identity,
    query: Query = {},
    options: Omit<SignedOptions, 'query' | 'body'> & { body?: Readonly<Record<string, unknown>> } = {},
  ): Promise<Reply> {
    const { handle } = identity;
    return this.signedRequest('claimMessage', room, identity, {
      ...options,
      query: { timeout: 1, ...query },
      body: { handle, ...options.body },
    });
  }

  ack(
    room: string,
    identity: Identity,
    claim_id: string,
    seq: number,
    options: SignedOptions = {},
  ): Promise<Reply> {
    const { handle } = identity;
    return this.signedRequest('ackMessage', room, identity, { ...options, body: { handle, claim_id, seq } });
  }

  renew(
    room: string,
    identity: Identity,
    claim_id: string,
    query: Query = {},
    options: SignedOptions = {},
  ): Promise<Reply> {
    const { handle } = identity;
    return this.signedRequest('renewClaim', room, identity, {
      ...options,
      query,
      body: { handle, claim_id },
    });
  }

  release(room: string, identity: Identity, claim_id: string, options: SignedOptions = {}): Promise<Reply> {
    const { handle } = identity;
    return this.signedRequest('releaseClaim', room, identity, { ...options, body: { handle, claim_id } });
  }

  look(stream: Stream, until: (records: readonly FrameRecord[]) => boolean, ms: number): Promise<LookRecord> {
    return this.steps.look(this.#key(), stream.key, until, ms);
  }

  sendFrame(stream: Stream, data: string, flood = false): Promise<SendRecord> {
    return this.steps.send(this.#key(), stream.key, data, stream.room, flood);
  }

  sleep(ms: number): Promise<void> {
    return this.steps.sleep(this.#key(), ms);
  }

  /** Do several things at once. Each gets a script of its own, so that steps keep their names in any interleaving. */
  async all<T>(...branches: readonly ((script: Script) => Promise<T>)[]): Promise<T[]> {
    const base = this.#key();
    const settled = await Promise.allSettled(
      branches.map((branch, index) =>
        branch(
          new Script({
            steps: this.steps,
            run: this.run,
            case: this.#case,
            branch: `${base}b${index}.`,
            outcomes: this.outcomes,
          }),
        ),
      ),
    );
    return settled.map((result) => {
      if (result.status === 'rejected') throw result.reason as unknown;
      return result.value;
    });
  }

  /**
   * State what a rule requires here, and whether it held.
   * @param want the requirement, as "an answer of 400 to a ttl_ms of -1".
   * @param evidence the answers or streams that show it.
   */
  require(rule: string, ok: boolean, want: string, ...evidence: readonly (Reply | Stream)[]): boolean {
    this.outcomes.push(this.#outcome(rule, ok, want, evidence));
    return ok;
  }

  /** As `require`, for an upper bound on time: a breach counts only when it happens again on a quiet machine. */
  requireInTime(rule: string, ok: boolean, want: string, ...evidence: readonly (Reply | Stream)[]): boolean {
    this.outcomes.push({ ...this.#outcome(rule, ok, want, evidence), late: true });
    return ok;
  }

  #outcome(rule: string, ok: boolean, want: string, evidence: readonly (Reply | Stream)[]): Outcome {
    return {
      rule,
      ok,
      want,
      got: ok ? '' : evidence.map(describe).join('; ') || 'it did not hold',
      evidence: evidence.map((item) => (item instanceof Reply ? item.record.key : item.key)),
    };
  }
}

const SHOWN_CHARS = 300;

/** One line about what came: a status and the beginning of the body, or the frames of a stream. */
function describe(item: Reply | Stream): string {
  if (item instanceof Reply) {
    const { status, error, resBody } = item.record;
    return status === 0 ? `no answer (${error ?? 'unknown'})` : `${status} ${clip(resBody)}`;
  }
  if (!item.opened)
    return item.status === 0
      ? `no stream (${item.log.open.error ?? 'unknown'})`
      : `${item.status} ${clip(item.log.open.resBody)}`;
  const frames = item.records.map((record) => (record.kind === 'comment' ? ':' : clip(record.data, 120)));
  const shown =
    frames.length > 6
      ? [...frames.slice(0, 3), `… ${frames.length - 6} more …`, ...frames.slice(-3)]
      : frames;
  return `stream: ${shown.join(' | ') || 'no frame'}${item.closed ? ' | closed' : ''}`;
}

function clip(text: string, chars = SHOWN_CHARS): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length > chars ? `${line.slice(0, chars)}…` : line;
}
