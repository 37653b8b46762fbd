/** Chapter 01: rooms. */
import type { Check } from '../check.ts';
import type { RelayScript } from '../../script/claims.ts';
import type { Reply } from '../../script/reply.ts';

const ID_CHARS = 'AZaz09_-';

/** Time after which an idle room must be gone: 60 s; in lab, soon after the declared room_idle_ms. @see ROOM-7 */
export function goneMs(t: RelayScript): number {
  const lab = t.target.outside.length > 0;
  return lab ? t.target.timings.room_idle_ms * 2 + 500 : 60_000;
}

/** A wait after which the age of a room must have increased, in ms. */
const PAUSE_MS = 2_500;

export const ROOM_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'ROOM-1/ids',
    title: 'every valid id is served, and every other refused',
    lane: 'quick',
    run: async (t) => {
      const tail = t.bytes(48).toString('base64url');
      for (const id of [
        `${tail.slice(0, 2)}${ID_CHARS.slice(-2)}`,
        tail.slice(0, 4),
        `${ID_CHARS}${tail}`.slice(0, 64).padEnd(64, 'Z'),
      ]) {
        const reply = await t.post(id);
        t.require('ROOM-1', reply.status === 200, `200 for an id of ${id.length} characters`, reply);
      }
      for (const id of [
        'abc',
        'a'.repeat(65),
        'room.id',
        'room%20id',
        'r%C3%B6%C3%B6m',
        'room~1',
        'a'.repeat(300),
      ]) {
        for (const reply of [
          await t.status(id),
          await t.transcript(id),
          await t.wait(id),
          await t.post(id),
          await t.send('announceListening', id, { name: 'x' }),
        ]) {
          t.require('ROOM-1', reply.status === 400, `400 for the id ${id.slice(0, 20)}`, reply);
        }
        const stream = await t.open('sse', id);
        t.require('ROOM-1', stream.status === 400, `400 for a stream of ${id.slice(0, 20)}`, stream);
      }
    },
  },
  {
    id: 'ROOM-2/making',
    title: 'posts and streams create a room, reads do not',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      await t.wait(room);
      await t.transcript(room);
      await t.status(room);
      await t.send('announceListening', room, { name: 'early' });
      const before = await t.status(room);
      t.require('ROOM-2', before.json.get('exists').raw === false, 'no room after reads', before);
      const { reply: made } = await t.posted(room);
      const posted = await t.status(room);
      t.require('ROOM-2', posted.json.get('exists').raw === true, 'a room after a post', posted);
      // If the post was accepted at once and the read arrived late, the room may be gone already.
      const lives = ({ record }: Reply) => record.t1 - made.record.t0 < t.target.timings.room_idle_ms;
      for (const reply of [await t.wait(room), await t.transcript(room)].filter(lives))
        t.require('ROOM-2', reply.json.get('exists').raw !== false, 'a room that reads do not deny', reply);
      for (const kind of ['sse', 'ws'] as const) {
        const streamed = t.room();
        await t.joined(kind, streamed);
        const status = await t.status(streamed);
        t.require(
          'ROOM-2',
          status.json.get('exists').raw === true,
          `a room after a stream (${kind})`,
          status,
        );
      }
    },
  },
  {
    id: 'ROOM-3/unknown',
    title: 'requests for a room that does not exist are answered at once',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const status = await t.status(room);
      t.require(
        'ROOM-3',
        status.status === 200 &&
          status.json.get('exists').raw === false &&
          status.json.get('roomId').raw === room,
        '{exists: false, roomId}',
        status,
      );
      for (const reply of [await t.wait(room, { timeout: 5 }), await t.transcript(room)]) {
        const ok =
          reply.status === 200 &&
          reply.json.get('exists').raw === false &&
          reply.json.get('last_seq').raw === 0;
        t.require(
          'ROOM-3',
          ok &&
            Array.isArray(reply.json.get('messages').raw) &&
            reply.json.get('messages').items.length === 0,
          '{messages: [], last_seq: 0, exists: false}',
          reply,
        );
        t.requireInTime('ROOM-3', reply.ms < 2_000, 'an answer at once', reply);
      }
      const other = t.room();
      const elsewhere = await t.status(other);
      t.require(
        'ROOM-3',
        elsewhere.json.get('roomId').raw === other,
        'the roomId of another room',
        elsewhere,
      );
      const listening = await t.send('announceListening', room, { name: 'agent' });
      t.require('ROOM-3', listening.status === 404, '404 to listening', listening);
    },
  },
  {
    id: 'ROOM-4/apart',
    title: 'rooms are separate, and ids are case-sensitive',
    lane: 'quick',
    run: async (t) => {
      const stem = t.room();
      const [lower, upper] = [`${stem}a`, `${stem}A`];
      const { id } = await t.posted(lower);
      const other = await t.posted(upper);
      const stream = await t.joined('sse', upper);
      await t.posted(lower);
      await t.posted(upper);
      await stream.until((frames) => frames.filter((frame) => frame.type === 'message').length >= 2);
      for (const reply of [await t.transcript(upper), await t.wait(upper)]) {
        const ids = reply.json.get('messages').items.map((item) => item.get('id').string);
        t.require(
          'ROOM-4',
          !ids.includes(id) && ids.includes(other.id),
          'only the messages of the room',
          reply,
        );
      }
      const stray = stream.of('message').find(({ json }) => json.get('id').string === id);
      t.require('ROOM-4', stray === undefined, 'only the messages of the room', stream.at(stray));
    },
  },
  {
    id: 'ROOM-5/status',
    title: 'status agrees with the transcript',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      let last = 0;
      for (let i = 1; i <= 3; i++) {
        last = (await t.posted(room)).seq;
        const reply = await t.status(room);
        t.require(
          'ROOM-5',
          reply.json.get('recent_count').number === i && reply.json.get('last_seq').number === last,
          `recent_count ${i} and last_seq ${last}`,
          reply,
        );
        t.require(
          'ROOM-5',
          reply.json.get('signed_only').raw === false && reply.json.get('roomId').raw === room,
          'roomId and signed_only',
          reply,
        );
        t.require('READ-5', reply.json.get('last_seq').number === last, `last_seq ${last}`, reply);
      }
      const other = t.room();
      await t.posted(other);
      const elsewhere = await t.status(other);
      t.require(
        'ROOM-5',
        elsewhere.json.get('roomId').raw === other,
        'the roomId of another room',
        elsewhere,
      );
    },
    also: ['READ-5'],
  },
  {
    id: 'ROOM-5/use',
    title: 'status reports participants, age and idle time',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const { reply: made } = await t.posted(room);
      const alone = await t.status(room);
      t.require('ROOM-5', alone.json.get('participants').raw === 0, 'no participant', alone);
      const [sse, socket] = [await t.joined('sse', room), await t.joined('ws', room)];
      const both = await t.status(room);
      t.require('ROOM-5', both.json.get('participants').raw === 2, 'two open streams', both);
      await t.send('announceListening', room, { name: 'sleeper' });
      const three = await t.status(room);
      t.require('ROOM-5', three.json.get('participants').raw === 3, 'a heartbeat too', three);
      await t.sleep(PAUSE_MS);
      const { reply: newest } = await t.posted(room);
      const later = await t.status(room);
      // The bounds follow from the times of requests and answers, in seconds; relays may report whole seconds.
      const isSince = (seconds: number, { record }: Reply) =>
        seconds >= (later.record.t0 - record.t1) / 1000 - 1 &&
        seconds <= (later.record.t1 - record.t0) / 1000 + 1;
      t.require(
        'ROOM-5',
        isSince(later.json.get('age_seconds').number, made),
        'the age of the room',
        made,
        later,
      );
      t.require(
        'ROOM-5',
        isSince(later.json.get('idle_seconds').number, newest),
        'the time since it was used',
        newest,
        later,
      );
      sse.close();
      socket.close();
    },
  },
  {
    id: 'ROOM-6/kept',
    title: 'a room is kept while it is in use, and for room_idle_ms afterwards',
    lane: 'long',
    run: async (t) => {
      const idle = t.target.timings.room_idle_ms;
      const [quiet, streamed, parked, present] = [t.room(), t.room(), t.room(), t.room()];
      await t.posted(streamed);
      await t.joined('sse', streamed);
      await t.posted(present);
      await t.send('announceListening', present, { name: 'agent' });
      const beyond = Math.min(goneMs(t), idle * 2) * 0.85;
      await t.all(
        async (b) => {
          const { reply: post } = await b.posted(quiet);
          await b.sleep(idle * 0.85);
          const reply = await b.transcript(quiet);
          // If the post was accepted at once and the read arrived late, the room may be gone already.
          const most = reply.record.t1 - post.record.t0;
          if (most < idle)
            b.require(
              'ROOM-6',
              reply.json.get('messages').items.length === 1,
              `the message within ${Math.ceil(most)} ms after it was posted`,
              reply,
            );
        },
        async (b) => {
          // Repeated parked waits: each is activity of the room as long as it lasts.
          const seconds = Math.max(1, Math.floor(idle / 6_000));
          const { seq } = await b.posted(parked);
          for (let i = 0; i < Math.floor(beyond / 1000 / seconds); i++)
            await b.wait(parked, { after: seq, timeout: seconds });
          const reply = await b.status(parked);
          b.require('ROOM-6', reply.json.get('exists').raw === true, 'a room in which someone waits', reply);
        },
        async (b) => {
          await b.sleep(beyond);
          const reply = await b.transcript(streamed);
          b.require(
            'ROOM-6',
            reply.json.get('messages').items.length === 1,
            'the message, in a room with an open stream',
            reply,
          );
        },
        async (b) => {
          const listening = b.target.timings.listening_ms;
          await b.sleep(Math.min(beyond, listening * 0.8));
          const reply = await b.status(present);
          b.require(
            'ROOM-6',
            reply.json.get('exists').raw === true,
            'a room in which an agent listens',
            reply,
          );
        },
      );
    },
  },
  {
    id: 'ROOM-7/gone',
    title: 'an unused room is removed, and starts anew',
    lane: 'long',
    also: ['ROOM-9'],
    run: async (t) => {
      const [first, second] = [t.room(), t.room()];
      const made = await t.posted(first);
      await t.posted(second);
      const epochs = new Map<string, string>();
      for (const room of [first, second])
        epochs.set(room, (await t.transcript(room)).json.get('epoch').string);
      const gone = goneMs(t);
      // At compat a read may itself be activity, so that each room is read only once, early or late.
      await t.sleep(gone * 0.8);
      const early = await t.status(first);
      const late = early.json.get('exists').raw === true;
      if (late) await t.sleep(gone * 0.2 + 1_000);
      const room = late ? second : first;
      const last = late ? await t.status(second) : early;
      t.require(
        'ROOM-7',
        last.json.get('exists').raw === false,
        `no room ${Math.round(gone / 1000)} s after its last activity`,
        last,
      );
      const again = await t.posted(room);
      const after = await t.transcript(room);
      t.require(
        'ROOM-7',
        after.json.get('messages').items.length === 1,
        'nothing of the earlier life',
        after,
      );
      t.require('ROOM-9', again.seq > made.seq, `a first seq above ${made.seq}`, again.reply);
      if (t.hardened)
        t.require('ROOM-9', after.json.get('epoch').string !== epochs.get(room), 'another epoch', after);
    },
  },
  {
    id: 'ROOM-8/looking',
    title: 'reads and status do not keep a room alive',
    lane: 'long',
    run: async (t) => {
      const room = t.room();
      const { seq } = await t.posted(room);
      const rounds = 12;
      for (let i = 0; i < rounds; i++) {
        await t.sleep((goneMs(t) + 1_000) / rounds);
        await t.status(room);
        await t.transcript(room);
        await t.wait(room, { after: seq - 1 });
      }
      const reply = await t.status(room);
      t.require('ROOM-8', reply.json.get('exists').raw === false, 'no room, though it was looked at', reply);
    },
  },
];
