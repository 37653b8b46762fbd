import { Bot2BotError } from '../wire/errors.ts';
import type { Participant, ReadEvent, RoomEvent } from './events.ts';
import type { Member } from './member.ts';
import type { Position } from './position.ts';
import { fetchPage, fetchStatus } from './read-requests.ts';
import { backoff, sleep } from '../wire/retry.ts';
import { sseFrames, wsFrames, type Frame, type WebSocketConstructor } from '../wire/transports.ts';
import { LIMITS, TIMINGS } from '../wire/wire.gen.ts';

/** How long to wait for `ready`. */
const READY_MS = 20_000;
/** After this many connections in a row without `ready`, the stream falls back to the next transport. */
const MAX_FAILURES = 2;
/** Delay before asking again for a room that does not exist; it doubles up to the maximum. @see ROOM-3 */
const MISSING_ROOM_MIN_MS = 500;
const UNKNOWN_MOST_MS = 5_000;
type Transport = 'ws' | 'sse' | 'poll';

/** How long to wait before asking again for a room that does not exist. @param times how often it was missing so far. @see ROOM-3 */
export function missingRoomDelayMs(times: number): number {
  return backoff(times, MISSING_ROOM_MIN_MS, UNKNOWN_MOST_MS);
}

/**
 * Follow a room, reconnecting after interruptions, until `signal` aborts.
 * @param closing ends the stream without an error when it aborts.
 */
export async function* follow(
  member: Member,
  position: Position,
  {
    socket,
    closing,
    signal,
  }: { socket: WebSocketConstructor | null; closing: AbortSignal; signal: AbortSignal },
): AsyncGenerator<RoomEvent, void, void> {
  const transports: Transport[] = socket === null ? ['sse', 'poll'] : ['ws', 'sse', 'poll'];
  let failures = 0;
  let attempt = 0;
  while (!closing.aborted) {
    let ready = false;
    try {
      if (attempt > 0 && (position.epoch === null || transports[0] === 'ws'))
        yield* await recheckRoom(member, position, signal);
      for await (const event of connection(member, transports[0] ?? 'poll', position, { socket, signal })) {
        if (event.type === 'ready') {
          ready = true;
          attempt = failures = 0;
        }
        yield event;
      }
    } catch (error) {
      if (closing.aborted) return;
      signal.throwIfAborted();
      if (!(error instanceof Bot2BotError)) throw error;
      // A WebSocket never says why it failed. For SSE, a network error or a rate limit would hit every transport.
      const avoidable = transports[0] === 'ws' || (error.code !== 'network' && error.retryAfterMs === null);
      if (!ready && avoidable) failures++;
      if (transports.length === 1 && !error.passing) throw error;
      if (failures >= MAX_FAILURES && transports.length > 1) {
        transports.shift();
        failures = 0;
      }
      const retryInMs = Math.round(error.retryAfterMs ?? backoff(attempt));
      attempt++;
      yield { type: 'interrupted', code: error.code, retryInMs };
      try {
        await sleep(retryInMs, signal);
      } catch (reason) {
        if (closing.aborted) return;
        throw reason;
      }
    }
  }
}

/**
 * Check that the room is still the same lifetime. It is needed where the relay reports no epoch, and before a WebSocket,
 * which reports the epoch only after the replayed messages.
 */
async function recheckRoom(member: Member, position: Position, signal: AbortSignal): Promise<ReadEvent[]> {
  if (!position.isStarted) return [];
  const { exists, lastSeq, epoch } = await fetchStatus(member, signal);
  if (exists && epoch !== null) return position.noteEpoch(epoch);
  return !exists || (lastSeq > 0 && lastSeq < position.after) ? position.forget() : [];
}

async function* connection(
  member: Member,
  transport: Transport,
  position: Position,
  { socket, signal }: { socket: WebSocketConstructor | null; signal: AbortSignal },
): AsyncGenerator<RoomEvent> {
  if (transport === 'poll') {
    yield* polling(member, position, signal);
    return;
  }
  const query = { after: position.after, epoch: position.epoch, name: member.name };
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), READY_MS);
  const connect = { http: member.relay.http, query, signal: AbortSignal.any([signal, late.signal]) };
  const frames: AsyncGenerator<Frame | null> =
    transport === 'ws' && socket !== null
      ? wsFrames(connect, socket, JSON.stringify({ type: 'hello', name: member.name }))
      : sseFrames(connect);
  let live = false;
  let replayed = 0;
  const asked = position.epoch;
  try {
    for await (const frame of frames) {
      if (frame === null) {
        const { lastSeq } = await fetchStatus(member, signal);
        if (lastSeq > position.after)
          throw new Bot2BotError('network', 'the WebSocket stopped delivering messages');
        continue;
      }
      const { json, id } = frame;
      if (json['type'] === 'message') {
        const epoch = id.includes(':') ? id.slice(0, id.indexOf(':')) : null;
        if (epoch !== null) yield* position.noteEpoch(epoch);
        const skipBelow = live || (asked === null && position.epoch === null);
        yield* await position.takeMessage(json, skipBelow, signal);
        if (!live) replayed = position.after;
      } else if (json['type'] === 'ready') {
        clearTimeout(timer);
        const events = position.takeHeader(json);
        // After a reset, the messages replayed before `ready` already belong to the new lifetime.
        if (position.after === 0) position.after = replayed;
        yield* events;
        live = true;
        yield { type: 'ready', ...presenceOf(json) };
      } else yield* otherFrame(json);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (late.signal.aborted)
      throw new Bot2BotError('no-ready', `no ready within ${READY_MS} ms`, { cause: error });
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Follow the room by long-polling, for networks that block both SSE and WebSocket. */
async function* polling(member: Member, position: Position, signal: AbortSignal): AsyncGenerator<RoomEvent> {
  for (let more = true; more;) {
    const page = await fetchPage(member, position, 'readTranscript', { limit: LIMITS.page_messages }, signal);
    yield* page.events;
    more = page.hasMore;
  }
  yield { type: 'ready', size: 0, participants: [] };
  const timeout = TIMINGS.wait_default_ms / 1000;
  for (let unknown = 0; ;) {
    const page = await fetchPage(member, position, 'waitForMessages', { timeout }, signal);
    yield* page.events;
    if (page.exists) unknown = 0;
    else await sleep(missingRoomDelayMs(unknown++), signal);
  }
}

function participantsOf(value: unknown): Participant[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((one: { name?: unknown; last_seen_ms_ago?: unknown } | null) =>
    typeof one?.name === 'string'
      ? [
          {
            name: one.name,
            lastSeenMsAgo: typeof one.last_seen_ms_ago === 'number' ? one.last_seen_ms_ago : null,
          },
        ]
      : [],
  );
}

function presenceOf(json: Readonly<Record<string, unknown>>): { size: number; participants: Participant[] } {
  const { size, participants } = json;
  return { size: typeof size === 'number' ? size : 0, participants: participantsOf(participants) };
}

/** Events of the other frames. Unknown types are ignored. @see CORE-17 */
function* otherFrame(json: Readonly<Record<string, unknown>>): Generator<RoomEvent> {
  const { type, from, to } = json;
  if (type === 'presence') yield { type, ...presenceOf(json) };
  else if (type === 'locked') yield { type };
  else if (type === 'rename' && typeof from === 'string' && typeof to === 'string') yield { type, from, to };
}
