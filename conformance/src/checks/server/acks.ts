/** Chapter 05: acks. */
import type { Check } from '../check.ts';
import type { RelayScript } from '../../script/claims.ts';
import {
  consumer,
  cursorOf,
  isGone,
  LEASE_MS,
  PAST_MS,
  seqOf,
  SHORT,
  consumerWithMessages,
  type Granted,
} from '../../script/consumer.ts';

export const ACK_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'CLAIM-5/not-this-claim',
    title: 'an ack with another claim_id or seq than that of the live claim has no effect',
    lane: 'quick',
    run: async (t) => {
      const who = await consumerWithMessages(t, 3);
      const { id, seq } = await who.granted();
      for (const [what, named] of [
        ['a seq above', { id, seq: seq + 1 }],
        ['another claim_id', { id: 'c_0000000000000000', seq }],
        ['a seq far above', { id, seq: seq + 1_000_000 }],
      ] as const) {
        const reply = await who.ack(named);
        t.require('CLAIM-5', isGone(reply, 0), `409 with error and cursor 0 to an ack of ${what}`, reply);
      }
      const still = await who.granted();
      t.require(
        'CLAIM-5',
        still.id === id && cursorOf(still.reply) === 0,
        'claim and cursor as before',
        still.reply,
      );
      await who.acked(still);
      const next = await who.granted();
      const reply = await who.ack({ id, seq: next.seq });
      t.require('CLAIM-5', isGone(reply, seq), `409 and cursor ${seq} to an ack with an old claim_id`, reply);
    },
  },
  {
    id: 'CLAIM-5/late',
    title: 'a late ack is answered 409 and does not move the cursor',
    lane: 'quick',
    run: async (t) => {
      if (!t.hardened) return;
      const who = await consumerWithMessages(t);
      const first = await who.granted(SHORT);
      await t.sleep(LEASE_MS + PAST_MS);
      const late = await who.ack(first);
      t.require('CLAIM-5', isGone(late, 0), '409 with error and cursor 0', first.reply, late);
      const next = await who.claim();
      const ok = seqOf(next) === first.seq && cursorOf(next) === 0;
      t.require('CLAIM-5', ok, `seq ${first.seq} and cursor 0: nothing has changed`, late, next);
    },
  },
  {
    id: 'CLAIM-15/acked',
    title: 'an ack of the live claim moves the cursor to its seq',
    lane: 'quick',
    run: async (t) => {
      const who = await consumerWithMessages(t);
      const first = await who.granted();
      await who.acked(first);
      const next = await who.granted({}, 'CLAIM-15');
      t.require('CLAIM-15', cursorOf(next.reply) === first.seq, `cursor ${first.seq}`, next.reply);
    },
  },
  {
    id: 'CLAIM-16/again',
    title:
      'an ack at or below the cursor, or of a handle that never claimed, succeeds without moving the cursor',
    lane: 'quick',
    run: async (t) => {
      const who = await consumerWithMessages(t);
      const never = await consumer(t, who.room);
      const grants: Granted[] = [];
      for (let i = 0; i < 2; i++) {
        const grant = await who.granted();
        await who.acked(grant);
        grants.push(grant);
      }
      const last = grants.at(-1)?.seq ?? NaN;
      const other = { id: 'c_another_one', seq: grants[0]?.seq ?? NaN };
      for (const [ack, cursor] of [
        ...[...grants, other].map((grant) => [() => who.ack(grant), last] as const),
        [() => never.ack({ id: 'c_never_granted', seq: last }), 0] as const,
      ]) {
        const reply = await ack();
        const ok =
          reply.status === 200 && reply.json.get('advanced').raw === false && cursorOf(reply) === cursor;
        t.require('CLAIM-16', ok, `{ok, advanced: false, cursor: ${cursor}}`, reply);
      }
      const first = await never.granted({}, 'CLAIM-16');
      t.require(
        'CLAIM-16',
        first.seq === grants[0]?.seq,
        'the first message: that ack was none',
        first.reply,
      );
    },
  },
];
