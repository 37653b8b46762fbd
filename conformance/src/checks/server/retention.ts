/** Chapter 04: retention. */
import type { Check } from '../check.ts';
import type { RelayScript } from '../../script/claims.ts';
import type { Reply } from '../../script/reply.ts';
import type { Stream } from '../../script/stream.ts';
import type { Value } from '../../trace/value.ts';
import { seqsOf } from './reads.ts';
import { readyOf } from './streams.ts';

/** Number of concurrent posts. */
const AT_ONCE = 16;

/** Post at least `count` messages concurrently. @returns their seqs in order, and the time of the first request, in ms. */
async function postMany(
  t: RelayScript,
  room: string,
  count: number,
): Promise<{ seqs: number[]; began: number }> {
  const posts: { seq: number; reply: Reply }[] = [];
  while (posts.length < count)
    posts.push(
      ...(await t.all(
        ...Array.from({ length: AT_ONCE }, () => (b: RelayScript) => b.posted(room, b.sealed(4))),
      )),
    );
  return {
    seqs: posts.map(({ seq }) => seq).sort((a, b) => a - b),
    began: Math.min(...posts.map(({ reply }) => reply.record.t0)),
  };
}

/** Time at which an answer, or the last record of a stream, arrived, in ms. */
const cameAt = (seen: Reply | Stream) =>
  'record' in seen ? seen.record.t1 : (seen.records.at(-1)?.at ?? seen.log.open.t1);

/** Require what every kind of read reports from a position below the evicted messages, and from the last evicted one. */
async function judgeEviction(
  t: RelayScript,
  room: string,
  [after, oldest]: readonly [after: number, oldest: number],
  require: (rule: string, ok: boolean, want: string, seen: Reply | Stream) => void,
): Promise<void> {
  const isOldest = (seen: Reply | Stream, json: Value) =>
    require('READ-9', json.get('oldest_seq').raw === oldest, `oldest_seq ${oldest}`, seen);
  const status = await t.status(room);
  isOldest(status, status.json);
  for (const from of [after, oldest - 1]) {
    const wanted = from === after ? `${after + 1}-${oldest - 1}` : 'none';
    const judge = (seen: Reply | Stream, json: Value, messages: readonly Value[]) => {
      const gap = json.get('gap');
      const reported = json.has('gap') ? `${gap.get('from').number}-${gap.get('to').number}` : 'none';
      const ok = reported === wanted && messages[0]?.get('seq').raw === oldest;
      require('READ-10', ok, `gap ${wanted}, and the messages from ${oldest} on`, seen);
      isOldest(seen, json);
    };
    const query = { after: from };
    for (const reply of [await t.transcript(room, { ...query, limit: 3 }), await t.wait(room, query)])
      judge(reply, reply.json, reply.json.get('messages').items);
    for (const kind of ['sse', 'ws'] as const) {
      const stream = await t.joined(kind, room, query);
      judge(stream, stream.ready, stream.messages);
      stream.close();
    }
  }
}

export const RETENTION_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'READ-13/buffer',
    title: 'exactly the newest buffer_messages messages are kept; evicted ones are reported as a gap',
    lane: 'long',
    also: ['READ-9', 'READ-10'],
    run: async (t) => {
      const room = t.room();
      const keep = t.target.limits.buffer_messages;
      const stream = await t.joined('ws', room);
      const { seqs, began } = await postMany(t, room, keep + 10);
      const beyond = seqs.length - keep;
      const kept = seqs.slice(beyond);
      const oldest = kept[0] ?? 0;
      /** Record a requirement, unless the evidence arrived so late that messages may have been evicted for their age. */
      const require = (rule: string, ok: boolean, want: string, ...seen: (Reply | Stream)[]) => {
        if (seen.every((each) => cameAt(each) - began < t.target.timings.retention_ms))
          t.require(rule, ok, want, ...seen.map((each) => ('record' in each ? each : readyOf(each))));
      };
      const seen: number[] = [];
      let after = seqs[beyond - 1] ?? 0;
      for (let pages = 0; seen.length < keep && pages < keep; pages++) {
        const reply = await t.transcript(room, { after, limit: 500 });
        const page = seqsOf(reply);
        if (page.length === 0) break;
        const wanted = kept.slice(seen.length, seen.length + page.length);
        require('READ-13', page.join() === wanted.join(), 'the newest messages in order', reply);
        seen.push(...page);
        after = page.at(-1) ?? after;
      }
      const first = await t.transcript(room, { limit: 1 });
      const isWhole = seen.length === keep && seqsOf(first)[0] === oldest;
      require('READ-13', isWhole, `the newest ${keep} messages and no more`, first);
      const status = await t.status(room);
      const count = status.json.get('recent_count').number;
      require('READ-13', count === keep, `recent_count ${keep}`, status);
      if (t.hardened) {
        const old = seqs[3] ?? 0;
        require('READ-10', !first.json.has('gap'), 'no gap from 0', first);
        await judgeEviction(t, room, [old, oldest], require);
        seqs.push(...(await postMany(t, room, 1)).seqs);
        await judgeEviction(t, room, [seqs[5] ?? 0, seqs.at(-keep) ?? 0], require);
      }
      await stream.hasSeq(seqs.at(-1) ?? 0, 5_000);
      t.require(
        'STREAM-3',
        stream.messages.length === seqs.length,
        `${seqs.length} messages on the stream that was open`,
        stream,
      );
    },
  },
  {
    id: 'READ-14/age',
    title: 'messages are kept until retention_ms, and evicted then',
    lane: 'long',
    also: ['READ-13'],
    lab: 'a day is longer than a run; checked in lab',
    run: async (t) => {
      const room = t.room();
      await t.joined('sse', room);
      const { seq, reply: post } = await t.posted(room);
      const { retention_ms: age } = t.target.timings;
      await t.sleep(age * 0.7);
      const before = await t.transcript(room);
      if (before.record.t1 - post.record.t0 < age)
        t.require(
          'READ-13',
          seqsOf(before).join() === `${seq}`,
          'the message before its retention_ms',
          before,
        );
      await t.sleep(age * 0.3 + 5_100);
      const reply = await t.transcript(room);
      t.require('READ-14', seqsOf(reply).length === 0, `no message of an age above ${age} ms`, reply);
      if (t.hardened)
        t.require('READ-9', reply.json.get('oldest_seq').number === seq + 1, `oldest_seq ${seq + 1}`, reply);
    },
  },
];
