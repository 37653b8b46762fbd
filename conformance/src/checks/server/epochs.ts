/** Chapter 04: epochs. */
import type { Check } from '../check.ts';
import type { RelayScript } from '../../script/claims.ts';
import { seqsOf, fill } from './reads.ts';

const FOREIGN = 'another-epoch';

export const EPOCH_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'READ-11/epoch',
    title: 'a room has the same epoch in all answers',
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
      const elsewhere = t.room();
      for (const other of [await t.joined('sse', elsewhere), await t.joined('ws', elsewhere)])
        t.require('READ-11', other.ready.get('epoch').raw !== epoch, 'another epoch in another room', other);
      const status = await t.status(elsewhere);
      t.require('READ-11', status.json.get('epoch').raw !== epoch, 'another epoch in another room', status);
    },
  },
  {
    id: 'READ-12/reset',
    title: 'a request with another epoch gets a reset',
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
];
