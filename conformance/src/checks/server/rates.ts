/** Chapter 02: rate limits. */
import type { Check } from '../check.ts';
import type { Frame } from '../../trace/frames.ts';
import type { RelayScript } from '../../script/claims.ts';
import { floodOf, floodUntil429, isBeyond } from './errors.ts';

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
      const refusal = await floodUntil429(t, room);
      if (refusal === undefined) return;
      if (!t.require('MSG-20', refusal.status === 429, '429 beyond the bucket', refusal)) return;
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
];
