/** Chapter 04: how much is kept, and how long. */
import type { Check } from '../check.ts';
import type { RelayScript } from '../../script/claims.ts';
import { seqsOf, fill } from './reads.ts';
import { readyOf } from './streams.ts';

export const RETENTION_CHECKS: readonly Check<RelayScript>[] = [
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
        t.require('READ-10', gap(resumed.ready) === named, `gap ${named} in ready`, readyOf(resumed));
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
