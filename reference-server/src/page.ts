import type { ServerResponse } from 'node:http';
import type { Entry } from './log.ts';
import type { Position, Room } from './room.ts';

/** A long answer is built and written in blocks of at least this size, each when the client has taken the one before. */
export const BLOCK_BYTES = 64 << 10;

const HEAD = Buffer.from('{"messages":[');
const FIRST = Buffer.from('{');
const NEXT = Buffer.from(',{');

/** Where a read begins: `after`, or 0 if the epoch that the client names is not the room's. @see READ-12 */
export function positionOf(room: Room | undefined, after: number, epoch: string | null): Position {
  const reset = epoch !== null && epoch !== room?.log.epoch;
  return { after: reset ? 0 : after, reset };
}

/** The JSON of a read: its messages, which remain in the log until they are sent, and the text after them. */
export interface ReadAnswer {
  readonly entries: readonly Entry[];
  readonly tail: Buffer;
  readonly bytes: number;
}

/**
 * Read a page of a room.
 * @param maxMessages maximum number of messages.
 * @param now Unix ms; messages that have expired by then are left out.
 * @param isTranscript add the `count` and `exists` fields of a transcript.
 * @see READ-9 READ-10
 */
export function answerOf(
  room: Room,
  position: Position,
  maxMessages: number,
  now: number,
  isTranscript = false,
): ReadAnswer {
  const { log } = room;
  const { entries, nextAfter, hasMore } = log.page(position.after, maxMessages, now);
  const gap = log.gap(position.after);
  const rest = JSON.stringify({
    last_seq: log.lastSeq(now),
    epoch: log.epoch,
    oldest_seq: log.oldestSeq,
    next_after: nextAfter,
    has_more: hasMore,
    ...(gap === null ? {} : { gap }),
    ...(position.reset ? { reset: true } : {}),
    ...(isTranscript ? { count: entries.length, exists: true } : {}),
  });
  const tail = Buffer.from(`],${rest.slice(1)}`);
  let bytes = HEAD.length + tail.length;
  for (const [i, { fields }] of entries.entries()) bytes += fields.length + (i === 0 ? FIRST : NEXT).length;
  return { entries, tail, bytes };
}

/** The complete JSON of an answer. */
export function bytesOfAnswer({ entries, tail }: ReadAnswer): Buffer {
  return Buffer.concat([HEAD, ...entries.flatMap(({ fields }, i) => [i === 0 ? FIRST : NEXT, fields]), tail]);
}

/**
 * Send an answer block by block as the client takes it, so that an answer that is not read holds only one block in memory.
 * A response that waits behind others on its connection (pipelining) builds nothing until its turn. If a message leaves the
 * log before it was sent, the connection is destroyed, and the client has to repeat the read.
 */
export function sendAnswer(response: ServerResponse, answer: ReadAnswer): void {
  if (answer.bytes <= BLOCK_BYTES) {
    response.end(bytesOfAnswer(answer));
    return;
  }
  const { entries, tail } = answer;
  let next = 0;
  const writeBlocks = () => {
    while (next < entries.length) {
      const parts: Buffer[] = next === 0 ? [HEAD] : [];
      for (let size = 0; next < entries.length && size < BLOCK_BYTES; next++) {
        const entry = entries[next];
        if (entry?.live !== true) {
          response.destroy();
          return;
        }
        const { fields } = entry;
        parts.push(next === 0 ? FIRST : NEXT, fields);
        size += fields.length;
      }
      if (response.write(Buffer.concat(parts)) || next === entries.length) continue;
      response.once('drain', writeBlocks);
      return;
    }
    response.end(tail);
  };
  if (response.socket === null) response.once('socket', writeBlocks);
  else writeBlocks();
}
