/** Chapter 06: signed messages and signed-only rooms. */
import type { Check } from '../check.ts';
import { alteredSignatureField } from '../../trace/message.ts';
import { Value } from '../../trace/value.ts';
import type { Reply } from '../../script/reply.ts';
import type { RelayScript } from '../../script/claims.ts';
import { CLEARLY_MS } from '../../script/signing.ts';

async function refused(
  t: RelayScript,
  rule: string,
  what: string,
  reply: Reply,
  status = 401,
): Promise<void> {
  t.require(rule, reply.status === status, `${status} to ${what}`, reply);
}

/** The messages in a room, by id. */
async function idsIn(t: RelayScript, room: string): Promise<{ ids: string[]; page: Reply }> {
  const page = await t.transcript(room);
  return { ids: page.json.get('messages').items.map((item) => item.get('id').string), page };
}

export const SIGNATURE_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'SIGN-1/verified',
    title: 'a signed message is delivered under its handle, whatever its sender label',
    lane: 'quick',
    run: async (t) => {
      const [room, who] = [t.room(), await t.agent()];
      for (const body of [{}, { sender: 'somebody else' }, { sender: '@admin' }]) {
        const reply = await t.signedPost(room, who, body);
        t.require('SIGN-1', reply.status === 200, '200 to a signed post', reply);
        const page = await t.transcript(room);
        const message = page.json.get('messages').items.at(-1);
        const ok =
          message?.get('sender').raw === `@${who.handle}` && message.get('sender_verified').raw === true;
        t.require('SIGN-1', ok, `sender @${who.handle} and sender_verified: true`, reply, page);
      }
      const first = await t.signedPost(room, who, {}, { form2: false });
      t.require('SIGN-1', first.status === 200, '200 to the first form alone', first);
      const within = Math.max(0, t.target.timings.clock_tolerance_ms - CLEARLY_MS);
      for (const options of [
        { ts: Date.now() - within },
        { ts: Date.now() + within },
        { senderNonce: `${t.bytes(6).toString('base64url')}A+/=_-09` },
        { senderNonce: t.bytes(48).toString('base64url') },
      ]) {
        const reply = await t.signedPost(room, who, {}, options);
        t.require('SIGN-1', reply.status === 200, `200 to ${JSON.stringify(options)}`, reply);
      }
    },
  },
  {
    id: 'SIGN-1/alphabets',
    title: 'keys and signatures are accepted in both base64 alphabets',
    lane: 'quick',
    run: async (t) => {
      const url = (text: unknown) => String(text).replaceAll('+', '-').replaceAll('/', '_');
      const room = t.room();
      let who = t.identity();
      while (url(who.signPub) === who.signPub) who = t.identity();
      // The key is registered in one alphabet; the text of the second signature contains it in the other.
      await t.registered({ ...who, signPub: url(who.signPub) });
      const body = t.signedBody(room, who);
      const signatures = Object.entries(body).filter(([field]) => field.startsWith('sender_sig'));
      const reply = await t.post(room, {
        ...body,
        ...Object.fromEntries(signatures.map(([field, sig]) => [field, url(sig)])),
      });
      t.require('SIGN-1', reply.status === 200, '200 to signatures in the URL alphabet', reply);
    },
  },
  {
    id: 'SIGN-2/socket',
    title: 'messages on a WebSocket are verified like posts',
    lane: 'quick',
    also: ['SIGN-1', 'SIGN-7'],
    run: async (t) => {
      const [room, who, other] = [t.room(), await t.agent(), await t.agent()];
      const [socket, reader] = [await t.joined('ws', room), await t.joined('sse', room)];
      await socket.send(t.signedBody(room, who, {}, { by: other }));
      const refusal = await socket.has('error');
      const [error] = socket.of('error');
      const code = error?.json.get('code').raw;
      t.require('SIGN-2', refusal && code === 401, 'an error frame with code 401', socket.at(error));
      const { nonce } = t.sealed();
      await socket.send(t.signedBody(room, who, { nonce, signed_only: true }));
      await reader.has('message');
      const [message] = reader.messages;
      const mine = message?.get('nonce').raw === nonce && message.get('sender').raw === `@${who.handle}`;
      t.require('SIGN-1', mine, `the signed message alone, of @${who.handle}`, socket, reader);
      t.requireInTime('SIGN-7', await reader.has('locked'), 'a locked frame', socket, reader);
    },
  },
  {
    id: 'SIGN-2/wrong',
    title: 'messages with an invalid signature are refused',
    lane: 'quick',
    run: async (t) => {
      const [room, who, other] = [t.room(), await t.agent(), await t.agent()];
      await t.joined('sse', room); // The open stream keeps the room alive, however slow the other steps are.
      const kept = await t.posted(room);
      const { clock_tolerance_ms: tolerance } = t.target.timings;
      const beyond = tolerance + CLEARLY_MS;
      // With and without the second signature: the first must be verified in both cases.
      const post = async (
        what: string,
        ...[at, by, body, options]: Parameters<RelayScript['signedPost']>
      ) => {
        for (const form2 of t.hardened ? [false, true] : [false])
          await refused(t, 'SIGN-2', what, await t.signedPost(at, by, body, { ...options, form2 }));
      };
      await post('a handle that is not registered', room, t.identity());
      await post('a signature of another key', room, who, {}, { by: other });
      await post('a signature for another room', room, who, {}, { signedRoom: t.room() });
      await post('a ts of the past', room, who, {}, { ts: Date.now() - beyond });
      await post('a ts of the future', room, who, {}, { ts: Date.now() + beyond });
      const { ciphertext } = t.sealed();
      await post('a signature of another ciphertext', room, who, {}, { after: { ciphertext } });
      await post('a signature of another ts', room, who, {}, { after: { sender_ts: Date.now() + 1_000 } });
      const sender_nonce = t.bytes(18).toString('base64url');
      await post('a signature of another sender_nonce', room, who, {}, { after: { sender_nonce } });
      await post('a signature of another handle', room, who, {}, { after: { sender_handle: other.handle } });
      for (const field of ['sender_ts', 'sender_nonce', 'sender_sig'])
        await post(`no ${field}`, room, who, {}, { after: { [field]: undefined } });
      for (const after of [
        { sender_ts: 'now' },
        { sender_nonce: 'short' },
        { sender_nonce: 'n'.repeat(65) },
        { sender_sig: 'AAAA' },
        { sender_sig: 7 },
      ])
        await post(`a malformed ${Object.keys(after).join()}`, room, who, {}, { after });
      const { ids, page } = await idsIn(t, room);
      t.require('SIGN-2', ids.join() === kept.id, 'nothing of what was refused', page);
    },
  },
  {
    id: 'SIGN-3/nonce',
    title: 'a sender_nonce is accepted once',
    lane: 'quick',
    also: ['SIGN-1'],
    run: async (t) => {
      const [room, who] = [t.room(), await t.agent()];
      await t.joined('sse', room);
      const senderNonce = t.bytes(18).toString('base64url');
      const first = await t.signedPost(room, who, {}, { senderNonce });
      t.require('SIGN-1', first.status === 200, '200 to the first', first);
      await refused(
        t,
        'SIGN-3',
        'another message with it',
        await t.signedPost(room, who, {}, { senderNonce }),
      );
      const elsewhere = await t.signedPost(t.room(), who, {}, { senderNonce });
      await refused(t, 'SIGN-3', 'a message with it in another room', elsewhere);
      const other = await t.signedPost(room, await t.agent(), {}, { senderNonce });
      t.require('SIGN-1', other.status === 200, '200 to the sender_nonce of another handle', other);
      const { ids, page } = await idsIn(t, room);
      t.require('SIGN-3', ids.length === 2, 'one message of each', page);
    },
  },
  {
    id: 'SIGN-4/retry',
    title: 'a signed post that is repeated byte for byte is recognised',
    lane: 'quick',
    run: async (t) => {
      const [room, who] = [t.room(), await t.agent()];
      const body = JSON.stringify(t.signedBody(room, who));
      const first = await t.send('postMessage', room, body);
      const socket = await t.joined('ws', room);
      const again = await t.send('postMessage', room, body);
      const same = (['id', 'seq'] as const).every(
        (field) => again.json.get(field).raw === first.json.get(field).raw,
      );
      const marked = again.json.get('duplicate').raw === true;
      const want = 'the first answer with duplicate: true';
      t.require('SIGN-4', again.status === 200 && same && marked, want, first, again);
      await socket.send(body);
      await socket.until((frames) => frames.some(({ type }) => type === 'sent' || type === 'error'));
      const [sent] = socket.of('sent');
      const seq = first.json.get('seq').raw;
      t.require(
        'SIGN-4',
        sent?.json.get('seq').raw === seq && sent?.json.get('duplicate').raw === true,
        want,
        socket.at(sent),
      );
      const { ids, page } = await idsIn(t, room);
      t.require('SIGN-4', ids.length === 1, 'one message', page);
    },
  },
  {
    id: 'SIGN-5/travels',
    title: 'the signature is delivered with the message, on every transport',
    lane: 'quick',
    run: async (t) => {
      const [room, who, other] = [t.room(), await t.agent(), await t.agent()];
      const live = [await t.joined('sse', room), await t.joined('ws', room)];
      const { ext, reply_to } = { ext: t.bytes(12).toString('base64url'), reply_to: 'AZaz09_-AZaz09_-' };
      const ttl_ms = t.target.timings.ttl_max_ms;
      const bodies = [
        t.sealed(),
        t.signedBody(room, who),
        t.signedBody(room, who, { ext, reply_to, ttl_ms }),
        t.signedBody(room, who, {}, { form2: false }),
        t.signedBody(room, other, { signed_only: true }, { ts: Date.now() - 1_000 }),
        t.signedBody(room, who),
      ];
      const posts: Reply[] = [];
      for (const body of bodies) posts.push(await t.post(room, { ...body, sender: undefined }));
      for (const stream of live)
        await stream.until((frames) => frames.filter(isMessage).length >= bodies.length);
      const replayed = [await t.joined('sse', room), await t.joined('ws', room)];
      const reads = [await t.transcript(room), await t.wait(room)];
      const seen = [
        ...[...live, ...replayed].map((stream) => ({
          from: (i: number) => stream.at(stream.of('message')[i]),
          messages: stream.messages,
        })),
        ...reads.map((reply) => ({ from: () => reply, messages: reply.json.get('messages').items })),
      ];
      for (const { from, messages } of seen) {
        for (const [i, { record }] of posts.entries()) {
          const body = Value.parse(record.reqBody ?? '');
          const wrong = alteredSignatureField(body, messages[i] ?? new Value(undefined));
          t.require('SIGN-5', wrong === undefined, `${wrong ?? ''} as posted, in message ${i + 1}`, from(i));
        }
      }
    },
  },
  {
    id: 'SIGN-6/binds',
    title: 'the second signature covers all fields that the sender chose',
    lane: 'quick',
    run: async (t) => {
      const [room, who, other] = [t.room(), await t.agent(), await t.agent()];
      const { ttl_max_ms: ttl, ttl_min_ms: least } = t.target.timings;
      const chosen = { ttl_ms: ttl, reply_to: 'AAAAAAAA', ext: 'abc' };
      const good = await t.signedPost(room, who, chosen);
      t.require('SIGN-1', good.status === 200, '200 to a message that binds everything', good);
      for (const after of [
        { ttl_ms: least },
        { ttl_ms: undefined },
        { reply_to: 'BBBBBBBB' },
        { reply_to: undefined },
        { ext: 'abd' },
        { ext: undefined },
        { signed_only: true },
        { nonce: t.sealed().nonce },
      ]) {
        const reply = await t.signedPost(room, who, chosen, { after });
        await refused(t, 'SIGN-6', `a ${Object.keys(after).join()} that was not signed`, reply);
      }
      for (const after of [
        { ttl_ms: ttl },
        { reply_to: 'AAAAAAAA' },
        { ext: 'abc' },
        { sender_sig2: 'AAAA' },
      ]) {
        const reply = await t.signedPost(room, who, {}, { after });
        await refused(t, 'SIGN-6', `a ${Object.keys(after).join()} that was added`, reply);
      }
      const mine = t.signedBody(room, who);
      const theirs = t.signedBody(room, other, mine);
      const swapped = await t.post(room, { ...mine, sender_sig2: theirs['sender_sig2'] });
      await refused(t, 'SIGN-6', 'the sender_sig2 of another', swapped);
      const elsewhere = t.signedBody(t.room(), who, mine);
      const moved = await t.post(room, { ...mine, sender_sig2: elsewhere['sender_sig2'] });
      await refused(t, 'SIGN-6', 'the sender_sig2 for another room', moved);
    },
  },
  {
    id: 'SIGN-7/lock',
    title: 'a signed message locks its room',
    lane: 'quick',
    also: ['SIGN-8'],
    run: async (t) => {
      const [room, who] = [t.room(), await t.agent()];
      await t.posted(room);
      const streams = [await t.joined('sse', room), await t.joined('ws', room)];
      const before = await t.status(room);
      t.require('SIGN-7', before.json.get('signed_only').raw === false, 'signed_only: false before', before);
      const lock = await t.signedPost(room, who, { signed_only: true });
      t.require('SIGN-7', lock.status === 200, '200 to a signed message with signed_only', lock);
      const status = await t.status(room);
      const locked = status.json.get('signed_only').raw === true;
      if (!t.require('SIGN-7', locked, 'signed_only: true', lock, status)) return;
      for (const stream of streams)
        if (!t.requireInTime('SIGN-7', await stream.has('locked'), 'a locked frame', lock, stream)) return;
      for (let i = 0; i < 2; i++) {
        const open = await t.post(room);
        if (!t.require('SIGN-8', open.status === 403, '403 to an unsigned post', open)) return;
        const signed = await t.signedPost(room, who);
        t.require('SIGN-8', signed.status === 200, '200 to a signed post', signed);
      }
      const [, socket] = streams;
      await socket?.send({ sender: 'suite', ...t.sealed() });
      await socket?.until((frames) => frames.some(({ type }) => type === 'error'));
      const code = socket?.of('error')[0]?.json.get('code').raw;
      if (socket !== undefined) t.require('SIGN-8', code === 403, 'an error frame with code 403', socket);
      const { ids, page } = await idsIn(t, room);
      t.require('SIGN-8', ids.length === 4, 'the four messages that were accepted', page);
      const other = await t.post(t.room());
      t.require('SIGN-8', other.status === 200, '200 in another room', other);
    },
  },
  {
    id: 'SIGN-8/outlives',
    title: 'a room stays locked after the locking message has expired',
    lane: 'long',
    run: async (t) => {
      const [room, who] = [t.room(), await t.agent()];
      await t.joined('sse', room);
      const { ttl_min_ms: ttl_ms } = t.target.timings;
      const lock = await t.signedPost(room, who, { signed_only: true, ttl_ms });
      t.require('SIGN-7', lock.status === 200, '200 to a signed message with signed_only', lock);
      await t.sleep(ttl_ms + 1_000);
      await refused(t, 'SIGN-8', 'an unsigned post', await t.post(room), 403);
    },
  },
  {
    id: 'SIGN-9/unsigned-lock',
    title: 'an unsigned message does not lock a room',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      await t.joined('sse', room);
      await t.posted(room);
      await refused(
        t,
        'SIGN-9',
        'an unsigned post with signed_only',
        await t.post(room, { signed_only: true }),
        400,
      );
      const status = await t.status(room);
      t.require('SIGN-9', status.json.get('signed_only').raw === false, 'signed_only: false', status);
      const after = await t.post(room);
      t.require('SIGN-9', after.status === 200, '200 to an unsigned post', after);
    },
  },
];

function isMessage({ type }: { readonly type: string }): boolean {
  return type === 'message';
}
