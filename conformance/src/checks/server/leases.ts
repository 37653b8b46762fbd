/** Chapter 05: leases. */
import type { Check } from '../check.ts';
import type { Reply } from '../../script/reply.ts';
import type { RelayScript } from '../../script/claims.ts';
import {
  claimIdOf,
  cursorOf,
  isEmpty,
  isGone,
  LEASE_MS,
  PAST_MS,
  seqOf,
  SHORT,
  consumerWithMessages,
  type Asking,
  type Consumer,
  type Granted,
} from '../../script/consumer.ts';

/** Whether an answer certainly arrived before the lease of a grant expired. */
function within({ reply }: Granted, later: Reply, leaseMs = LEASE_MS): boolean {
  return later.record.t1 < reply.record.t0 + leaseMs;
}

/** Let a lease expire: the message is granted again under another claim, and the first claim is no longer live. */
async function redelivery(t: RelayScript, who: Consumer, asking: Asking, leaseMs: number): Promise<void> {
  const first = await who.granted(asking);
  await t.sleep(leaseMs + PAST_MS);
  const late = await who.ack(first);
  t.require('CLAIM-5', isGone(late, 0), '409 with error and cursor 0 to a late ack', first.reply, late);
  const again = await who.granted(asking, 'CLAIM-4');
  t.require('CLAIM-4', again.seq === first.seq, `seq ${first.seq} again`, first.reply, again.reply);
  t.require('CLAIM-4', again.id !== first.id, 'another claim_id', first.reply, again.reply);
  t.require(
    'CLAIM-5',
    cursorOf(again.reply) === 0,
    'cursor 0: the late ack changed nothing',
    late,
    again.reply,
  );
  const stale = await who.ack(first);
  t.require('CLAIM-5', isGone(stale, 0), '409 to an ack of the claim before', first.reply, stale);
  const acked = await who.ack(again);
  const ok = acked.json.get('advanced').raw === true && cursorOf(acked) === again.seq;
  if (within(again, acked, leaseMs))
    t.require('CLAIM-15', ok, `{ok, advanced: true, cursor: ${again.seq}}`, acked);
}

export const LEASE_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'CLAIM-3/parallel',
    title: 'concurrent claims of one handle get the same claim',
    lane: 'quick',
    also: ['CLAIM-7'],
    run: async (t) => {
      const who = await consumerWithMessages(t, 3);
      const replies = await t.all<Reply>(
        ...Array.from({ length: 6 }, () => (b: RelayScript) => who.in(b).claim()),
      );
      const [first] = replies;
      if (first === undefined) return;
      for (const reply of [...replies, await who.claim({ exclude_senders: ['s0'] })]) {
        const ok = claimIdOf(reply) === claimIdOf(first) && seqOf(reply) === seqOf(first);
        t.require('CLAIM-3', ok, `the claim ${claimIdOf(first)} of seq ${seqOf(first)}`, first, reply);
        const other = seqOf(reply) === seqOf(first) && !ok;
        t.require('CLAIM-7', !other, 'no other claim_id while the lease runs', first, reply);
      }
    },
  },
  {
    id: 'CLAIM-3/lost-answer',
    title: 'a claim and an ack whose answers were lost can be repeated',
    lane: 'quick',
    also: ['CLAIM-16'],
    run: async (t) => {
      const who = await consumerWithMessages(t);
      await who.claim({ cutMs: 1 });
      const first = await who.granted();
      const again = await who.claim();
      t.require('CLAIM-3', claimIdOf(again) === first.id, `the claim ${first.id} again`, first.reply, again);
      const lost = await who.ack(first, 1);
      const acked = await who.ack(first);
      const ok = acked.status === 200 && acked.json.has('advanced') && cursorOf(acked) === first.seq;
      t.require('CLAIM-16', ok, `{ok, advanced, cursor: ${first.seq}} to the ack again`, lost, acked);
      const next = await who.granted();
      t.require('CLAIM-2', next.seq > first.seq, `a seq above ${first.seq}`, acked, next.reply);
    },
  },
  {
    id: 'CLAIM-4/redelivered',
    title: 'an unacked message is granted again after its lease',
    lane: 'quick',
    also: ['CLAIM-5'],
    run: async (t) => {
      if (t.hardened) await redelivery(t, await consumerWithMessages(t), SHORT, LEASE_MS);
    },
  },
  {
    id: 'CLAIM-4/default-lease',
    title: 'an unacked message is granted again after the default lease',
    lane: 'long',
    cert: true,
    also: ['CLAIM-17'],
    run: async (t) => {
      const lease = t.target.timings.lease_default_ms;
      const who = await consumerWithMessages(t);
      const other = await consumerWithMessages(t);
      // At compat, a claim does not have to keep its room alive.
      for (const { room } of [who, other]) await t.joined('sse', room);
      const kept = await other.granted();
      await t.all(
        (b) => redelivery(b, who.in(b), {}, lease),
        async (b) => {
          await b.sleep(lease * 0.8);
          const reply = await other.in(b).claim();
          if (!within(kept, reply, lease)) return;
          b.require(
            'CLAIM-17',
            claimIdOf(reply) === kept.id,
            `the claim ${kept.id}, before ${lease} ms`,
            reply,
          );
        },
      );
    },
  },
  {
    id: 'CLAIM-7/while-it-runs',
    title: 'a message gets no other claim before its lease has expired',
    lane: 'quick',
    also: ['CLAIM-3'],
    run: async (t) => {
      const asking = t.hardened ? SHORT : {};
      const who = await consumerWithMessages(t);
      const first = await who.granted(asking);
      for (let i = 0; i < 4; i++) {
        const reply = await who.claim(asking);
        if (!within(first, reply)) break;
        t.require('CLAIM-7', claimIdOf(reply) === first.id, `the claim ${first.id}`, first.reply, reply);
        await t.sleep(200);
      }
    },
  },
  {
    id: 'CLAIM-17/clamped',
    title: 'a lease lasts lease_default_ms, or the ttl_ms of the claim, clamped',
    lane: 'quick',
    run: async (t) => {
      if (!t.hardened) return;
      const { lease_default_ms: usual, claim_ttl_min_ms: least, claim_ttl_max_ms: most } = t.target.timings;
      const middle = Math.round((least + most) / 2);
      for (const [ttl_ms, lease] of [
        [undefined, usual],
        [1, least],
        [middle, middle],
        [most * 10, most],
      ] as const) {
        const who = await consumerWithMessages(t, 1);
        const { reply } = await who.granted(ttl_ms === undefined ? {} : { ttl_ms });
        const ok = isLeft(reply, lease);
        t.require('CLAIM-17', ok, `a lease of ${lease} ms with ttl_ms ${ttl_ms ?? 'absent'}`, reply);
      }
    },
  },
  {
    id: 'CLAIM-18/bounds',
    title: 'lease_ms sets the lease, overrides ttl_ms, and is refused outside its bounds',
    lane: 'quick',
    run: async (t) => {
      const { lease_min_ms: least, lease_max_ms: most, claim_ttl_min_ms: ttl_ms } = t.target.timings;
      const who = await consumerWithMessages(t, 1);
      for (const lease_ms of [least - 1, most + 1, 0, -least, least + 0.5, 'soon']) {
        const reply = await who.claim({ lease_ms });
        t.require('CLAIM-18', reply.status === 400, `400 to lease_ms=${lease_ms}`, reply);
      }
      const { reply, id } = await who.granted({ lease_ms: most, ttl_ms });
      const ok = isLeft(reply, most) && reply.json.get('delivery').raw === 1;
      t.require('CLAIM-18', ok, `a lease of ${most} ms, and nothing granted before`, reply);
      for (const lease_ms of [least - 1, most + 1]) {
        const refused = await who.renew(id, lease_ms);
        t.require('CLAIM-18', refused.status === 400, `400 to renew with lease_ms=${lease_ms}`, refused);
      }
      const short = await (await consumerWithMessages(t, 1)).granted({ lease_ms: least, ttl_ms: ttl_ms * 2 });
      t.require(
        'CLAIM-18',
        isLeft(short.reply, least),
        `a lease of ${least} ms whatever ttl_ms says`,
        short.reply,
      );
    },
  },
  {
    id: 'CLAIM-19/fields',
    title: 'a grant has epoch, oldest_seq, lease_remaining_ms and delivery',
    lane: 'quick',
    run: async (t) => {
      const who = await consumerWithMessages(t, 1);
      const page = await t.transcript(who.room);
      const same = ({ json }: Reply) =>
        json.get('epoch').string === page.json.get('epoch').string &&
        json.get('oldest_seq').number === page.json.get('oldest_seq').number;
      for (const delivery of [1, 2, 3]) {
        const { reply, id } = await who.granted({ lease_ms: 5_000 });
        const ok = same(reply) && reply.json.get('delivery').number === delivery && isLeft(reply, 5_000);
        t.require(
          'CLAIM-19',
          ok,
          `epoch and oldest_seq of the room, 5000 ms left, delivery ${delivery}`,
          reply,
          page,
        );
        await t.sleep(50);
        const again = await who.claim();
        const left = again.json.get('lease_remaining_ms').number;
        const spent = reply.json.get('lease_remaining_ms').number - left;
        const fits = spent >= 45 && spent <= again.record.t1 - reply.record.t0 + 5;
        t.require('CLAIM-19', fits, 'the time between two answers taken off the lease', reply, again);
        if (delivery < 3) await who.release(id);
        else await who.acked({ id, seq: seqOf(reply) });
      }
      const empty = await who.claim();
      t.require(
        'CLAIM-19',
        isEmpty(empty) && same(empty),
        'epoch and oldest_seq in an empty answer',
        empty,
        page,
      );
    },
  },
  {
    id: 'CLAIM-20/resumed',
    title: 'a repeated grant of the same claim is marked as resumed, and keeps its deadline',
    lane: 'quick',
    run: async (t) => {
      const who = await consumerWithMessages(t);
      const first = await who.granted(SHORT);
      t.require('CLAIM-20', !first.reply.json.has('resumed'), 'no resumed in the first grant', first.reply);
      await t.sleep(400);
      const again = await who.granted({ lease_ms: 5_000 });
      if (within(first, again.reply)) {
        const left = again.reply.json.get('lease_remaining_ms').number;
        const resumed = again.reply.json.get('resumed').raw === true && again.id === first.id;
        t.require('CLAIM-20', resumed, `${first.id} with resumed: true`, first.reply, again.reply);
        t.require('CLAIM-20', left <= LEASE_MS - 390, 'the deadline where it was', first.reply, again.reply);
      }
      await t.sleep(LEASE_MS - 400 + PAST_MS);
      const next = await who.granted(SHORT, 'CLAIM-20');
      const ok = next.id !== first.id && !next.reply.json.has('resumed');
      t.require(
        'CLAIM-20',
        ok,
        'another claim, without resumed, after the first deadline',
        again.reply,
        next.reply,
      );
    },
  },
  {
    id: 'CLAIM-21/renewed',
    title: 'renew moves the deadline of a live claim',
    lane: 'quick',
    run: async (t) => {
      const usual = t.target.timings.lease_default_ms;
      const who = await consumerWithMessages(t);
      const first = await who.granted(SHORT);
      const renewed = await who.renew(first.id, 2_000);
      const ok = renewed.json.get('ok').raw === true && isLeft(renewed, 2_000);
      if (!within(first, renewed)) return;
      t.require('CLAIM-21', ok, '{ok, lease_remaining_ms: 2000}', first.reply, renewed);
      await t.sleep(LEASE_MS + PAST_MS);
      const still = await who.claim();
      if (still.record.t1 < renewed.record.t0 + 2_000)
        t.require(
          'CLAIM-21',
          claimIdOf(still) === first.id,
          `${first.id} after its first lease`,
          renewed,
          still,
        );
      const longer = await who.renew(first.id);
      const back = longer.record.t1 < renewed.record.t0 + 2_000;
      if (back)
        t.require('CLAIM-21', isLeft(longer, usual), `a lease of ${usual} ms without lease_ms`, longer);
      const shorter = await who.renew(first.id, LEASE_MS);
      t.require('CLAIM-21', !back || isLeft(shorter, LEASE_MS), 'a shorter lease too', shorter);
      await t.sleep(LEASE_MS + PAST_MS);
      const next = await who.claim();
      const other = seqOf(next) === first.seq && claimIdOf(next) !== first.id;
      t.require('CLAIM-21', other, 'another claim once the renewed lease ran out', shorter, next);
    },
  },
  {
    id: 'CLAIM-21/too-late',
    title: 'renew of an ended claim is answered 409 and does not revive it',
    lane: 'quick',
    run: async (t) => {
      const who = await consumerWithMessages(t);
      const first = await who.granted(SHORT);
      await t.sleep(LEASE_MS + PAST_MS);
      const late = await who.renew(first.id, 10_000);
      t.require('CLAIM-21', isGone(late, 0), '409 with cursor 0 to a late renew', first.reply, late);
      const next = await who.granted({}, 'CLAIM-21');
      t.require('CLAIM-21', next.id !== first.id, 'another claim: nothing was revived', late, next.reply);
      const unknown = await who.renew('c_0000000000000000');
      t.require('CLAIM-21', isGone(unknown, 0), '409 to a claim_id that never was', unknown);
      await who.acked(next);
      const acked = await who.renew(next.id);
      t.require('CLAIM-21', isGone(acked, next.seq), `409 with cursor ${next.seq} once it was acked`, acked);
    },
  },
  {
    id: 'CLAIM-22/released',
    title: 'release ends a live claim at once',
    lane: 'quick',
    also: ['CLAIM-7'],
    run: async (t) => {
      const who = await consumerWithMessages(t);
      const first = await who.granted();
      const released = await who.release(first.id);
      const said = (reply: Reply) => reply.status === 200 && reply.json.get('released').raw;
      t.require('CLAIM-22', said(released) === true, '{ok, released: true}', released);
      const ack = await who.ack(first);
      t.require('CLAIM-22', isGone(ack, 0), '409 to an ack of what was released', released, ack);
      const next = await who.granted({}, 'CLAIM-22');
      const ok = next.seq === first.seq && next.id !== first.id;
      t.require('CLAIM-22', ok, `seq ${first.seq} under another claim_id`, released, next.reply);
      for (const id of [first.id, 'c_0000000000000000']) {
        const idle = await who.release(id);
        t.require(
          'CLAIM-22',
          said(idle) === false,
          '{ok, released: false} for a claim that is not live',
          idle,
        );
      }
      const still = await who.claim();
      t.require('CLAIM-22', claimIdOf(still) === next.id, `${next.id}, which is live as before`, still);
      await who.acked(next);
      const acked = await who.release(next.id);
      t.require('CLAIM-22', said(acked) === false, '{ok, released: false} once it was acked', acked);
    },
  },
  {
    id: 'CLAIM-23/first-form',
    title: 'renew and release need a signature that covers their body',
    lane: 'quick',
    run: async (t) => {
      const who = await consumerWithMessages(t);
      const { id: claim_id } = await who.granted();
      const body = { handle: who.handle, claim_id };
      for (const operation of ['renewClaim', 'releaseClaim'] as const) {
        const reply = await t.signedRequest(operation, who.room, who.identity, { body, form: 1 });
        t.require('CLAIM-23', reply.status === 401, `401 to ${operation} signed in the first form`, reply);
      }
      const still = await who.claim();
      t.require('CLAIM-23', claimIdOf(still) === claim_id, 'the claim as it was', still);
    },
  },
];

/** Whether the remaining lease is plausible directly after the grant. */
function isLeft({ json, ms }: Reply, leaseMs: number): boolean {
  const left = json.get('lease_remaining_ms').number;
  return left <= leaseMs + 5 && left >= leaseMs - ms - 5;
}
