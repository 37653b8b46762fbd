/** The posts, reads, streams and other answers of each room, taken from the trace of a case. */
import { operationOf, queryOf, roomOf } from '../../trace/operations.ts';
import { frameOf, type Frame } from '../../trace/frames.ts';
import { Value } from '../../trace/value.ts';
import type { RelayCase, CloseRecord, HttpRecord, OpenRecord, RelayRun } from '../../trace/records.ts';

export interface Post {
  readonly key: string;
  readonly t0: number;
  readonly t1: number;
  readonly body: Value;
  readonly nonce: string;
  /** `unknown`: no answer tells whether it was accepted. */
  readonly outcome: 'accepted' | 'duplicate' | 'refused' | 'unknown';
  readonly status: number;
  readonly seq: number;
  readonly id: string;
}

export interface Read {
  readonly key: string;
  readonly kind: 'wait' | 'transcript' | 'stream';
  readonly t0: number;
  readonly t1: number;
  /** NaN: it can be read in two ways. */
  readonly after: number;
  readonly epochAsked: string | null;
  readonly json: Value;
  readonly messages: readonly Value[];
  /** Key of the record that contains the message with this index. */
  readonly keyOf: (index: number) => string;
  /** NaN: it can be read in two ways. */
  readonly limit: number;
}

export interface StreamSeen {
  readonly open: OpenRecord;
  readonly frames: readonly Frame[];
  readonly close: CloseRecord | null;
  readonly last: number;
}

/**
 * A number of a query, clamped to its range, or `fallback` if it cannot be parsed. NaN if relays may differ: some parse
 * `1e999`, `0x10` or `1.5`, others do not, and of a parameter that is given twice either may count.
 * @see CORE-6
 */
export function numberIn(
  query: URLSearchParams,
  name: string,
  fallback: number,
  min: number,
  max: number,
): number {
  const [text = '', ...more] = query.getAll(name);
  if (more.length > 0) return NaN;
  const value = Number(text);
  if (text === '' || Number.isNaN(value)) return fallback;
  return /^-?[0-9]+$/.test(text) ? Math.min(max, Math.max(min, value)) : NaN;
}

/** A successful answer to a status request or a claim. */
export interface RoomAnswer {
  readonly key: string;
  readonly kind: 'status' | 'claim';
  readonly t0: number;
  readonly t1: number;
  readonly json: Value;
}

/** What happened in one room. */
export interface RoomHistory {
  readonly posts: readonly Post[];
  readonly reads: readonly Read[];
  readonly streams: readonly StreamSeen[];
  readonly answers: readonly RoomAnswer[];
}

interface Growing {
  readonly posts: Post[];
  readonly reads: Read[];
  readonly streams: StreamSeen[];
  readonly answers: RoomAnswer[];
}

/** The rooms of a case, by id. */
export function historiesOf(run: RelayRun, trace: RelayCase): ReadonlyMap<string, RoomHistory> {
  const rooms = new Map<string, Growing>();
  const at = (id: string): Growing => {
    const room = rooms.get(id) ?? { posts: [], reads: [], streams: [], answers: [] };
    rooms.set(id, room);
    return room;
  };
  for (const event of trace.events) {
    if (event.t !== 'http') continue;
    const room = roomOf(event.path);
    const operation = operationOf(event.method, event.path);
    if (room === null || operation === null) continue;
    if (operation === 'postMessage') at(room).posts.push(postOf(event));
    if ((operation === 'probeRoom' || operation === 'claimMessage') && event.status === 200)
      at(room).answers.push({
        key: event.key,
        kind: operation === 'probeRoom' ? 'status' : 'claim',
        t0: event.t0,
        t1: event.t1,
        json: Value.parse(event.resBody),
      });
    if ((operation !== 'waitForMessages' && operation !== 'readTranscript') || event.status !== 200) continue;
    const query = queryOf(event.path);
    const json = Value.parse(event.resBody);
    const { page_messages: most } = run.target.limits;
    at(room).reads.push({
      key: event.key,
      kind: operation === 'waitForMessages' ? 'wait' : 'transcript',
      t0: event.t0,
      t1: event.t1,
      after: numberIn(query, 'after', 0, 0, Number.MAX_SAFE_INTEGER),
      epochAsked: query.get('epoch'),
      json,
      messages: json.get('messages').items,
      keyOf: () => event.key,
      limit: operation === 'waitForMessages' ? most : numberIn(query, 'limit', 100, 1, most),
    });
  }
  for (const stream of streamsOf(trace)) {
    const room = roomOf(stream.open.path);
    if (room === null) continue;
    at(room).streams.push(stream);
    at(room).posts.push(...sendsOf(trace, stream));
  }
  return rooms;
}

function postOf(event: HttpRecord): Post {
  const body = Value.parse(event.reqBody ?? '');
  const answer = Value.parse(event.resBody);
  const accepted = event.status === 200;
  const outcome = accepted
    ? answer.get('duplicate').raw === true
      ? 'duplicate'
      : 'accepted'
    : event.status >= 400 && event.status < 500
      ? 'refused'
      : 'unknown';
  return {
    key: event.key,
    t0: event.t0,
    t1: event.t1,
    body,
    nonce: body.get('nonce').string,
    outcome,
    status: event.flood === true && event.status === 429 ? 0 : event.status,
    seq: answer.get('seq').number,
    id: answer.get('id').string,
  };
}

function streamsOf(trace: RelayCase): StreamSeen[] {
  const last = Math.max(0, ...trace.events.map((event) => ('at' in event ? event.at : event.t1)));
  return trace.events.flatMap((event) => {
    if (event.t !== 'open' || (event.status !== 200 && event.status !== 101)) return [];
    const frames = trace.events.flatMap((other) => {
      const frame = other.t === 'frame' && other.key.startsWith(`${event.key}#`) ? frameOf(other) : null;
      return frame === null ? [] : [frame];
    });
    const close = trace.events.find((other) => other.t === 'close' && other.key === event.key);
    return [{ open: event, frames, close: close?.t === 'close' ? close : null, last }];
  });
}

/** Messages sent on a WebSocket. A `sent` frame (at hardened also an `error` frame) with the same nonce is the answer. */
function sendsOf(trace: RelayCase, stream: StreamSeen): Post[] {
  const sends = trace.events.flatMap((event) => {
    if (event.t !== 'send' || event.stream !== stream.open.key) return [];
    const body = Value.parse(event.data);
    return body.has('type') || body.get('nonce').string === '' ? [] : [{ event, body }];
  });
  const taken = new Set<Frame>();
  return sends.map(({ event, body }) => {
    const nonce = body.get('nonce').string;
    const answer = stream.frames.find(
      (frame) =>
        !taken.has(frame) &&
        frame.at >= event.at &&
        (frame.type === 'sent' || frame.type === 'error') &&
        frame.json.get('nonce').string === nonce,
    );
    if (answer !== undefined) taken.add(answer);
    const accepted = answer?.type === 'sent';
    const duplicate = answer?.json.get('duplicate').raw === true;
    const status = accepted ? 200 : answer === undefined ? 0 : answer.json.get('code').number;
    return {
      key: event.key,
      t0: event.at,
      t1: answer?.at ?? Infinity,
      body,
      nonce,
      outcome: accepted
        ? duplicate
          ? 'duplicate'
          : 'accepted'
        : answer === undefined
          ? 'unknown'
          : 'refused',
      status: event.flood === true && status === 429 ? 0 : status,
      seq: answer?.json.get('seq').number ?? NaN,
      id: answer?.json.get('id').string ?? '',
    } satisfies Post;
  });
}
