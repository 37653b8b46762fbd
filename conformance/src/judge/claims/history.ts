/** What a case did with claims and saw of them: one history for each handle and room, and what is known of the messages. */
import { TIMINGS, type OperationId } from '@bot2bot/schemas';
import type { Operation } from './linearize.ts';
import { operationOf, queryOf, roomOf } from '../../trace/operations.ts';
import { frameOf } from '../../trace/frames.ts';
import { Value } from '../../trace/value.ts';
import type { RelayCase, HttpRecord, RelayRun } from '../../trace/records.ts';

/** Two clocks that round to a millisecond, and drift for as long as a lease. */
export const CLOCK_MS = 5;
/** At compat a relay may deliver an expired message for this long (MSG-9). */
const TTL_GRACE_MS = 5_000;

/** A message that was accepted or delivered. */
export interface Known {
  readonly seq: number;
  readonly id: string;
  /** As it was posted, where that is known; as it was delivered otherwise. */
  readonly body: Value;
  readonly sender: string;
  /** The handle that signed it; empty for none. */
  readonly signer: string;
  /** When it certainly existed, and when it cannot have existed before. */
  readonly since: number;
  readonly notBefore: number;
  /** 0: does not expire. */
  readonly ttlMs: number;
}

/** What a claim passes over. */
export interface Passing {
  readonly exclude: readonly string[];
  readonly self: 'label' | 'verified';
}

interface Common extends Operation {
  readonly key: string;
  /** The answer; undefined in every field when none came. */
  readonly json: Value;
}

export interface Claiming extends Common, Passing {
  readonly kind: 'claim';
  readonly outcome: 'granted' | 'empty' | 'no-room' | 'unknown';
  readonly leaseMs: number;
  /** Whether the claim gave `lease_ms` itself. */
  readonly leaseGiven: boolean;
  readonly timeoutMs: number;
  readonly epochAsked: string | null;
  readonly claimId: string;
  readonly seq: number;
  readonly cursor: number;
}

export interface Acking extends Common {
  readonly kind: 'ack';
  readonly outcome: 'advanced' | 'idle' | 'gone' | 'unknown';
  readonly claimId: string;
  readonly seq: number;
  readonly cursor: number;
}

export interface Renewing extends Common {
  readonly kind: 'renew';
  readonly outcome: 'renewed' | 'gone' | 'unknown';
  readonly claimId: string;
  readonly leaseMs: number;
  readonly cursor: number;
}

export interface Releasing extends Common {
  readonly kind: 'release';
  readonly outcome: 'released' | 'idle' | 'unknown';
  readonly claimId: string;
}

export type ClaimOp = Claiming | Acking | Renewing | Releasing;

/** Everything about one handle in one room. */
export interface History {
  readonly handle: string;
  readonly room: string;
  readonly ops: readonly ClaimOp[];
  readonly log: RoomLog;
}

const OPERATIONS: ReadonlySet<OperationId | null> = new Set<OperationId>([
  'claimMessage',
  'ackMessage',
  'renewClaim',
  'releaseClaim',
]);

/** The messages of a room, and whether each may or must be gone by some time. */
export class RoomLog {
  readonly #run: RelayRun;
  readonly #known = new Map<number, Known>();
  #sorted: Known[] | null = null;

  constructor(run: RelayRun) {
    this.#run = run;
  }

  /** Learn of a message, or that it was there earlier than was known. */
  see(message: Known): void {
    const before = this.#known.get(message.seq);
    this.#sorted = null;
    this.#known.set(
      message.seq,
      before === undefined
        ? message
        : {
            ...before,
            signer: before.signer || message.signer,
            since: Math.min(before.since, message.since),
            notBefore: Math.max(before.notBefore, message.notBefore),
          },
    );
  }

  /** In the order of seq. */
  get messages(): readonly Known[] {
    return (this.#sorted ??= [...this.#known.values()].sort((a, b) => a.seq - b.seq));
  }

  get(seq: number): Known | undefined {
    return this.#known.get(seq);
  }

  /** Whether it may have expired or been evicted by `at`. */
  mayBeGone({ seq, ttlMs, notBefore }: Known, at: number): boolean {
    const { retention_ms: retention } = this.#run.target.timings;
    if (ttlMs > 0 && at >= notBefore + ttlMs - CLOCK_MS) return true;
    if (at >= notBefore + retention - CLOCK_MS) return true;
    const { buffer_messages: most } = this.#run.target.limits;
    if (this.#known.size <= most) return false;
    let above = 0;
    for (const other of this.#known.values()) if (other.seq > seq && other.notBefore <= at) above++;
    return above >= most;
  }

  /** Whether it must have expired by `at`. */
  mustBeGone({ ttlMs, since }: Known, at: number): boolean {
    const grace = this.#run.target.level === 'hardened' ? 0 : TTL_GRACE_MS;
    return ttlMs > 0 && at > since + ttlMs + CLOCK_MS + grace;
  }
}

/** Whether a claim of the handle passes a message over. @see CLAIM-13 CLAIM-14 */
export function isPassedOver(handle: string, { exclude, self }: Passing, message: Known): boolean {
  const own =
    self === 'verified'
      ? message.signer === handle
      : message.sender === handle || message.sender === `@${handle}`;
  return own || exclude.includes(message.sender);
}

function leaseOf(query: URLSearchParams, run: RelayRun): { leaseMs: number; leaseGiven: boolean } {
  const { lease_default_ms, claim_ttl_min_ms, claim_ttl_max_ms } = run.target.timings;
  const asked = Number(query.get('lease_ms') ?? NaN);
  if (run.target.level === 'hardened' && !Number.isNaN(asked)) return { leaseMs: asked, leaseGiven: true };
  const ttl = Number(query.get('ttl_ms') ?? NaN);
  if (Number.isNaN(ttl)) return { leaseMs: lease_default_ms, leaseGiven: false };
  return { leaseMs: Math.min(claim_ttl_max_ms, Math.max(claim_ttl_min_ms, ttl)), leaseGiven: false };
}

function timeoutOf(query: URLSearchParams): number {
  const seconds = Number(query.get('timeout') || NaN);
  const { wait_default_ms: usual, wait_min_ms: least, wait_max_ms: most } = TIMINGS;
  return Number.isNaN(seconds)
    ? usual.default
    : Math.min(most.default, Math.max(least.default, seconds * 1000));
}

/** What was answered, or null for a request that certainly had no effect. */
function opOf(event: HttpRecord, run: RelayRun): ClaimOp | null {
  const operation = operationOf(event.method, event.path);
  const body = Value.parse(event.reqBody ?? '');
  const json = Value.parse(event.status === 0 ? '' : event.resBody);
  const query = queryOf(event.path);
  const unknown = event.status === 0 || event.status >= 500;
  const gone = event.status === 409;
  if (!unknown && event.status !== 200 && !gone) return null;
  const common = { key: event.key, t0: event.t0, t1: unknown ? Infinity : event.t1, json };
  const claimId = body.get('claim_id').string;
  const cursor = json.get('cursor').number;
  switch (operation) {
    case 'claimMessage': {
      if (gone) return null;
      const outcome = unknown
        ? 'unknown'
        : json.get('exists').raw === false
          ? 'no-room'
          : json.get('empty').raw === true
            ? 'empty'
            : 'granted';
      return {
        ...common,
        ...leaseOf(query, run),
        kind: 'claim',
        outcome,
        timeoutMs: timeoutOf(query),
        epochAsked: query.get('epoch'),
        claimId: json.get('claim_id').string,
        seq: json.get('message').get('seq').number,
        cursor,
        exclude: body.get('exclude_senders').items.map((label) => label.string),
        self:
          body.get('exclude_self').raw === 'verified' && run.target.level === 'hardened'
            ? 'verified'
            : 'label',
      };
    }
    case 'ackMessage': {
      const advanced = json.get('advanced').raw === true;
      const outcome = unknown ? 'unknown' : gone ? 'gone' : advanced ? 'advanced' : 'idle';
      return { ...common, kind: 'ack', outcome, claimId, seq: body.get('seq').number, cursor };
    }
    case 'renewClaim': {
      const outcome = unknown ? 'unknown' : gone ? 'gone' : 'renewed';
      return { ...common, kind: 'renew', outcome, claimId, leaseMs: leaseOf(query, run).leaseMs, cursor };
    }
    case 'releaseClaim': {
      if (gone) return null;
      const outcome = unknown ? 'unknown' : json.get('released').raw === true ? 'released' : 'idle';
      return { ...common, kind: 'release', outcome, claimId };
    }
    default:
      return null;
  }
}

interface Body {
  readonly at: number;
  readonly body: Value;
}

function knownOf(message: Value, at: number, bodies: ReadonlyMap<string, Body>): Known {
  const nonce = message.get('nonce').string;
  const posted = bodies.get(nonce);
  const body = posted?.body ?? message;
  const signer = body.get('sender_sig').string === '' ? '' : body.get('sender_handle').string;
  return {
    seq: message.get('seq').number,
    id: message.get('id').string,
    body,
    sender: signer === '' ? body.get('sender').string || message.get('sender').string : `@${signer}`,
    signer,
    since: at,
    notBefore: posted?.at ?? -Infinity,
    ttlMs: Math.max(0, body.get('ttl_ms').number || 0),
  };
}

/** The messages of each room that has claims. */
function logsOf(run: RelayRun, trace: RelayCase, rooms: ReadonlySet<string>): Map<string, RoomLog> {
  const logs = new Map([...rooms].map((room) => [room, new RoomLog(run)]));
  const streams = new Map<string, string>();
  const bodies = new Map<string, Body>();
  const posts: { event: HttpRecord; body: Value }[] = [];
  for (const event of trace.events) {
    if (event.t === 'open') streams.set(event.key, roomOf(event.path) ?? '');
    const isPost = event.t === 'http' && operationOf(event.method, event.path) === 'postMessage';
    if (!isPost && event.t !== 'send') continue;
    const body = Value.parse(event.t === 'http' ? (event.reqBody ?? '') : event.data);
    const nonce = body.get('nonce').string;
    if (event.t === 'http') posts.push({ event, body });
    if (!bodies.has(nonce)) bodies.set(nonce, { at: event.t === 'http' ? event.t0 : event.at, body });
  }
  const see = (room: string | null | undefined, message: Value, at: number) => {
    if (!Number.isNaN(message.get('seq').number)) logs.get(room ?? '')?.see(knownOf(message, at, bodies));
  };
  for (const { event, body } of posts) {
    if (event.status !== 200 || !logs.has(roomOf(event.path) ?? '')) continue;
    const answer = Value.parse(event.resBody);
    const place = { ...(body.raw as object), seq: answer.get('seq').raw, id: answer.get('id').raw };
    see(roomOf(event.path), new Value(place), event.t1);
  }
  for (const event of trace.events) {
    if (event.t === 'frame') {
      const frame = frameOf(event);
      const room = streams.get(event.key.slice(0, event.key.lastIndexOf('#')));
      if (frame !== null && (frame.type === 'message' || frame.type === 'sent'))
        see(room, frame.json, event.at);
    }
    if (event.t !== 'http' || event.status !== 200 || !logs.has(roomOf(event.path) ?? '')) continue;
    const operation = operationOf(event.method, event.path);
    const json = Value.parse(event.resBody);
    if (operation === 'claimMessage') see(roomOf(event.path), json.get('message'), event.t1);
    if (operation !== 'waitForMessages' && operation !== 'readTranscript') continue;
    for (const message of json.get('messages').items) see(roomOf(event.path), message, event.t1);
  }
  return logs;
}

/** When the room may have gone for want of activity; what was done later is not judged. */
function horizonOf(run: RelayRun, trace: RelayCase, room: string): number {
  const idle = run.target.timings.room_idle_ms;
  const until: { from: number; to: number }[] = [];
  const ends = new Map<string, number>();
  for (const event of trace.events) {
    if (event.t !== 'http' || event.status !== 200 || roomOf(event.path) !== room) continue;
    const operation = operationOf(event.method, event.path);
    const op = OPERATIONS.has(operation) ? opOf(event, run) : null;
    if (operation === 'postMessage') until.push({ from: event.t0, to: event.t0 });
    if ((op?.kind === 'ack' || op?.kind === 'release') && !ends.has(op.claimId)) ends.set(op.claimId, op.t0);
  }
  for (const event of trace.events) {
    if (event.t !== 'http' || event.status !== 200 || roomOf(event.path) !== room) continue;
    const op = opOf(event, run);
    if (op?.kind !== 'claim' || op.outcome === 'no-room') continue;
    const parked = Math.min(op.t0 + op.timeoutMs, op.t1) - CLOCK_MS;
    const left = op.json.get('lease_remaining_ms').number;
    const lease = op.t0 + (Number.isNaN(left) ? 0 : Math.min(left, op.leaseMs));
    const held = op.outcome === 'granted' ? Math.min(lease, ends.get(op.claimId) ?? Infinity) : op.t0;
    until.push({ from: op.t0, to: Math.max(op.t0, held, parked) });
  }
  let last = -Infinity;
  for (const { from, to } of until.sort((a, b) => a.from - b.from)) {
    if (last > -Infinity && from > last + idle) return last + idle;
    last = Math.max(last, to);
  }
  return last + idle;
}

/** Every history of a case. */
export function historiesOf(run: RelayRun, trace: RelayCase): History[] {
  const events = trace.events.flatMap((event) => {
    const room = event.t === 'http' ? roomOf(event.path) : null;
    return event.t === 'http' && room !== null && OPERATIONS.has(operationOf(event.method, event.path))
      ? [{ event, room }]
      : [];
  });
  const rooms = new Set(events.map(({ room }) => room));
  const logs = logsOf(run, trace, rooms);
  const horizons = new Map([...rooms].map((room) => [room, horizonOf(run, trace, room)]));
  const all = new Map<string, { handle: string; room: string; log: RoomLog; ops: ClaimOp[] }>();
  for (const { event, room } of events) {
    const log = logs.get(room);
    const horizon = horizons.get(room) ?? Infinity;
    const op = opOf(event.t1 > horizon ? { ...event, status: 0 } : event, run);
    if (log === undefined || op === null || op.t0 >= horizon) continue;
    const handle = Value.parse(event.reqBody ?? '').get('handle').string;
    const name = `${room} ${handle}`;
    const history = all.get(name) ?? { handle, room, log, ops: [] };
    history.ops.push(op);
    all.set(name, history);
  }
  return [...all.values()];
}
