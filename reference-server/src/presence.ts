import { encode, type Format } from './encoding.ts';
import type { Room, Subscriber } from './room.ts';

/** Bytes of presence that a room is sent in a second; a frame that is more, to all its streams, makes the next one wait. */
const PRESENCE_BYTES = 16 << 20;
/** However large it is, presence is right within 5 s. @see STREAM-11 */
const PRESENCE_MOST_MS = 4_000;

/** What a room's streams are told besides messages. */
interface Notices {
  readonly renames: readonly string[];
  readonly presence: string | null;
  readonly encoded: Partial<Record<Format, Buffer>>;
}

/** @see STREAM-11 STREAM-12 */
export function presenceJson(room: Room, mono: number): string {
  const { size, names } = room;
  return JSON.stringify({ type: 'presence', size, names, participants: room.participants(mono) });
}

/** @see STREAM-4 STREAM-5 */
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

/** Renames, and presence if it is time. @see STREAM-22 STREAM-23 */
export function takeNotices(room: Room, now: number, everyMs: number): Notices {
  const renames = room.notices;
  if (renames.length > 0) room.notices = [];
  let presence: string | null = null;
  if (room.presenceDirty && now - room.presenceAt >= room.presenceWait) {
    room.presenceDirty = false;
    room.presenceAt = now;
    presence = presenceJson(room, now);
    // Everyone is told of everyone: what that costs grows with the square of who is there.
    const costMs = (1_000 * presence.length * room.subscribers.size) / PRESENCE_BYTES;
    room.presenceWait = Math.max(everyMs, Math.min(PRESENCE_MOST_MS, costMs));
  }
  return { renames, presence, encoded: {} };
}

/** Notices for everyone who reads a format, encoded once. */
export function tailOf(format: Format, notices: Notices): Buffer | null {
  const frames = notices.presence === null ? notices.renames : [...notices.renames, notices.presence];
  if (frames.length === 0) return null;
  return (notices.encoded[format] ??= Buffer.concat(frames.map((json) => encode(format, json))));
}
