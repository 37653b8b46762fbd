/**
 * The executable specification of a room: a pure function from the trace of a case to the outcomes of rules.
 *
 * The order of messages is known, since the answer to a post contains its seq. Times are known only as intervals: a post
 * took effect between its request and its answer, and there are times from which a message or a room may be gone, and
 * later ones from which it must be.
 */
import { judgeAnswers } from './posts.ts';
import { judgeDeliveries } from './deliveries.ts';
import { historiesOf } from './history.ts';
import { lifetimesOf } from './lifetimes.ts';
import { judgeRead } from './reads.ts';
import { judgeEpochs, judgeStream } from './streams.ts';
import { Room } from './room.ts';
import type { Outcome } from '../../script/script.ts';
import type { RelayCase, RelayRun } from '../../trace/records.ts';

/** The rules that the model judges. */
export const MODEL_RULES: readonly string[] = [
  'MSG-2',
  'MSG-3',
  'MSG-9',
  'MSG-10',
  'MSG-12',
  'MSG-14',
  'MSG-15',
  'MSG-19',
  'MSG-21',
  'MSG-22',
  'ROOM-4',
  'READ-1',
  'READ-4',
  'READ-5',
  'READ-6',
  'READ-7',
  'READ-8',
  'READ-9',
  'READ-10',
  'READ-11',
  'READ-12',
  'STREAM-2',
  'STREAM-3',
  'STREAM-5',
  'STREAM-7',
  'SIGN-1',
  'SIGN-4',
  'SIGN-5',
  'CLAIM-8',
  'CLAIM-19',
];

/** Judge every room of a case. */
export function judgeRooms(run: RelayRun, trace: RelayCase): Outcome[] {
  const histories = historiesOf(run, trace);
  const nonces = new Map(
    [...histories].map(([id, { posts }]) => [id, new Set(posts.map(({ nonce }) => nonce))]),
  );
  return [...histories].flatMap(([id, history]) => {
    const elsewhere = (nonce: string) => [...nonces].some(([other, set]) => other !== id && set.has(nonce));
    const hasNeighbours = [...nonces].some(([other, set]) => other !== id && set.size > 0);
    const lifetimes = run.target.level === 'compat' ? lifetimesOf(history) : [history];
    return lifetimes.flatMap((lifetime) => {
      const room = new Room(run, lifetime, { elsewhere, hasNeighbours });
      judgeAnswers(room);
      judgeDeliveries(room);
      for (const read of room.reads) judgeRead(room, read);
      for (const stream of room.streams) judgeStream(room, stream);
      judgeEpochs(room);
      return room.outcomes;
    });
  });
}
