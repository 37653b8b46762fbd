/** How long the relay took, in a case. */
import type { OperationId } from '@bot2bot/schemas';
import { frameOf, framesOf, type Frame } from '../trace/frames.ts';
import { operationOf, roomOf } from '../trace/operations.ts';
import type { RelayCase, RelayEvent, RelayRun } from '../trace/records.ts';
import { Value } from '../trace/value.ts';

/** Operations whose answer may be delayed by design. */
const PARKING: ReadonlySet<OperationId | null> = new Set<OperationId>([
  'waitForMessages',
  'claimMessage',
  'waitForDms',
]);

/** Whether a frame is `sent`, or the `error` that refuses a message with this nonce; at compat errors have none. */
function answers({ type, json }: Frame, nonce: string): boolean {
  return (
    (type === 'sent' || type === 'error') &&
    (json.get('nonce').raw === nonce || (type === 'error' && !json.has('nonce')))
  );
}

/**
 * The longest time that a message which was sent in a frame took to be answered, and to be delivered to the streams of its
 * room. What never came is counted until the last time that the check looked.
 */
function slowestSend({ target }: RelayRun, events: readonly RelayEvent[]): number {
  const frames = framesOf(events.filter((event) => event.t === 'frame'));
  const on = (stream: string, from: number) =>
    frames.filter(({ key, at }) => key.startsWith(`${stream}#`) && at >= from);
  const last = Math.max(...events.map((event) => (event.t === 'look' ? event.at : 0)));
  const opens = events.filter((event) => event.t === 'open');
  const closedAt = new Map(events.flatMap((event) => (event.t === 'close' ? [[event.key, event.at]] : [])));
  const taken = new Set<Frame>();
  let most = 0;
  for (const event of events) {
    if (event.t !== 'send' || event.flood === true) continue;
    const given = Value.parse(event.data);
    const nonce = given.get('nonce').string;
    if (nonce === '' || given.has('type')) continue;
    const answer = on(event.stream, event.at).find((frame) => !taken.has(frame) && answers(frame, nonce));
    if (answer !== undefined) taken.add(answer);
    if (answer !== undefined || target.level === 'hardened')
      most = Math.max(most, (answer?.at ?? last) - event.at);
    if (answer?.type === 'error' || answer?.json.get('duplicate').raw === true) continue;
    const room = roomOf(opens.find(({ key }) => key === event.stream)?.path ?? '');
    for (const { key, path, t1 } of opens) {
      if (roomOf(path) !== room || t1 > event.at || (closedAt.get(key) ?? Infinity) < event.at) continue;
      const message = on(key, event.at).find(
        ({ type, json }) => type === 'message' && json.get('nonce').raw === nonce,
      );
      most = Math.max(most, (message?.at ?? last) - event.at);
    }
  }
  return most;
}

/**
 * The longest delay of the relay, in ms: of an answer, of the first frame of a stream, of a message on a stream, or of what
 * answers a frame.
 */
export function slowest(run: RelayRun, { events }: RelayCase): number {
  let most = slowestSend(run, events);
  /** When the answer to each post arrived, by seq; and when each stream was opened, by key. */
  const accepted = new Map<number, number>();
  const opened = new Map<string, number>();
  for (const event of events) {
    if (event.t === 'open') {
      opened.set(event.key, event.t1);
      most = Math.max(most, event.t1 - event.t0);
    }
    if (event.t !== 'http') continue;
    const operation = operationOf(event.method, event.path);
    if (event.flood !== true && !PARKING.has(operation)) most = Math.max(most, event.t1 - event.t0);
    if (operation === 'postMessage' && event.status === 200)
      accepted.set(Value.parse(event.resBody).get('seq').number, event.t1);
  }
  for (const event of events) {
    if (event.t !== 'frame') continue;
    const [stream = '', place] = event.key.split('#');
    const due =
      place === '0' ? opened.get(stream) : accepted.get(frameOf(event)?.json.get('seq').number ?? NaN);
    const since = Math.max(due ?? Infinity, opened.get(stream) ?? 0);
    most = Math.max(most, event.at - since);
  }
  return most;
}
