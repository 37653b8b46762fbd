import type { ReadEvent } from './events.ts';
import type { Member } from './member.ts';
import type { PageHeader, Position } from './position.ts';
import { NoRoom, StatusAnswer } from '../wire/wire.gen.ts';

export interface RoomStatus {
  readonly exists: boolean;
  readonly participants: number;
  /** Messages that the room holds and would replay to a new reader. */
  readonly recentCount: number;
  readonly lastSeq: number;
  readonly ageSeconds: number;
  readonly idleSeconds: number;
  readonly signedOnly: boolean;
  /** Id of the room's current lifetime; null when the relay reports none. @see READ-11 */
  readonly epoch: string | null;
}

const ANSWER_MS = 30_000;

interface Page extends PageHeader {
  readonly messages: readonly unknown[];
  readonly exists?: boolean;
  readonly next_after?: number;
  readonly has_more?: boolean;
}

function isPage(value: unknown): value is Page {
  return typeof value === 'object' && value !== null && 'messages' in value && Array.isArray(value.messages);
}

/** Fetch the messages after `position`, and advance it. */
export async function fetchPage(
  member: Member,
  position: Position,
  operation: 'waitForMessages' | 'readTranscript',
  query: { timeout?: number; limit?: number },
  signal: AbortSignal,
): Promise<{ events: ReadEvent[]; exists: boolean; hasMore: boolean }> {
  const timeoutMs = ANSWER_MS + (query.timeout ?? 0) * 1000;
  const full = { ...query, after: position.after, epoch: position.epoch };
  const page = await member.relay.http.json(
    { method: 'GET', operation, query: full, signal, timeoutMs },
    isPage,
  );
  if (page.exists === false) return { events: position.forget(), exists: false, hasMore: false };
  const events = position.takeHeader(page);
  for (const message of page.messages) events.push(...(await position.takeMessage(message, true, signal)));
  const { next_after: next } = page;
  if (typeof next === 'number' && next > position.after) position.after = next;
  return { events, exists: true, hasMore: page.has_more === true };
}

/** Fetch the status of the room without joining it. */
export async function fetchStatus({ relay }: Member, signal: AbortSignal): Promise<RoomStatus> {
  const answer = await relay.http.json(
    { method: 'GET', operation: 'probeRoom', signal, timeoutMs: ANSWER_MS },
    (value): value is StatusAnswer | NoRoom => StatusAnswer(value) || NoRoom(value),
  );
  return {
    exists: answer.exists,
    participants: answer.exists ? answer.participants : 0,
    recentCount: answer.exists ? answer.recent_count : 0,
    lastSeq: answer.exists ? answer.last_seq : 0,
    ageSeconds: answer.exists ? answer.age_seconds : 0,
    idleSeconds: answer.exists ? answer.idle_seconds : 0,
    signedOnly: answer.exists && answer.signed_only,
    epoch: (answer.exists ? answer.epoch : undefined) ?? null,
  };
}
