/** Chapter 02: fields of messages. */
import type { Check } from '../check.ts';
import type { RelayScript } from '../../script/claims.ts';

/** The limits of the specification, repeated here so that a wrong constant in `schemas` is found. */
const CIPHERTEXT_CHARS = 131_072;

const SENDER_CHARS = 64;

const EXT_CHARS = 1_024;

const TTL_MAX_MS = 31_622_400_000;

async function refused(
  t: RelayScript,
  rule: string,
  room: string,
  bodies: readonly Record<string, unknown>[],
  statuses: readonly number[] = [400],
): Promise<void> {
  for (const body of bodies) {
    const reply = await t.post(room, body);
    const [field, value] = Object.entries(body)[0] ?? ['', ''];
    t.require(
      rule,
      statuses.includes(reply.status),
      `${statuses.join(' or ')} to ${field} ${JSON.stringify(value)?.slice(0, 40)}`,
      reply,
    );
  }
}

export const MESSAGE_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'MSG-1/answer',
    title: 'a valid post is answered with id and seq',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      for (const body of [{}, { sender: undefined }, { ttl_ms: 0 }]) {
        const reply = await t.post(room, body);
        t.require(
          'MSG-1',
          reply.status === 200 && reply.json.get('ok').raw === true,
          '200 with ok: true',
          reply,
        );
        t.require('MSG-1', /^[A-Za-z0-9_-]{8,64}$/.test(reply.json.get('id').string), 'an id', reply);
        t.require('MSG-1', Number.isSafeInteger(reply.json.get('seq').raw), 'an integer seq', reply);
      }
    },
  },
  {
    id: 'MSG-2/verbatim',
    title: 'a message is delivered as it was posted',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const bytes = t.bytes(300);
      const bodies = [
        {
          ciphertext: bytes.toString('base64'),
          nonce: t.bytes(24).toString('base64'),
          sender: 'zoë "q" \\ 😀 <b>',
        },
        {
          ciphertext: bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_'),
          nonce: t.bytes(24).toString('base64url'),
          sender: ' spaced\u2028 ',
        },
        { ...t.sealed(), sender: '', reply_to: 'AZaz09_-AZaz09_-' },
      ];
      for (const body of bodies) {
        const { id, seq, reply } = await t.posted(room, body);
        const page = await t.transcript(room);
        const message = page.json.get('messages').items.find((item) => item.get('id').string === id);
        t.require(
          'MSG-2',
          message !== undefined && message.get('seq').number === seq,
          `the message ${id}`,
          reply,
          page,
        );
        for (const [field, value] of Object.entries(body)) {
          if (field === 'sender' && value === '') continue;
          t.require('MSG-2', message?.get(field).raw === value, `${field} as posted`, reply, page);
        }
      }
    },
  },
  {
    id: 'MSG-4/at-the-limit',
    title: 'ciphertexts of up to 131 072 characters are accepted',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const whole = await t.post(room, t.sealed(CIPHERTEXT_CHARS));
      t.require('MSG-4', whole.status === 200, `200 to ${CIPHERTEXT_CHARS} characters`, whole);
      const long = await t.post(room, t.sealed(CIPHERTEXT_CHARS + 4));
      t.require(
        'MSG-4',
        long.status === 400 || long.status === 413,
        `400 or 413 to ${CIPHERTEXT_CHARS + 4} characters`,
        long,
      );
    },
  },
  {
    id: 'MSG-5/base64',
    title: 'base64 is accepted in both alphabets, and only if padded and canonical',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      for (const body of [
        { ciphertext: '-_-_' },
        { ciphertext: '+/+/' },
        { ciphertext: 'AA==' },
        { nonce: t.bytes(24).toString('base64url') },
      ]) {
        const reply = await t.post(room, body);
        t.require('MSG-5', reply.status === 200, `200 to ${JSON.stringify(body)}`, reply);
      }
      const bad = [
        '',
        'A',
        'AAA',
        'AA=',
        'AB==',
        'AAB=',
        'AAAA=',
        'A===',
        'AA==AAAA',
        'AA A',
        'AAAA\n',
        'A+-A',
        '!!!!',
        'ÄÄÄÄ',
      ];
      await refused(
        t,
        'MSG-5',
        room,
        bad.map((ciphertext) => ({ ciphertext })),
      );
      const nonces = [t.bytes(23), t.bytes(25), t.bytes(0), t.bytes(32)].map((bytes) =>
        bytes.toString('base64'),
      );
      await refused(
        t,
        'MSG-5',
        room,
        [...nonces, 'A'.repeat(31), `${'A'.repeat(31)}=`].map((nonce) => ({ nonce })),
      );
    },
  },
  {
    id: 'MSG-6/sender',
    title: 'a sender has at most 64 characters',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const reply = await t.post(room, { sender: 's'.repeat(SENDER_CHARS) });
      t.require('MSG-6', reply.status === 200, '200 to 64 characters', reply);
      await refused(t, 'MSG-6', room, [
        { sender: 's'.repeat(SENDER_CHARS + 1) },
        { sender: 7 },
        { sender: ['a'] },
        { sender: {} },
      ]);
    },
  },
  {
    id: 'MSG-7/reply-to',
    title: 'reply_to has the form of an id',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const reply = await t.post(room, { reply_to: 'unknown-but-valid_1' });
      t.require('MSG-7', reply.status === 200, '200 to an id that nobody has', reply);
      await refused(t, 'MSG-7', room, [
        { reply_to: 'short' },
        { reply_to: 'r'.repeat(65) },
        { reply_to: 'no spaces' },
        { reply_to: 12_345_678 },
      ]);
    },
  },
  {
    id: 'MSG-8/ttl-range',
    title: 'ttl_ms is 0 or within its range',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const { ttl_min_ms: least } = t.target.timings;
      for (const ttl_ms of [0, least, TTL_MAX_MS]) {
        const { id, reply } = await t.posted(room, { ttl_ms });
        const page = await t.transcript(room);
        const message = page.json.get('messages').items.find((item) => item.get('id').string === id);
        const expected = ttl_ms === 0 ? undefined : ttl_ms;
        t.require(
          'MSG-8',
          reply.status === 200 && message?.get('ttl_ms').raw === expected,
          `ttl_ms ${ttl_ms} as posted`,
          reply,
          page,
        );
      }
      await refused(
        t,
        'MSG-8',
        room,
        [least - 1, TTL_MAX_MS + 1, -1, 1, least + 0.5, '60000', true].map((ttl_ms) => ({ ttl_ms })),
      );
    },
  },
  {
    id: 'MSG-9/expiry',
    title: 'a message is delivered until its ttl_ms has passed, and not after',
    lane: 'long',
    also: ['MSG-10', 'MSG-16'],
    run: async (t) => {
      const room = t.room();
      const ttl = t.target.timings.ttl_min_ms;
      const stream = await t.joined('sse', room);
      const kept = await t.posted(room);
      const sealed = t.sealed();
      const dying = await t.posted(room, { ...sealed, ttl_ms: ttl });
      const now = await t.transcript(room);
      const holds = (reply: typeof now, id: string) =>
        reply.json.get('messages').items.some((item) => item.get('id').string === id);
      if (now.record.t1 < dying.reply.record.t0 + ttl)
        t.require('READ-8', holds(now, dying.id), 'the message before it expires', now);
      await t.sleep(ttl + (t.hardened ? 30 : 5_100));
      const rule = t.hardened ? 'MSG-10' : 'MSG-9';
      const late = await t.joined('ws', room);
      for (const page of [await t.transcript(room), await t.wait(room)]) {
        t.require(rule, !holds(page, dying.id), 'nothing that has expired', dying.reply, page);
        t.require('MSG-9', !holds(page, dying.id), 'nothing that has expired', dying.reply, page);
        t.require('READ-8', holds(page, kept.id), 'what has not expired', page);
      }
      t.require(
        rule,
        !late.messages.some((message) => message.get('id').string === dying.id),
        'no replay of what has expired',
        late.at(late.of('message').find(({ json }) => json.get('id').string === dying.id)),
      );
      const status = await t.status(room);
      t.require(
        'ROOM-5',
        status.json.get('recent_count').number === 1,
        'recent_count without what has expired',
        status,
      );
      if (t.hardened) {
        const again = await t.post(room, { ...sealed, ttl_ms: ttl });
        t.require(
          'MSG-16',
          again.json.get('duplicate').raw === true && again.json.get('seq').number === dying.seq,
          'the nonce remembered after the message expired',
          again,
        );
      }
      stream.close();
    },
  },
  {
    id: 'MSG-17/rooms',
    title: 'the same nonce in another room is another message',
    lane: 'quick',
    run: async (t) => {
      const sealed = t.sealed();
      await t.posted(t.room(), sealed);
      for (const body of [sealed, { ...t.sealed(), nonce: sealed.nonce }]) {
        const room = t.room();
        const reply = await t.post(room, body);
        t.require(
          'MSG-17',
          reply.status === 200 && reply.json.get('duplicate').raw !== true,
          '200 without duplicate: true',
          reply,
        );
      }
    },
  },
  {
    id: 'MSG-18/ext',
    title: 'ext is relayed verbatim',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      for (const ext of ['a', t.bytes(EXT_CHARS).toString('base64url').slice(0, EXT_CHARS), '-_09AZaz']) {
        const { id, reply } = await t.posted(room, { ext });
        const page = await t.transcript(room);
        const message = page.json.get('messages').items.find((item) => item.get('id').string === id);
        t.require('MSG-18', message?.get('ext').raw === ext, 'ext as posted', reply, page);
      }
      await refused(
        t,
        'MSG-18',
        room,
        ['', 'x'.repeat(EXT_CHARS + 1), 'a+b', 'a b', 7, {}].map((ext) => ({ ext })),
      );
    },
  },
  {
    id: 'MSG-21/refused',
    title: 'a refused post has no effect',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const kept = await t.posted(room);
      const stream = await t.joined('sse', room);
      const bodies = [
        { ttl_ms: 1 },
        { reply_to: 'x' },
        { sender: 's'.repeat(65) },
        { signed_only: true },
        { sender_handle: 'nobody', sender_ts: 1, sender_nonce: 'n'.repeat(16), sender_sig: 'AAAA' },
      ];
      for (const body of bodies) {
        const reply = await t.post(room, body);
        t.require('MSG-21', reply.status >= 400, 'a refusal', reply);
      }
      const last = await t.posted(room);
      await stream.hasSeq(last.seq);
      const page = await t.transcript(room);
      const ids = page.json.get('messages').items.map((item) => item.get('id').string);
      t.require('MSG-21', ids.join() === [kept.id, last.id].join(), 'the two accepted messages', page);
    },
  },
  {
    id: 'MSG-22/unverified',
    title: 'an unsigned message is not verified',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      await t.posted(room, { sender: '@someone', sender_verified: true });
      const page = await t.transcript(room);
      t.require(
        'MSG-22',
        page.json.get('messages').items[0]?.get('sender_verified').raw === false,
        'sender_verified: false',
        page,
      );
    },
  },
];
