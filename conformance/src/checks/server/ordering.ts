/** Chapter 02: seqs, and repeated nonces. */
import type { Check } from '../check.ts';
import type { RelayScript } from '../../script/claims.ts';

/** How long MSG-16/memory waits at most: most of the default dedup_ms, so that the message with the shortest ttl_ms has expired. */
const MEMORY_MS = 42_000;

export const ORDERING_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'MSG-3/order',
    title: 'seqs rise in the order of acceptance',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      let last = -1;
      for (let i = 0; i < 20; i++) {
        const { seq, reply } = await t.posted(room);
        t.require('MSG-3', seq > last, `a seq above ${last}`, reply);
        last = seq;
      }
    },
  },
  {
    id: 'MSG-11/clock',
    title: 'ts is the clock of the relay',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      // Twice, at different parts of a second: a clock of whole seconds is right at times.
      for (const pauseMs of [0, 370]) {
        await t.sleep(pauseMs);
        const before = await t.get('health');
        const { id } = await t.posted(room, { ts: 7 });
        const after = await t.get('health');
        const page = await t.transcript(room);
        const ts =
          page.json
            .get('messages')
            .items.find((item) => item.get('id').string === id)
            ?.get('ts').number ?? NaN;
        const [least, most] = [before.json.get('ts').number - 5, after.json.get('ts').number + 5];
        t.require('MSG-11', ts >= least && ts <= most, `ts from ${least} to ${most}`, page);
      }
    },
  },
  {
    id: 'MSG-12/steps',
    title: 'seqs rise by 1; refused and repeated posts use none',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const sealed = t.sealed();
      let last = (await t.posted(room, sealed)).seq;
      for (let i = 0; i < 6; i++) {
        if (i % 3 === 0) await t.post(room, { ttl_ms: 1 });
        if (i % 3 === 1) await t.post(room, sealed);
        const { seq, reply } = await t.posted(room);
        t.require('MSG-12', seq === last + 1, `seq ${last + 1}`, reply);
        last = seq;
      }
    },
  },
  {
    id: 'MSG-13/first',
    title: 'the first seq of a room is above the clock and above every other seq',
    lane: 'quick',
    run: async (t) => {
      const health = await t.get('health');
      const [one, two] = [t.room(), t.room()];
      const least = 1_000 * health.json.get('ts').number;
      const first = await t.posted(one);
      t.require('MSG-13', first.seq >= least, `a first seq of at least ${least}`, first.reply);
      let highest = first.seq;
      for (let i = 0; i < 3; i++) highest = (await t.posted(one)).seq;
      const other = await t.posted(two);
      t.require('MSG-13', other.seq > highest, `a first seq above ${highest}`, other.reply);
    },
  },
  {
    id: 'MSG-13/fast',
    title: 'a new room begins above a room whose seqs are ahead of the clock',
    lane: 'solo',
    run: async (t) => {
      // A check cannot post more than 1000 messages per ms, but it can create several rooms in the same ms.
      const replies = await t.all(
        ...Array.from({ length: 12 }, () => (branch: RelayScript) => branch.posted(branch.room())),
      );
      const seqs = replies.map(({ seq }) => seq);
      t.require(
        'MSG-13',
        new Set(seqs).size === seqs.length,
        'first seqs that differ',
        ...replies.map(({ reply }) => reply),
      );
    },
  },
  {
    id: 'MSG-14/repeat',
    title: 'a repeated post is recognised',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const stream = await t.joined('sse', room);
      const sealed = t.sealed();
      const first = await t.posted(room, sealed);
      const other = await t.posted(room);
      for (const body of [sealed, { ...sealed, sender: 'another', reply_to: 'AAAAAAAA', ext: 'changed' }]) {
        const again = await t.post(room, body);
        const same = again.json.get('id').string === first.id && again.json.get('seq').number === first.seq;
        t.require(
          'MSG-14',
          again.status === 200 && same && again.json.get('duplicate').raw === true,
          'the first answer with duplicate: true',
          first.reply,
          again,
        );
      }
      const last = await t.posted(room);
      await stream.hasSeq(last.seq);
      const seen = stream.messages.map((message) => message.get('seq').number);
      const wanted = [first.seq, other.seq, last.seq];
      t.require(
        'MSG-14',
        seen.join() === wanted.join(),
        'three messages on the stream',
        stream.atOther(wanted),
      );
      const page = await t.transcript(room);
      t.require('MSG-14', page.json.get('messages').items.length === 3, 'three messages in the room', page);
    },
  },
  {
    id: 'MSG-15/reuse',
    title: 'a nonce with another ciphertext is refused',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const { nonce } = t.sealed();
      await t.posted(room, { nonce });
      const again = await t.post(room, { nonce });
      t.require(
        'MSG-15',
        again.status === 409 && again.json.get('type').string.endsWith('nonce-reused'),
        '409 nonce-reused',
        again,
      );
      const page = await t.transcript(room);
      t.require('MSG-15', page.json.get('messages').items.length === 1, 'one message', page);
    },
  },
  {
    id: 'MSG-16/memory',
    title: 'a nonce is remembered while its message is buffered, and for dedup_ms',
    lane: 'long',
    run: async (t) => {
      const room = t.room();
      await t.joined('sse', room);
      const sealed = t.sealed();
      const dying = t.sealed();
      // A relay may forget nonces in order, and so none after that of a buffered message.
      const [first, second] = [
        await t.posted(room, { ...dying, ttl_ms: t.target.timings.ttl_min_ms }),
        await t.posted(room, sealed),
      ];
      // It may be as long as a day.
      await t.sleep(Math.min(t.target.timings.dedup_ms * 0.7, MEMORY_MS));
      for (const [body, { seq }] of [
        [dying, first],
        [sealed, second],
      ] as const) {
        const again = await t.post(room, body);
        t.require(
          'MSG-16',
          again.json.get('duplicate').raw === true && again.json.get('seq').number === seq,
          'the first answer',
          again,
        );
      }
    },
  },
];
