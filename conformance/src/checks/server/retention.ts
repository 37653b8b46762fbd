/** Chapter 04: how much is kept, and how long. */
import type { Check } from '../check.ts';
import type { RelayScript } from '../../script/claims.ts';
import type { Reply } from '../../script/reply.ts';
import type { Stream } from '../../script/stream.ts';
import type { Value } from '../../trace/value.ts';
import { seqsOf, fill } from './reads.ts';

/**
 * What every read of a room tells from a place below what was evicted, and at its edge.
 * @param until when the oldest of its messages may be gone by age.
 */
async function afterEviction(
  t: RelayScript,
  room: string,
  { after, oldest, until }: { readonly after: number; readonly oldest: number; readonly until: number },
): Promise<void> {
  const isOldest = (seen: Reply | Stream, json: Value) =>
    t.require('READ-9', json.get('oldest_seq').raw === oldest, `oldest_seq ${oldest}`, seen);
  const status = await t.status(room);
  if (status.record.t1 < until) isOldest(status, status.json);
  for (const from of [after, oldest - 1]) {
    const named = from === after ? `${after + 1}-${oldest - 1}` : 'none';
    const tells = (seen: Reply | Stream, json: Value, messages: readonly Value[]) => {
      const gap = json.get('gap');
      const told = json.has('gap') ? `${gap.get('from').number}-${gap.get('to').number}` : 'none';
      const whole = told === named && messages[0]?.get('seq').raw === oldest;
      t.require('READ-10', whole, `gap ${named}, and what follows from ${oldest}`, seen);
      isOldest(seen, json);
    };
    const query = { after: from };
    for (const reply of [await t.transcript(room, { ...query, limit: 3 }), await t.wait(room, query)])
      if (reply.record.t1 < until) tells(reply, reply.json, reply.json.get('messages').items);
    for (const kind of ['sse', 'ws'] as const) {
      const stream = await t.joined(kind, room, query);
      if ((stream.of('ready')[0]?.at ?? until) < until) tells(stream, stream.ready, stream.messages);
      stream.close();
    }
  }
}

export const RETENTION_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'READ-13/buffer',
    title: 'the newest buffer_messages are kept, and no more; the rest is named as a gap',
    lane: 'long',
    also: ['READ-9', 'READ-10'],
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
        const until = stream.log.open.t0 + t.target.timings.retention_ms;
        await afterEviction(t, room, { after: old, oldest: kept[0] ?? 0, until });
        seqs.push(...(await fill(t, room, beyond)));
        await afterEviction(t, room, { after: seqs[5] ?? 0, oldest: seqs[2 * beyond] ?? 0, until });
        t.require('READ-10', !first.json.has('gap'), 'no gap from 0', first);
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
