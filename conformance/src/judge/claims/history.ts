/** The claim operations of a case as histories, one for each handle and room, with the known messages of the rooms. */
import type { OperationId } from '@bot2bot/schemas';
import type { Operation } from './linearize.ts';
import { CLOCK_MS, RoomLog, type Known } from '../room/known.ts';
import { operationOf, queryOf, roomOf } from '../../trace/operations.ts';
import { frameOf } from '../../trace/frames.ts';
import { Value } from '../../trace/value.ts';
import type { RelayCase, HttpRecord, RelayRun } from '../../trace/records.ts';

/** Which messages a claim skips. */
export interface Passing {
  readonly exclude: readonly string[];
  readonly self: 'label' | 'verified';
}

interface Common extends Operation {
  readonly key: string;
  /** Status of the answer; 0 without an answer. */
  readonly status: number;
  /** The answer; all fields are undefined without one. */
  readonly json: Value;
}

export interface Claiming extends Common, Passing {
  readonly kind: 'claim';
  readonly outcome: 'granted' | 'empty' | 'no-room' | 'unknown';
  readonly leaseMs: number;
  /** Whether the request had a `lease_ms`. */
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

interface HandleOp {
  readonly op: ClaimOp;
  readonly handle: string;
}

/** All operations of one handle in one room. */
export interface History {
  readonly handle: string;
  readonly room: string;
  readonly ops: readonly ClaimOp[];
  readonly log: RoomLog;
}

const handleOf = ({ reqBody }: HttpRecord) => Value.parse(reqBody ?? '').get('handle').string;
const OPERATIONS: ReadonlySet<OperationId | null> = new Set<OperationId>([
  'claimMessage',
  'ackMessage',
  'renewClaim',
  'releaseClaim',
]);

/** Whether a claim of the handle skips a message. @see CLAIM-13 CLAIM-14 */
export function isPassedOver(handle: string, { exclude, self }: Passing, message: Known): boolean {
  const own =
    self === 'verified'
      ? message.signer === handle
      : message.sender === handle || message.sender === `@${handle}`;
  return own || exclude.includes(message.sender);
}

/** Longer strings are truncated when an answer is shown. */
const SHOWN_CHARS = 100;

/** An answer in one line, such as `409 {"error":…}`. */
export function answerOf({ status, json }: ClaimOp): string {
  const short = (_: string, value: unknown) =>
    typeof value === 'string' && value.length > SHOWN_CHARS
      ? `${value.slice(0, SHOWN_CHARS)}… (${value.length} characters)`
      : value;
  return `${status} ${JSON.stringify(json.raw ?? null, short)}`;
}

function leaseOf(query: URLSearchParams, run: RelayRun): { leaseMs: number; leaseGiven: boolean } {
  const { lease_default_ms, claim_ttl_min_ms, claim_ttl_max_ms } = run.target.timings;
  const asked = Number(query.get('lease_ms') ?? NaN);
  if (run.target.level === 'hardened' && !Number.isNaN(asked)) return { leaseMs: asked, leaseGiven: true };
  const ttl = Number(query.get('ttl_ms') ?? NaN);
  if (Number.isNaN(ttl)) return { leaseMs: lease_default_ms, leaseGiven: false };
  return { leaseMs: Math.min(claim_ttl_max_ms, Math.max(claim_ttl_min_ms, ttl)), leaseGiven: false };
}

function timeoutOf(query: URLSearchParams, run: RelayRun): number {
  const seconds = Number(query.get('timeout') || NaN);
  const { wait_default_ms: usual, wait_min_ms: least, wait_max_ms: most } = run.target.timings;
  return Number.isNaN(seconds) ? usual : Math.min(most, Math.max(least, seconds * 1000));
}

/** The operation of a request; null if the request certainly had no effect. */
function opOf(event: HttpRecord, run: RelayRun): ClaimOp | null {
  const operation = operationOf(event.method, event.path);
  const body = Value.parse(event.reqBody ?? '');
  const json = Value.parse(event.status === 0 ? '' : event.resBody);
  const query = queryOf(event.path);
  const unknown = event.status === 0 || event.status >= 500;
  const gone = event.status === 409;
  if (!unknown && event.status !== 200 && !gone) return null;
  const common = {
    key: event.key,
    t0: event.t0,
    t1: unknown ? Infinity : event.t1,
    status: event.status,
    json,
  };
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
        timeoutMs: timeoutOf(query, run),
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

/** Evidence that the room existed during an interval. */
interface Sign {
  /** The interval began at this time at the latest. */
  readonly by: number;
  /** The interval ended at this time at the earliest. */
  readonly to: number;
  /** Whether it was activity, which keeps the room alive, or only shows that the room existed. @see ROOM-6 CLAIM-28 */
  readonly kept: boolean;
  /** The reported epoch; empty if there is none. */
  readonly epoch: string;
}

/** The earliest time at which a claim may have ended for another reason than the expiry of its reported lease. */
function endOf(claimId: string, ops: readonly HandleOp[], log: RoomLog): number {
  const grant = ops.find(({ op }) => op.kind === 'claim' && op.claimId === claimId);
  const message = grant?.op.kind === 'claim' ? log.get(grant.op.seq) : undefined;
  const ends = ops.map(({ op, handle }) => {
    if (op.kind === 'claim')
      return handle === grant?.handle && message !== undefined && log.mayBeGone(message, op.t1)
        ? op.t0
        : Infinity;
    if (op.claimId !== claimId || op.outcome === 'gone' || op.outcome === 'idle') return Infinity;
    return op.kind === 'renew' ? op.t0 + op.leaseMs : op.t0;
  });
  return Math.min(...ends);
}

/** Evidence from answers to claims. At compat, a claim does not keep the room alive. */
function claimSigns(run: RelayRun, ops: readonly HandleOp[], log: RoomLog): Sign[] {
  return ops.flatMap(({ op }): Sign[] => {
    if (run.target.level !== 'hardened' || op.t1 === Infinity) return [];
    const epoch = op.json.get('epoch').string;
    if (op.kind === 'claim' && op.outcome === 'empty') {
      const parked = Math.min(op.timeoutMs, op.t1 - op.t0) - CLOCK_MS;
      return [{ by: op.t1 - parked, to: op.t0 + parked, kept: true, epoch }];
    }
    if (op.outcome !== 'granted' && op.outcome !== 'renewed') return [];
    const left = Math.min(op.json.get('lease_remaining_ms').number || 0, op.leaseMs);
    const to = Math.max(op.t0, Math.min(op.t0 + left, endOf(op.claimId, ops, log)));
    return [{ by: op.t1, to, kept: true, epoch }];
  });
}

/** Evidence from all other requests and streams. */
function otherSigns(trace: RelayCase, room: string): Sign[] {
  const last = Math.max(0, ...trace.events.map((event) => ('at' in event ? event.at : event.t1)));
  return trace.events.flatMap((event): Sign[] => {
    if (event.t === 'open' && roomOf(event.path) === room && (event.status === 200 || event.status === 101)) {
      const close = trace.events.find((other) => other.t === 'close' && other.key === event.key);
      const to = close?.t !== 'close' ? last : close.by === 'suite' ? close.at : event.t0;
      return [{ by: event.t1, to, kept: true, epoch: '' }];
    }
    if (event.t !== 'http' || event.status !== 200 || roomOf(event.path) !== room) return [];
    const operation = operationOf(event.method, event.path);
    const json = Value.parse(event.resBody);
    const epoch = json.get('epoch').string;
    if (operation === 'postMessage' && json.get('duplicate').raw !== true)
      return [{ by: event.t1, to: event.t0, kept: true, epoch }];
    const reads = operation === 'waitForMessages' || operation === 'readTranscript';
    return reads && epoch !== '' ? [{ by: event.t1, to: event.t0, kept: false, epoch }] : [];
  });
}

/** The time until which the room certainly existed without interruption; later operations are not judged. */
function horizonOf(run: RelayRun, signs: readonly Sign[]): number {
  const idle = run.target.timings.room_idle_ms - CLOCK_MS;
  let until = NaN;
  let epoch = '';
  for (const sign of [...signs].sort((a, b) => a.by - b.by)) {
    const known = sign.epoch !== '' && sign.epoch === epoch;
    if (!known && sign.by > until) continue;
    epoch ||= sign.epoch;
    until = Math.max(Number.isNaN(until) ? -Infinity : until, sign.kept ? sign.to + idle : sign.to);
  }
  return Number.isNaN(until) ? -Infinity : until;
}

/** All histories of a case. */
export function historiesOf(run: RelayRun, trace: RelayCase): History[] {
  const events = trace.events.flatMap((event) => {
    const room = event.t === 'http' ? roomOf(event.path) : null;
    return event.t === 'http' && room !== null && OPERATIONS.has(operationOf(event.method, event.path))
      ? [{ event, room }]
      : [];
  });
  const rooms = new Set(events.map(({ room }) => room));
  const logs = logsOf(run, trace, rooms);
  const ops = events.flatMap(({ event, room }): (HandleOp & { room: string })[] => {
    const op = opOf(event, run);
    return op === null ? [] : [{ op, room, handle: handleOf(event) }];
  });
  const horizons = new Map(
    [...logs].map(([room, log]) => {
      const own = ops.filter((each) => each.room === room);
      return [room, horizonOf(run, [...claimSigns(run, own, log), ...otherSigns(trace, room)])];
    }),
  );
  const all = new Map<string, { handle: string; room: string; log: RoomLog; ops: ClaimOp[] }>();
  for (const { event, room } of events) {
    const log = logs.get(room);
    const horizon = horizons.get(room) ?? Infinity;
    const op = opOf(event.t1 > horizon ? { ...event, status: 0 } : event, run);
    if (log === undefined || op === null || op.t0 >= horizon) continue;
    const handle = handleOf(event);
    const name = `${room} ${handle}`;
    const history = all.get(name) ?? { handle, room, log, ops: [] };
    history.ops.push(op);
    all.set(name, history);
  }
  return [...all.values()];
}
