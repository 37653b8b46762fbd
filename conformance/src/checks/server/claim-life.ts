/** Chapter 05: claims when messages expire or are evicted, and when rooms end. */
import type { Check } from '../check.ts';
import type { Reply } from '../../script/reply.ts';
import type { RelayScript } from '../../script/claims.ts';
import { goneMs } from './rooms.ts';
import { claimIdOf, consumer, cursorOf, isEmpty, seqOf, type Consumer } from '../../script/consumer.ts';

const gapOf = ({ json }: Reply) => [json.get('gap').get('from').number, json.get('gap').get('to').number];

/** Post as many messages as a room can buffer, so that all older ones are evicted. */
async function overflow(t: RelayScript, room: string): Promise<void> {
  const each = Math.ceil(t.target.limits.buffer_messages / 8);
  await t.all(
    ...Array.from({ length: 8 }, () => async (b: RelayScript) => {
      for (let i = 0; i < each; i++) await b.post(room);
    }),
  );
}

/** Claim with every message excluded, and require the position of the handle in the empty answer. */
async function nothingFor(t: RelayScript, who: Consumer, cursor: number): Promise<void> {
  const before = await t.transcript(who.room, { limit: 1 });
  const reply = await who.claim({ exclude_senders: ['suite'] });
  const after = await t.transcript(who.room, { limit: 1 });
  const told = (field: string, { json } = reply) => json.get(field).raw;
  const isOf = (field: string) => [before, after].some((read) => told(field, read) === told(field));
  const ok = isEmpty(reply) && cursorOf(reply) === cursor && isOf('last_seq');
  t.require('CLAIM-9', ok, `empty: true, cursor ${cursor}, and the last_seq of reads`, reply, after);
  const oldest = Number(told('oldest_seq'));
  const isOldest =
    oldest >= Number(told('oldest_seq', before)) && oldest <= Number(told('oldest_seq', after));
  t.require(
    'CLAIM-19',
    isOldest && isOf('epoch'),
    'the oldest_seq and the epoch of reads',
    before,
    reply,
    after,
  );
  const due = cursor > 0 && cursor < oldest - 1;
  const gap = reply.json.has('gap') ? gapOf(reply).join('-') : 'none';
  const want = due ? `${cursor + 1}-${oldest - 1}` : 'none';
  t.require('CLAIM-24', gap === want, `gap ${want} in an empty answer`, reply);
}

/** Post a message with the shortest time to live, and one that does not expire. */
async function mortal(t: RelayScript, who: Consumer): Promise<{ short: number; ttl: number; next: number }> {
  const ttl = t.target.timings.ttl_min_ms;
  const { seq: short } = await t.posted(who.room, { ttl_ms: ttl });
  const { seq: next } = await t.posted(who.room);
  return { short, ttl, next };
}

export const CLAIM_LIFE_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'CLAIM-24/gap',
    title: 'a gap above the cursor is reported until an ack passes it',
    lane: 'long',
    cert: true,
    also: ['CLAIM-9', 'CLAIM-19', 'CLAIM-25', 'CLAIM-26'],
    run: async (t) => {
      const [who, holder, third] = [await consumer(t), await consumer(t), await consumer(t)];
      const [held, idler] = [holder.in(t, who.room), third.in(t, who.room)];
      for (let i = 0; i < 3; i++) await t.posted(who.room);
      const first = await who.granted();
      await who.acked(first);
      await held.acked(await held.granted());
      await idler.acked(await idler.granted());
      const kept = await held.granted({ lease_ms: 120_000 });
      const still = await who.claim({ lease_ms: 120_000 });
      t.require('CLAIM-24', !still.json.has('gap'), 'no gap while nothing was evicted', still);
      await overflow(t, who.room);
      const late = await held.ack(kept);
      const ok = late.json.get('advanced').raw === true && cursorOf(late) === kept.seq;
      t.require('CLAIM-25', ok, 'an ack of a live claim whose message was evicted', kept.reply, late);
      const page = await t.transcript(who.room, { limit: 1 });
      const oldest = page.json.get('oldest_seq').number;
      const want = [first.seq + 1, oldest - 1].join();
      const grant = await who.granted({ lease_ms: 120_000 }, 'CLAIM-26');
      t.require(
        'CLAIM-26',
        grant.seq === oldest && grant.id !== claimIdOf(still),
        `seq ${oldest}`,
        still,
        grant.reply,
      );
      t.require(
        'CLAIM-24',
        gapOf(grant.reply).join() === want,
        `gap from ${first.seq + 1} to ${oldest - 1}`,
        grant.reply,
      );
      const again = await who.claim();
      t.require(
        'CLAIM-24',
        gapOf(again).join() === want,
        'the same gap with every answer',
        grant.reply,
        again,
      );
      await who.acked(grant);
      const passed = await who.claim();
      t.require('CLAIM-24', !passed.json.has('gap'), 'no gap once an ack has passed it', passed);
      const fresh = await (await consumer(t, who.room)).granted();
      t.require('CLAIM-24', !fresh.reply.json.has('gap'), 'no gap with the cursor 0', fresh.reply);
      // An empty answer has the current position of the handle, like a grant.
      await nothingFor(t, idler, first.seq);
      for (let i = 0; i < 3; i++) await t.posted(who.room);
      const later = await idler.granted({ lease_ms: 120_000 });
      await idler.acked(later);
      for (let i = 0; i < 3; i++) await t.posted(who.room);
      await nothingFor(t, idler, later.seq);
      const last = await idler.granted({ lease_ms: 120_000 });
      await idler.acked(last);
      await nothingFor(t, idler, last.seq);
      const elsewhere = idler.in(t, t.room());
      await t.joined('sse', elsewhere.room); // The open stream keeps the room alive, however slow the other steps are.
      await t.posted(elsewhere.room);
      await nothingFor(t, elsewhere, 0);
    },
  },
  {
    id: 'CLAIM-25/expired',
    title: 'an ack of a live claim succeeds even if its message has expired',
    lane: 'long',
    run: async (t) => {
      const who = await consumer(t);
      const { short, ttl, next } = await mortal(t, who);
      const grant = await who.granted({ lease_ms: ttl + 20_000 });
      await t.sleep(ttl + 200);
      const reply = await who.ack(grant);
      const ok = reply.json.get('advanced').raw === true && cursorOf(reply) === short;
      t.require('CLAIM-25', ok, `{ok, advanced: true, cursor: ${short}}`, grant.reply, reply);
      const after = await who.claim();
      t.require('CLAIM-25', seqOf(after) === next, `seq ${next} after it`, reply, after);
    },
  },
  {
    id: 'CLAIM-26/expired',
    title: 'an expired message is not granted, and a claim of it ends when the handle claims again',
    lane: 'long',
    run: async (t) => {
      const who = await consumer(t);
      const { ttl, next } = await mortal(t, who);
      const stranger = await consumer(t, who.room);
      const first = await who.granted({ lease_ms: ttl + 20_000 });
      await t.sleep(ttl + 200);
      const fresh = await stranger.granted({}, 'CLAIM-26');
      t.require('CLAIM-26', fresh.seq === next, `seq ${next}: what comes before has expired`, fresh.reply);
      const second = await who.granted({}, 'CLAIM-26');
      const ok = second.seq === next && second.id !== first.id;
      t.require('CLAIM-26', ok, `seq ${next} under another claim_id`, first.reply, second.reply);
      const late = await who.ack(first);
      t.require('CLAIM-26', late.status === 409, '409: the claim before has ended', second.reply, late);
    },
  },
  {
    id: 'CLAIM-27/reset',
    title: 'a claim gets a reset only if it names another epoch',
    lane: 'quick',
    run: async (t) => {
      const who = await consumer(t);
      const nowhere = await who.claim({ epoch: 'another-epoch' });
      t.require(
        'CLAIM-27',
        nowhere.json.get('reset').raw === true,
        'reset: true for a room that is not',
        nowhere,
      );
      await t.posted(who.room);
      const plain = await who.granted();
      t.require(
        'CLAIM-27',
        plain.reply.json.get('reset').raw !== true,
        'no reset without epoch',
        plain.reply,
      );
      const epoch = (await t.transcript(who.room)).json.get('epoch').string;
      const right = await who.claim({ epoch });
      t.require('CLAIM-27', right.json.get('reset').raw !== true, 'no reset to the epoch of the room', right);
      const wrong = await who.claim({ epoch: 'another-epoch' });
      const ok = wrong.json.get('reset').raw === true && claimIdOf(wrong) === plain.id;
      t.require('CLAIM-27', ok, 'reset: true, and the claim as it was', wrong);
      await who.acked(plain);
      const empty = await who.claim({ epoch: 'another-epoch' });
      t.require(
        'CLAIM-27',
        isEmpty(empty) && empty.json.get('reset').raw === true,
        'reset in an empty answer',
        empty,
      );
    },
  },
  {
    id: 'CLAIM-27/anew',
    title: 'a handle has no cursor in a recreated room',
    lane: 'long',
    cert: true,
    also: ['CLAIM-12'],
    run: async (t) => {
      const who = await consumer(t);
      await t.posted(who.room);
      const epoch = (await t.transcript(who.room)).json.get('epoch').string;
      await who.acked(await who.granted());
      await t.sleep(goneMs(t) + 1_000);
      const gone = await who.claim({ epoch });
      t.require('CLAIM-27', gone.json.get('reset').raw === true, 'reset: true for a room that is gone', gone);
      const { seq } = await t.posted(who.room);
      const grant = await who.granted({ epoch });
      const ok =
        grant.seq === seq && cursorOf(grant.reply) === 0 && grant.reply.json.get('reset').raw === true;
      t.require('CLAIM-27', ok, `seq ${seq}, cursor 0 and reset: true`, gone, grant.reply);
    },
  },
  {
    id: 'CLAIM-28/kept',
    title: 'a parked claim and a live one keep the room alive',
    lane: 'long',
    run: async (t) => {
      const idle = t.target.timings.room_idle_ms;
      const beyond = idle * 1.5;
      const [parked, live] = [await consumer(t), await consumer(t)];
      for (const { room } of [parked, live]) await t.posted(room);
      await parked.acked(await parked.granted());
      const grant = await live.granted({ lease_ms: Math.ceil(beyond + 20_000) });
      const status = async (b: RelayScript, { room }: Consumer, what: string) => {
        const reply = await b.status(room);
        b.require('CLAIM-28', reply.json.get('exists').raw === true, `a room in which ${what}`, reply);
      };
      await t.all(
        async (b) => {
          // Repeated parked claims: each is activity of the room as long as it lasts.
          const seconds = Math.max(1, Math.floor(idle / 6_000));
          for (let i = 0; i < Math.ceil(beyond / 1000 / seconds); i++)
            await parked.in(b).claim({ timeout: seconds });
          await status(b, parked, 'someone claims');
        },
        async (b) => {
          await b.sleep(beyond);
          await status(b, live, 'a claim is live');
          const still = await live.in(b).claim();
          b.require('CLAIM-28', claimIdOf(still) === grant.id, `the claim ${grant.id}`, grant.reply, still);
        },
      );
    },
  },
];
