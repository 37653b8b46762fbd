/** Chapter 02: rate limits. */
import type { Limits } from '@bot2bot/schemas';
import type { Check } from '../check.ts';
import type { Frame } from '../../trace/frames.ts';
import type { RelayScript } from '../../script/claims.ts';
import { headerOf, type Reply } from '../../script/reply.ts';
import type { Evidence } from '../../script/script.ts';

/** Posts per batch: more than the suite has in flight at a time, so that no post waits for earlier answers. */
const FLOOD_BATCH = 320;

/** The most posts of a flood. */
const MOST_POSTS = 5_000;

/** Number of messages that certainly empties a bucket, if they are sent fast enough. */
function floodOf({ room_burst, room_rate, address_burst }: Limits): number {
  return Math.min(Math.min(room_burst, address_burst) * 2 + room_rate * 5, MOST_POSTS);
}

/**
 * Whether these are more messages to a room than its buckets let pass within this time (ms). A relay may refill its buckets
 * once a second: it is given a second more.
 */
function isBeyond(limits: Limits, count: number, ms: number): boolean {
  const { room_burst, room_rate, address_burst, address_rate } = limits;
  const seconds = ms / 1_000 + 1;
  return count > Math.min(room_burst + room_rate * seconds, address_burst + address_rate * seconds);
}

/** Post to these rooms in turn, as fast as possible, until the relay answers 429 or has answered this many posts. */
async function flood(t: RelayScript, rooms: readonly string[], most: number): Promise<Reply[]> {
  const replies: Reply[] = [];
  while (replies.length < most && !replies.some(({ status }) => status === 429)) {
    const from = replies.length;
    const batch = await t.all(
      ...Array.from(
        { length: FLOOD_BATCH },
        (_, i) => (branch: RelayScript) =>
          branch.post(rooms[(from + i) % rooms.length] ?? '', {}, { flood: true }),
      ),
    );
    replies.push(...batch);
  }
  return replies;
}

/** The most rooms of a flood. */
const MOST_ROOMS = 60;

const isAccepted = ({ status }: Reply) => status === 200;

/** The time from the first of these posts to the last answer, in ms. */
function msOf(replies: readonly Reply[]): number {
  const records = replies.map(({ record }) => record);
  return Math.max(...records.map(({ t1 }) => t1)) - Math.min(...records.map(({ t0 }) => t0));
}

/** A number of accepted messages, as the evidence. */
function counted(count: number, ms: number, last: Evidence | undefined): Evidence {
  const describe = () => `${count} messages accepted within ${Math.round(ms)} ms`;
  return { keys: last?.keys ?? [], describe };
}

export const RATE_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'MSG-19/burst',
    title: 'a burst within the bucket is accepted',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const count = Math.min(40, Math.floor(t.target.limits.room_burst / 2));
      const replies = await t.all(
        ...Array.from({ length: count }, () => (branch: RelayScript) => branch.post(room)),
      );
      for (const reply of replies)
        t.require('MSG-19', reply.status !== 429, 'no 429 within the declared rate', reply);
    },
  },
  {
    id: 'MSG-20/flood',
    title: 'a flood is answered 429, and no more posts are accepted than the bucket allows',
    lane: 'solo',
    run: async (t) => {
      const room = t.room();
      const { limits } = t.target;
      const replies = await flood(t, [room], floodOf(limits));
      const refusal = replies.find(({ status }) => status === 429);
      const ms = msOf(replies);
      if (refusal === undefined) {
        const instead = replies.find((reply) => !isAccepted(reply)) ?? replies.at(-1);
        if (instead !== undefined && isBeyond(limits, replies.length, ms))
          t.require('MSG-20', false, '429 beyond the bucket', instead);
        return;
      }
      const accepted = replies.filter(isAccepted);
      t.require(
        'MSG-20',
        !isBeyond(limits, accepted.length, ms),
        'no more posts accepted than the buckets hold',
        counted(accepted.length, ms, accepted.at(-1)),
      );
      await t.sleep(1_500);
      const page = await t.transcript(room, { limit: 500 });
      const nonce = (JSON.parse(refusal.record.reqBody ?? '{}') as { nonce?: string }).nonce;
      t.require(
        'MSG-20',
        !page.json.get('messages').items.some((item) => item.get('nonce').raw === nonce),
        'nothing of the refused post',
        refusal,
        page,
      );
    },
  },
  {
    id: 'MSG-20/frames',
    title: 'frames count against the same buckets as posts, and are refused when one is empty',
    lane: 'solo',
    also: ['STREAM-15'],
    run: async (t) => {
      const room = t.room();
      const socket = await t.joined('ws', room);
      const most = floodOf(t.target.limits);
      let began = Infinity;
      const refusal = (frames: readonly Frame[]) =>
        frames.find(({ type, json }) => type === 'error' && json.get('code').raw === 429)?.json;
      const answersOf = (frames: readonly Frame[]) =>
        frames.filter(({ type }) => type === 'sent' || type === 'error');
      let sent = 0;
      while (sent < most && refusal(socket.frames) === undefined) {
        for (let i = 0; i < 50; i++, sent++) {
          const { at } = await t.sendFrame(socket, JSON.stringify(t.sealed()), true);
          began = Math.min(began, at);
        }
        await socket.listen(20);
      }
      await socket.until(
        (frames) => refusal(frames) !== undefined || answersOf(frames).length >= sent,
        5_000,
      );
      const refused = refusal(socket.frames);
      const answers = answersOf(socket.frames);
      const isBelow =
        answers.length >= sent && !isBeyond(t.target.limits, sent, (answers.at(-1)?.at ?? 0) - began);
      if (refused === undefined && isBelow) return;
      t.requireInTime('MSG-20', refused !== undefined, 'an error with code 429 beyond the bucket', socket);
      if (refused === undefined) return;
      const posts = await flood(t, [room], 1);
      await socket.until((frames) => answersOf(frames).length >= sent, 5_000);
      const accepted = [
        ...socket.of('sent').map(({ at }) => at),
        ...posts.filter(isAccepted).map(({ record }) => record.t1),
      ];
      const ms = Math.max(began, ...accepted) - began;
      t.require(
        'MSG-20',
        !isBeyond(t.target.limits, accepted.length, ms),
        'no more frames and posts together than the buckets hold',
        counted(accepted.length, ms, socket),
      );
      await t.sleep(1_500);
      const nonce = refused.get('nonce').raw;
      const page = await t.transcript(room, { limit: 500 });
      const kept = page.json.get('messages').items.find((item) => item.get('nonce').raw === nonce);
      t.require(
        'MSG-20',
        nonce !== undefined && kept === undefined,
        'nothing of the refused frame',
        socket,
        page,
      );
      const after = await t.posted(room);
      t.require('MSG-20', await socket.hasSeq(after.seq, 5_000), 'the connection to go on', socket);
    },
  },
  {
    id: 'MSG-20/rooms',
    title: 'an address has one bucket for the posts to all rooms',
    lane: 'solo',
    run: async (t) => {
      const { limits } = t.target;
      const most = limits.address_burst * 2 + limits.address_rate * 5;
      // So many that no room's own bucket is emptied.
      const count = Math.ceil((most * 1.5) / limits.room_burst);
      if (most > MOST_POSTS || count > MOST_ROOMS) return;
      const rooms = Array.from({ length: count }, () => t.room());
      const replies = await flood(t, rooms, most);
      const accepted = replies.filter(isAccepted);
      const ms = msOf(replies);
      t.require(
        'MSG-20',
        !isBeyond({ ...limits, room_burst: Infinity }, accepted.length, ms),
        'no more posts accepted in all rooms than the bucket of the address holds',
        counted(accepted.length, ms, accepted.at(-1)),
      );
    },
  },
  {
    id: 'CORE-3/retry-after',
    title: 'a 429 has a Retry-After',
    lane: 'solo',
    run: async (t) => {
      const room = t.room();
      const replies = await flood(t, [room], floodOf(t.target.limits));
      const reply = replies.find(({ status }) => status === 429);
      if (reply === undefined) return;
      t.require(
        'CORE-3',
        /^[1-9]\d*$/.test(reply.header('retry-after')),
        'a 429 with Retry-After in whole seconds',
        headerOf(reply, 'Retry-After'),
      );
    },
  },
];
