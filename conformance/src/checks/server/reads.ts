/** Chapter 04: long-poll and transcript. */
import type { Check } from '../check.ts';
import type { Reply } from '../../script/reply.ts';
import type { RelayScript } from '../../script/claims.ts';
import { comparedIn } from '../../trace/message.ts';
import type { Value } from '../../trace/value.ts';

export const seqsOf = (reply: Reply) =>
  reply.json.get('messages').items.map((item) => item.get('seq').number);

/** Post `count` messages in a row. */
export async function fill(t: RelayScript, room: string, count: number): Promise<number[]> {
  const seqs: number[] = [];
  for (let i = 0; i < count; i++) seqs.push((await t.posted(room, t.sealed(4))).seq);
  return seqs;
}

export const READ_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'READ-1/at-once',
    title: 'wait answers at once if there are messages',
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
    title: 'a wait without a message ends at its timeout',
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
    title: 'transcript starts with the oldest messages',
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
    title: 'all transports deliver the same messages',
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
      const plain = (messages: readonly Value[]) =>
        messages.map((message) => JSON.stringify(comparedIn(message, t.hardened))).join('\n');
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
    title: 'messages at or below `after` are not delivered',
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
          stream.at(stream.of('message').find(({ json }) => !(json.get('seq').number > (after ?? 0)))),
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
    title: 'reads report oldest_seq, next_after and has_more',
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
];
