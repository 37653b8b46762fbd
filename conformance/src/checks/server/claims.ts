/** Chapter 05: which messages a claim is granted. */
import type { Check } from '../check.ts';
import type { Reply } from '../../script/reply.ts';
import type { RelayScript } from '../../script/claims.ts';
import { comparedIn } from '../../trace/message.ts';
import type { Value } from '../../trace/value.ts';
import { claimIdOf, consumer, isEmpty, seqOf, type Asking, type Consumer } from '../../script/consumer.ts';

const CLAIM_ID = /^[A-Za-z0-9_-]{8,64}$/;
/** A parked claim is granted a message this soon after its acceptance. @see CLAIM-9 */
const WAKE_MS = 2_000;

/** Claim and ack until no message is left, at most `most` times. @returns the granted seqs. */
async function drain(who: Consumer, most: number, asking: Asking = {}): Promise<number[]> {
  const seqs: number[] = [];
  for (let i = 0; i < most; i++) {
    const reply = await who.claim(asking);
    if (reply.status !== 200 || isEmpty(reply)) break;
    seqs.push(seqOf(reply));
    await who.acked({ id: claimIdOf(reply), seq: seqOf(reply) });
  }
  return seqs;
}

async function posts(t: RelayScript, room: string, senders: readonly string[]): Promise<number[]> {
  const seqs: number[] = [];
  for (const sender of senders) seqs.push((await t.posted(room, { sender })).seq);
  return seqs;
}

const same = (a: readonly number[], b: readonly number[]) => a.join() === b.join();

export const CLAIM_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'CLAIM-1/drained',
    title: 'a handle that claims and acks is granted every message once, in order',
    lane: 'quick',
    also: ['CLAIM-2', 'CLAIM-6', 'CLAIM-15'],
    run: async (t) => {
      const who = await consumer(t);
      const made = await posts(t, who.room, ['a', 'b', 'c', 'd', 'e']);
      const seqs = await drain(who, made.length);
      const left = await who.claim();
      const got = `${seqs.join(', ')}, then what the claim shows`;
      t.require('CLAIM-1', same(seqs, made), `a grant of every message; granted were ${got}`, left);
      t.require(
        'CLAIM-6',
        same(
          seqs,
          [...seqs].sort((a, b) => a - b),
        ),
        `grants in the order of seq`,
        left,
      );
      t.require('CLAIM-2', isEmpty(left), 'nothing of what was acked', left);
    },
  },
  {
    id: 'CLAIM-2/never-again',
    title: 'an acked message is never granted again, to any process and with any exclusions',
    lane: 'quick',
    run: async (t) => {
      const who = await consumer(t);
      await posts(t, who.room, ['a', 'b']);
      const first = await who.granted();
      await who.acked(first);
      const replies = await t.all(
        (b) => who.in(b).claim(),
        (b) => who.in(b).claim({ exclude_senders: ['x'] }),
        (b) => who.in(b).claim({ exclude_senders: ['b'] }),
      );
      for (const reply of replies)
        t.require('CLAIM-2', isEmpty(reply) || seqOf(reply) > first.seq, `a seq above ${first.seq}`, reply);
    },
  },
  {
    id: 'CLAIM-6/lowest-first',
    title: 'the lowest seq above the cursor comes first',
    lane: 'quick',
    run: async (t) => {
      const who = await consumer(t);
      const [first = NaN, second = NaN] = await posts(t, who.room, ['a', 'b', 'c']);
      const one = await who.granted();
      t.require('CLAIM-6', one.seq === first, `seq ${first}, the oldest`, one.reply);
      await who.acked(one);
      const two = await who.granted({}, 'CLAIM-6');
      t.require('CLAIM-6', two.seq === second, `seq ${second}, the oldest above the cursor`, two.reply);
    },
  },
  {
    id: 'CLAIM-8/answer',
    title: 'a grant has the message as reads deliver it, and the position of the handle',
    lane: 'quick',
    run: async (t) => {
      const who = await consumer(t);
      const { id: reply_to } = await t.posted(who.room);
      await who.acked(await who.granted());
      const ttl_ms = 3_600_000;
      await t.posted(who.room, { reply_to, ttl_ms, ext: t.bytes(30).toString('base64url') });
      await t.posted(who.room);
      const grant = await who.granted();
      const page = await t.transcript(who.room);
      const [before, message] = page.json.get('messages').items;
      t.require('CLAIM-8', CLAIM_ID.test(grant.id), 'a claim_id of 8 to 64 characters', grant.reply);
      const plain = (given: Value) => JSON.stringify(comparedIn(given, t.hardened));
      t.require(
        'CLAIM-8',
        message !== undefined && plain(grant.reply.json.get('message')) === plain(message),
        'the message as the transcript has it',
        grant.reply,
        page,
      );
      const ok =
        grant.reply.json.get('cursor').number === before?.get('seq').number &&
        grant.reply.json.get('last_seq').number === page.json.get('last_seq').number;
      t.require(
        'CLAIM-8',
        ok,
        'cursor: the seq that was acked, and last_seq as reads tell it',
        grant.reply,
        page,
      );
    },
  },
  {
    id: 'CLAIM-8/every-field',
    title: 'a grant has every field that a message can have, as reads deliver it',
    lane: 'quick',
    run: async (t) => {
      const who = await consumer(t);
      await t.joined('sse', who.room); // The open stream keeps the room alive, however slow the other steps are.
      const [author, other] = [await t.agent(), await t.agent()];
      const extra = (word: string, ttl_ms: number) => ({
        reply_to: word.repeat(8),
        ttl_ms,
        ...(t.hardened ? { ext: word } : {}),
      });
      // A second apart, so that the timestamps differ.
      const ago = (seconds: number) => ({ ts: Date.now() - seconds * 1_000 });
      const bodies = [
        { ...t.sealed(), sender: 'one', ...extra('a', 3_600_000) },
        { ...t.sealed(), sender: 'two', ...extra('b', 7_200_000) },
        t.signedBody(who.room, author, extra('c', 10_800_000), ago(3)),
        t.signedBody(who.room, other, { signed_only: true }, ago(2)),
        t.signedBody(who.room, author, {}, { ...ago(1), form2: false }),
        t.signedBody(who.room, other, extra('d', 14_400_000), ago(0)),
      ];
      for (const body of bodies) {
        const reply = await t.post(who.room, { ...body, sender: 'sender' in body ? body.sender : undefined });
        t.require('MSG-1', reply.status === 200, '200 to a valid post', reply);
      }
      const page = await t.transcript(who.room);
      // The model of the room compares the fields of each grant.
      for (const message of page.json.get('messages').items) {
        const grant = await who.granted();
        const seq = message.get('seq').number;
        t.require('CLAIM-6', grant.seq === seq, `seq ${seq}, the next`, page, grant.reply);
        await who.acked(grant);
      }
    },
  },
  {
    id: 'CLAIM-9/parks',
    title: 'a claim parks: it is granted the next message, or answered empty in time',
    lane: 'quick',
    run: async (t) => {
      const [waker, waiter] = [await consumer(t), await consumer(t)];
      for (const who of [waker, waiter]) {
        await t.posted(who.room);
        await who.acked(await who.granted());
      }
      const [woken, posted, empty] = await t.all<Reply>(
        (b) => waker.in(b).claim({ timeout: 3 }),
        async (b) => {
          await b.sleep(300);
          return (await b.posted(waker.room)).reply;
        },
        (b) => waiter.in(b).claim({ timeout: 1 }),
      );
      if (woken === undefined || posted === undefined || empty === undefined) return;
      const seq = posted.json.get('seq').number;
      t.require(
        'CLAIM-9',
        seqOf(woken) === seq,
        `a grant of seq ${seq}, which came while it was parked`,
        woken,
      );
      const inTime = woken.record.t1 - posted.record.t1 < WAKE_MS;
      t.requireInTime('CLAIM-9', inTime, 'the grant within 2 s of the acceptance', posted, woken);
      t.require('CLAIM-9', isEmpty(empty), '{ok, empty: true, cursor, last_seq} after the timeout', empty);
      t.requireInTime('CLAIM-9', empty.ms < 6_000, 'the answer at most 5 s after the timeout', empty);
    },
  },
  {
    id: 'CLAIM-10/not-early',
    title: 'a claim is not answered empty because of excluded messages',
    lane: 'quick',
    run: async (t) => {
      const who = await consumer(t);
      await t.posted(who.room, { sender: 'noise' });
      const [reply] = await t.all<Reply>(
        (b) => who.in(b).claim({ exclude_senders: ['noise'], timeout: 1 }),
        async (b) => {
          await b.sleep(300);
          await b.posted(who.room, { sender: who.handle });
          return (await b.posted(who.room, { sender: 'noise' })).reply;
        },
      );
      if (reply === undefined) return;
      t.require('CLAIM-13', isEmpty(reply), 'nothing of excluded labels', reply);
      t.require('CLAIM-10', reply.ms >= 990, 'no answer before the timeout of 1 s has passed', reply);
    },
  },
  {
    id: 'CLAIM-11/no-room',
    title: 'a claim in a room that does not exist is answered at once, and does not create it',
    lane: 'quick',
    run: async (t) => {
      const who = await consumer(t);
      const reply = await who.claim({ timeout: 5 });
      const ok =
        isEmpty(reply) &&
        reply.json.get('exists').raw === false &&
        reply.json.get('cursor').raw === 0 &&
        reply.json.get('last_seq').raw === 0;
      t.require('CLAIM-11', ok, '{ok, empty: true, last_seq: 0, cursor: 0, exists: false}', reply);
      t.requireInTime('CLAIM-11', reply.ms < WAKE_MS, 'an answer at once', reply);
      await who.ack({ id: 'c_never_granted', seq: 1 });
      const status = await t.status(who.room);
      t.require('CLAIM-11', status.json.get('exists').raw === false, 'no room after claim and ack', status);
    },
  },
  {
    id: 'CLAIM-12/apart',
    title: 'every handle has its own cursor in each room, starting at 0',
    lane: 'quick',
    run: async (t) => {
      const one = await consumer(t);
      const two = await consumer(t, one.room);
      const elsewhere = one.in(t, t.room());
      const made = await posts(t, one.room, ['a', 'b']);
      const [other] = await posts(t, elsewhere.room, ['a']);
      const seqs = await drain(one, made.length);
      const first = await two.granted({}, 'CLAIM-12');
      t.require(
        'CLAIM-12',
        same(seqs, made) && first.seq === made[0] && first.reply.json.get('cursor').raw === 0,
        `cursor 0 and seq ${made[0] ?? ''} for another handle`,
        first.reply,
      );
      const grant = await elsewhere.granted({}, 'CLAIM-12');
      t.require(
        'CLAIM-12',
        grant.seq === other && grant.reply.json.get('cursor').raw === 0,
        `cursor 0 and seq ${other ?? ''} in another room`,
        grant.reply,
      );
      const late = await (await consumer(t, one.room)).granted({}, 'CLAIM-12');
      t.require(
        'CLAIM-12',
        late.seq === made[0],
        `seq ${made[0] ?? ''}, the oldest, for a new handle`,
        late.reply,
      );
    },
  },
  {
    id: 'CLAIM-13/labels',
    title: 'messages with the own label and with excluded labels are skipped, and no others',
    lane: 'quick',
    run: async (t) => {
      const who = await consumer(t);
      const { handle } = who;
      const kept = [`${handle}x`, `@@${handle}`, 'bot', `@${handle} `];
      const senders = [
        handle,
        `@${handle}`,
        kept[0] ?? '',
        '@bot',
        kept[1] ?? '',
        'two words',
        ...kept.slice(2),
      ];
      const made = await posts(t, who.room, [...senders, handle, '@bot']);
      const want = made.filter((_, i) => kept.includes(senders[i] ?? ''));
      // 256 labels, the maximum for a claim.
      const exclude_senders = ['@bot', 'two words', ...Array.from({ length: 254 }, (_, i) => `label${i}`)];
      const seqs = await drain(who, made.length, { exclude_senders });
      const last = await who.claim({ exclude_senders });
      const told = `of [${made.join()}] seqs ${want.join()}; granted were ${seqs.join()}`;
      t.require('CLAIM-13', same(seqs, want) && isEmpty(last), told, last);
      const open = await who.claim();
      t.require('CLAIM-13', seqOf(open) === made.at(-1), 'what another list does not exclude', open);
    },
  },
  {
    id: 'CLAIM-13/other-list',
    title: 'skipped messages stay above the cursor until a later message is acked',
    lane: 'quick',
    run: async (t) => {
      const who = await consumer(t);
      const [noise, call = NaN] = await posts(t, who.room, ['noise', 'call']);
      const grant = await who.granted({ exclude_senders: ['noise'] });
      t.require('CLAIM-13', grant.seq === call, `seq ${call}`, grant.reply);
      if (t.hardened) {
        await who.release(grant.id);
        const other = await who.granted();
        t.require(
          'CLAIM-6',
          other.seq === noise,
          `seq ${noise ?? ''}, which no list passes over now`,
          other.reply,
        );
      } else await who.acked(grant);
    },
  },
  {
    id: 'CLAIM-14/impostor',
    title: 'with exclude_self: "verified", an unsigned message with the handle as its label is granted',
    lane: 'quick',
    run: async (t) => {
      const who = await consumer(t);
      const signed = await t.signedPost(who.room, who.identity);
      t.require('SIGN-1', signed.status === 200, '200 to a signed post', signed);
      const [plain, at] = await posts(t, who.room, [who.handle, `@${who.handle}`]);
      const seqs = await drain(who, 3, { exclude_self: 'verified' });
      const left = await who.claim({ exclude_self: 'verified' });
      const want = `grants of ${plain ?? ''} and ${at ?? ''}, which the handle did not sign; granted were ${seqs.join()}`;
      t.require('CLAIM-14', same(seqs, [plain ?? NaN, at ?? NaN]) && isEmpty(left), want, signed, left);
    },
  },
  {
    id: 'CLAIM-29/missing',
    title: 'a claim without handle and an ack without handle, claim_id or seq are answered 400',
    lane: 'quick',
    run: async (t) => {
      const who = await consumer(t);
      await t.posted(who.room);
      const { id: claim_id, seq } = await who.granted();
      const { handle } = who;
      const bodies = [
        ['claimMessage', {}],
        ['ackMessage', { claim_id, seq }],
        ['ackMessage', { handle, seq }],
        ['ackMessage', { handle, claim_id }],
      ] as const;
      for (const [operation, body] of bodies) {
        const reply = await t.signedRequest(operation, who.room, who.identity, { body });
        const what = `400 to ${operation} with ${Object.keys(body).join(', ') || 'nothing'}`;
        t.require('CLAIM-29', reply.status === 400, what, reply);
      }
      const after = await who.claim();
      t.require('CLAIM-29', claimIdOf(after) === claim_id, 'the claim as it was', after);
    },
  },
];
