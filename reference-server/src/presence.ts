import { encode, type Format } from './encoding.ts';
import type { Room, Subscriber } from './room.ts';

/** Presence bytes that a room may send to all its streams per second; after a larger frame the next one waits longer. */
const PRESENCE_BYTES_PER_S = 16 << 20;
/** The longest of these waits, in ms: a change must be visible within 5 s, whatever the size. @see STREAM-11 */
const MAX_PRESENCE_WAIT_MS = 4_000;

/** The frames of a flush other than messages; `encoded` caches their encoding for each format. */
interface Notices {
  readonly renames: readonly string[];
  readonly presence: string | null;
  readonly encoded: Partial<Record<Format, Buffer>>;
}

/** The `presence` frame. @see STREAM-11 STREAM-12 */
export function presenceJson(room: Room, mono: number): string {
  const { size, names } = room;
  return JSON.stringify({ type: 'presence', size, names, participants: room.participants(mono) });
}

/** The `ready` frame. @see STREAM-4 STREAM-5 */
export function readyJson(
  room: Room,
  joining: NonNullable<Subscriber['joining']>,
  lastSeq: number,
  mono: number,
): string {
  return JSON.stringify({
    type: 'ready',
    roomId: room.id,
    size: room.size,
    last_seq: lastSeq,
    participants: room.participants(mono),
    epoch: room.log.epoch,
    oldest_seq: joining.oldestSeq,
    ...(joining.reset ? { reset: true } : {}),
    ...(joining.gap === null ? {} : { gap: joining.gap }),
  });
}

/** Take the pending rename frames, and a presence frame if one is due. @see STREAM-22 STREAM-23 */
export function takeNotices(room: Room, now: number, everyMs: number): Notices {
  const renames = room.notices;
  if (renames.length > 0) room.notices = [];
  let presence: string | null = null;
  if (room.presenceDirty && now - room.presenceAt >= room.presenceWait) {
    room.presenceDirty = false;
    room.presenceAt = now;
    presence = presenceJson(room, now);
    // Every stream is sent the list of all participants: the cost is quadratic in their number.
    const costMs = (1_000 * presence.length * room.subscribers.size) / PRESENCE_BYTES_PER_S;
    room.presenceWait = Math.max(everyMs, Math.min(MAX_PRESENCE_WAIT_MS, costMs));
  }
  return { renames, presence, encoded: {} };
}

/** The notices in one format, encoded once for all streams of that format; null when there are none. */
export function encodeNotices(format: Format, notices: Notices): Buffer | null {
  const frames = notices.presence === null ? notices.renames : [...notices.renames, notices.presence];
  if (frames.length === 0) return null;
  return (notices.encoded[format] ??= Buffer.concat(frames.map((json) => encode(format, json))));
}
