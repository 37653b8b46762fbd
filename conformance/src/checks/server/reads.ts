/** Chapter 04, second part: long-poll, transcript, epoch, gaps, retention. */
import type { Check } from '../check.ts';
import type { Reply } from '../../script/reply.ts';
import type { RelayScript } from '../../script/claims.ts';

const FOREIGN = 'another-epoch';
const seqsOf = (reply: Reply) => reply.json.get('messages').items.map((item) => item.get('seq').number);

/** Post `count` messages in a row. */
async function fill(t: RelayScript, room: string, count: number): Promise<number[]> {
  const seqs: number[] = [];
  for (let i = 0; i < count; i++) seqs.push((await t.posted(room, t.sealed(4))).seq);
  return seqs;
}

export const READ_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'READ-1/at-once',
    title: 'wait answers at once when there is something',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const seqs = await fill(t, room, 3);
      const all = await t.wait(room, { timeout: 5 });
      t.require(
        'READ-1',
        all.status === 200 && seqsOf(all).join() === seqs.join(),
        'the three messages',
        all,
      );
      t.requireInTime('READ-1', all.ms < 2_000, 'an answer at once', all);
      const rest = await t.wait(room, { after: seqs[0], timeout: 5 });
      t.require('READ-1', seqsOf(rest).join() === seqs.slice(1).join(), 'what is above after', rest);
    },
  },
  {
    id: 'READ-2/parks',
    title: 'wait parks until a message is accepted',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const { seq: before } = await t.posted(room);
      const waits = Array.from(
        { length: 3 },
        () => (branch: RelayScript) => branch.wait(room, { after: before, timeout: 5 }),
      );
      const [posted, ...replies] = await t.all<Reply>(
        async (branch) => {
          await branch.sleep(600);
          return (await branch.posted(room)).reply;
        },
        ...waits,
      );
      if (posted === undefined) return;
      const seq = posted.json.get('seq').number;
      for (const reply of replies) {
        t.require('READ-2', seqsOf(reply).join() === String(seq), 'the message that came', reply);
        t.require('READ-2', reply.record.t1 >= posted.record.t0, 'no answer before there is one', reply);
        t.requireInTime('READ-2', reply.record.t1 - posted.record.t1 < 2_000, 'an answer within 2 s', reply);
      }
    },
  },
  {
    id: 'READ-3/timeout',
    title: 'a wait to which nothing comes ends with its timeout',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const { seq } = await t.posted(room);
      const replies = await t.all(
        (branch) => branch.wait(room, { after: seq, timeout: 2 }),
        (branch) => branch.wait(room, { after: seq, timeout: 0 }),
      );
      for (const [index, reply] of replies.entries()) {
        const ms = index === 0 ? 2_000 : t.target.timings.wait_min_ms;
        t.require(
          'READ-3',
          reply.status === 200 && seqsOf(reply).length === 0 && reply.json.get('last_seq').number === seq,
          `no messages and last_seq ${seq}`,
          reply,
        );
        t.require('READ-3', reply.ms >= ms - 20, `no answer before ${ms} ms`, reply);
        t.requireInTime('READ-3', reply.ms <= ms + 5_000, `an answer by ${ms + 5_000} ms`, reply);
      }
    },
  },
  {
    id: 'READ-4/pages',
    title: 'transcript pages from the oldest',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const seqs = await fill(t, room, 5);
      const page = async (query: Record<string, number | undefined>, expected: readonly number[]) => {
        const reply = await t.transcript(room, query);
        const { json } = reply;
        t.require(
          'READ-4',
          reply.status === 200 && seqsOf(reply).join() === expected.join(),
          `messages ${expected.map((seq) => seqs.indexOf(seq) + 1).join()}`,
          reply,
        );
        t.require(
          'READ-4',
          json.get('count').raw === expected.length && json.get('exists').raw === true,
          'count and exists',
          reply,
        );
      };
      await page({}, seqs);
      await page({ limit: 2 }, seqs.slice(0, 2));
      await page({ limit: 2, after: seqs[1] }, seqs.slice(2, 4));
      await page({ limit: 500, after: seqs[2] }, seqs.slice(3));
      await page({ after: seqs[4] }, []);
    },
  },
  {
    id: 'READ-5/last-seq',
    title: 'last_seq is that of the newest buffered message',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      await t.joined('sse', room);
      const empty = await t.transcript(room);
      t.require('READ-5', empty.json.get('last_seq').raw === 0, 'last_seq 0 in an empty room', empty);
      const seqs = await fill(t, room, 3);
      const newest = seqs.at(-1) ?? 0;
      for (const reply of [
        await t.transcript(room, { limit: 1 }),
        await t.wait(room),
        await t.status(room),
        await t.transcript(room, { after: newest }),
      ]) {
        t.require('READ-5', reply.json.get('last_seq').number === newest, `last_seq ${newest}`, reply);
      }
    },
  },
  {
    id: 'READ-6/equal',
    title: 'all transports deliver the same',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const live = [await t.joined('sse', room), await t.joined('ws', room)];
      const extra = t.hardened ? { ext: 'ext-1' } : {};
      for (const body of [
        {},
        { ttl_ms: t.target.timings.ttl_min_ms + 60_000, reply_to: 'AAAAAAAA', ...extra },
        { sender: 'é"\\' },
      ])
        await t.posted(room, body);
      const socket = live[1];
      await socket?.send({ sender: 'socket', ...t.sealed() });
      const four = (count: number) => count >= 4;
      for (const stream of live)
        await stream.until((frames) => four(frames.filter((frame) => frame.type === 'message').length));
      const replay = [await t.joined('sse', room), await t.joined('ws', room)];
      const [page, wait] = [await t.transcript(room), await t.wait(room)];
      const plain = (messages: readonly { raw: unknown }[]) =>
        messages
          .map(({ raw }) =>
            JSON.stringify(
              Object.entries({ ...(raw as object), type: undefined })
                .filter(([, value]) => value !== undefined)
                .sort(([a], [b]) => (a < b ? -1 : 1)),
            ),
          )
          .join('\n');
      const expected = plain(page.json.get('messages').items);
      t.require('READ-6', page.json.get('messages').items.length === 4, 'four messages', page);
      t.require(
        'READ-6',
        plain(wait.json.get('messages').items) === expected,
        'in wait what transcript has',
        wait,
        page,
      );
      for (const stream of [...live, ...replay])
        t.require(
          'READ-6',
          plain(stream.messages) === expected,
          'on the stream what transcript has',
          stream,
          page,
        );
    },
  },
  {
    id: 'READ-7/above',
    title: 'nothing at or below after is delivered',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const seqs = await fill(t, room, 4);
      for (const after of [seqs[0], seqs[2], seqs[3], (seqs[3] ?? 0) + 1_000_000]) {
        for (const reply of [await t.transcript(room, { after }), await t.wait(room, { after })]) {
          t.require(
            'READ-7',
            seqsOf(reply).every((seq) => seq > (after ?? 0)),
            `only seqs above ${after}`,
            reply,
          );
        }
        const stream = await t.joined('sse', room, { after });
        t.require(
          'READ-7',
          stream.messages.every((message) => message.get('seq').number > (after ?? 0)),
          `only seqs above ${after}`,
          stream,
        );
      }
    },
  },
  {
    id: 'READ-8/paging',
    title: 'paging reaches every message once',
    lane: 'quick',
    also: ['READ-9'],
    run: async (t) => {
      const room = t.room();
      const seqs = await fill(t, room, 13);
      const seen: number[] = [];
      let after = 0;
      for (let pages = 0; pages < 10; pages++) {
        const reply = await t.transcript(room, { after, limit: 5 });
        seen.push(...seqsOf(reply));
        if (t.hardened) {
          const more = seen.length < seqs.length;
          t.require('READ-9', reply.json.get('has_more').raw === more, `has_more: ${more}`, reply);
          after = reply.json.get('next_after').number;
          if (!more) break;
        } else {
          after = seqsOf(reply).at(-1) ?? after;
          if (seqsOf(reply).length === 0) break;
        }
      }
      const page = await t.transcript(room, { limit: 500 });
      t.require('READ-8', seen.join() === seqs.join(), 'thirteen messages in three pages', page);
      t.require('READ-8', seqsOf(page).join() === seqs.join(), 'thirteen messages in one page', page);
    },
  },
  {
    id: 'READ-9/position',
    title: 'reads tell where the reader stands',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const seqs = await fill(t, room, 4);
      const position = async (reply: Reply, next: number, more: boolean) => {
        const { json } = reply;
        t.require('READ-9', json.get('next_after').number === next, `next_after ${next}`, reply);
        t.require('READ-9', json.get('has_more').raw === more, `has_more: ${more}`, reply);
        t.require('READ-9', json.get('oldest_seq').number === seqs[0], `oldest_seq ${seqs[0]}`, reply);
      };
      await position(await t.transcript(room), seqs[3] ?? 0, false);
      await position(await t.transcript(room, { limit: 2 }), seqs[1] ?? 0, true);
      await position(await t.transcript(room, { limit: 1, after: seqs[2] }), seqs[3] ?? 0, false);
      await position(await t.wait(room, { after: seqs[1] }), seqs[3] ?? 0, false);
      await position(await t.wait(room, { after: seqs[3] }), seqs[3] ?? 0, false);
      const status = await t.status(room);
      t.require('READ-9', status.json.get('oldest_seq').number === seqs[0], `oldest_seq ${seqs[0]}`, status);
    },
  },
  {
    id: 'READ-11/epoch',
    title: 'a room has one epoch, everywhere',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const first = await t.joined('sse', room);
      const epoch = first.ready.get('epoch').string;
      t.require('READ-11', /^[A-Za-z0-9_-]{8,32}$/.test(epoch), 'an epoch', first);
      await t.posted(room);
      for (const reply of [await t.status(room), await t.wait(room), await t.transcript(room)]) {
        t.require('READ-11', reply.json.get('epoch').raw === epoch, `the epoch ${epoch}`, reply);
      }
      const ws = await t.joined('ws', room);
      t.require('READ-11', ws.ready.get('epoch').raw === epoch, `the epoch ${epoch}`, ws);
      const other = await t.joined('sse', t.room());
      t.require('READ-11', other.ready.get('epoch').raw !== epoch, 'another epoch in another room', other);
    },
  },
  {
    id: 'READ-12/reset',
    title: 'a request with another epoch is told to begin again',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const seqs = await fill(t, room, 3);
      const epoch = (await t.status(room)).json.get('epoch').string;
      const last = seqs[2] ?? 0;
      for (const reply of [
        await t.transcript(room, { after: last, epoch: FOREIGN }),
        await t.wait(room, { after: last, epoch: FOREIGN, timeout: 5 }),
      ]) {
        t.require(
          'READ-12',
          reply.json.get('reset').raw === true && seqsOf(reply).join() === seqs.join(),
          'reset: true and everything',
          reply,
        );
      }
      for (const kind of ['sse', 'ws'] as const) {
        const stream = await t.joined(kind, room, { after: last, epoch: FOREIGN });
        t.require(
          'READ-12',
          stream.ready.get('reset').raw === true && stream.messages.length === 3,
          'reset: true and everything',
          stream,
        );
        const same = await t.joined(kind, room, { after: last, epoch });
        t.require(
          'READ-12',
          same.ready.get('reset').raw !== true && same.messages.length === 0,
          'no reset with the epoch of the room',
          same,
        );
      }
      for (const query of [{ after: last, epoch }, { after: last }]) {
        for (const reply of [await t.transcript(room, query), await t.wait(room, query)]) {
          t.require(
            'READ-12',
            reply.json.get('reset').raw !== true && seqsOf(reply).length === 0,
            'no reset',
            reply,
          );
        }
      }
      const unknown = t.room();
      for (const reply of [await t.transcript(unknown, { epoch }), await t.wait(unknown, { epoch })]) {
        t.require(
          'READ-12',
          reply.json.get('reset').raw === true && reply.json.get('exists').raw === false,
          'reset: true for a room that does not exist',
          reply,
        );
      }
      const empty = t.room();
      await t.joined('sse', empty);
      const parked = await t.wait(empty, { after: 7, epoch: FOREIGN, timeout: 1 });
      t.require(
        'READ-12',
        parked.json.get('reset').raw === true && parked.ms >= 900,
        'reset: true after parking in an empty room',
        parked,
      );
    },
  },
  {
    id: 'READ-13/buffer',
    title: 'the newest buffer_messages are kept, and no more; the rest is named as a gap',
    lane: 'long',
    also: ['READ-10'],
    run: async (t) => {
      const room = t.room();
      const keep = t.target.limits.buffer_messages;
      const beyond = 10;
      const stream = await t.joined('ws', room);
      const posts = keep + beyond;
      const seqs = await fill(t, room, posts);
      const kept = seqs.slice(beyond);
      const seen: number[] = [];
      let after = seqs[beyond - 1] ?? 0;
      for (let pages = 0; seen.length < keep && pages < keep; pages++) {
        const reply = await t.transcript(room, { after, limit: 500 });
        const page = seqsOf(reply);
        if (page.length === 0) break;
        seen.push(...page);
        after = page.at(-1) ?? after;
        t.require(
          'READ-13',
          page.join() === kept.slice(seen.length - page.length, seen.length).join(),
          'the newest messages in order',
          reply,
        );
      }
      const first = await t.transcript(room, { limit: 1 });
      t.require(
        'READ-13',
        seen.length === keep && seqsOf(first)[0] === kept[0],
        `the newest ${keep} messages and no more`,
        first,
      );
      const status = await t.status(room);
      t.require('READ-13', status.json.get('recent_count').number === keep, `recent_count ${keep}`, status);
      if (t.hardened) {
        const old = seqs[3] ?? 0;
        const gap = (reply: { get(name: string): { get(name: string): { number: number } } }) =>
          `${reply.get('gap').get('from').number}-${reply.get('gap').get('to').number}`;
        const named = `${old + 1}-${(kept[0] ?? 0) - 1}`;
        for (const reply of [
          await t.transcript(room, { after: old, limit: 3 }),
          await t.wait(room, { after: old }),
        ]) {
          t.require(
            'READ-10',
            gap(reply.json) === named && seqsOf(reply)[0] === kept[0],
            `gap ${named}`,
            reply,
          );
          t.require(
            'READ-9',
            reply.json.get('oldest_seq').number === kept[0],
            `oldest_seq ${kept[0]}`,
            reply,
          );
        }
        const resumed = await t.joined('sse', room, { after: old });
        t.require('READ-10', gap(resumed.ready) === named, `gap ${named} in ready`, resumed);
        const edge = await t.transcript(room, { after: (kept[0] ?? 0) - 1, limit: 1 });
        t.require(
          'READ-10',
          !edge.json.has('gap') && !first.json.has('gap'),
          'no gap at the edge, nor from 0',
          edge,
          first,
        );
      }
      await stream.hasSeq(seqs.at(-1) ?? 0, 5_000);
      t.require(
        'STREAM-3',
        stream.messages.length === posts,
        `${posts} messages on the stream that was open`,
        stream,
      );
    },
  },
  {
    id: 'READ-14/age',
    title: 'messages leave the buffer with age',
    lane: 'long',
    lab: 'a day is longer than a run; checked in lab',
    run: async (t) => {
      const room = t.room();
      await t.joined('sse', room);
      const { seq } = await t.posted(room);
      const { retention_ms: age } = t.target.timings;
      await t.sleep(age + 5_100);
      const reply = await t.transcript(room);
      t.require('READ-14', seqsOf(reply).length === 0, `no message of an age above ${age} ms`, reply);
      if (t.hardened)
        t.require('READ-9', reply.json.get('oldest_seq').number === seq + 1, `oldest_seq ${seq + 1}`, reply);
    },
  },
];
