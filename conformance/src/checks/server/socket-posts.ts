/** Chapters 02, 04 and 06: a message in a WebSocket frame is accepted, refused and delivered like the same post. */
import type { Check } from '../check.ts';
import type { Frame } from '../../trace/frames.ts';
import type { RelayScript } from '../../script/claims.ts';
import type { Reply } from '../../script/reply.ts';
import type { Stream } from '../../script/stream.ts';
import type { Value } from '../../trace/value.ts';

type Body = Readonly<Record<string, unknown>>;

/** A message body, and the required result as a post and as a frame. */
interface Case {
  /** The rule that decides whether the body is accepted. */
  readonly rule: string;
  readonly what: string;
  readonly body: Body;
  /** Statuses of the refusal; null if it is accepted. */
  readonly refused: readonly number[] | null;
  /** `ciphertext` or `nonce` is invalid: at compat such a frame may be dropped without an answer (STREAM-15). */
  readonly malformed?: true;
}

const BAD_REQUEST = [400];

/** Bodies at each limit of chapter 02, and just beyond it. The numbers are copied from the chapter. */
function plainCases(t: RelayScript): Case[] {
  const least = t.target.timings.ttl_min_ms;
  const accepted = (rule: string, what: string, body: Body): Case => ({
    rule,
    what,
    body: { ...t.sealed(), ...body },
    refused: null,
  });
  const refused = (rule: string, what: string, body: Body, statuses = BAD_REQUEST): Case => ({
    rule,
    what,
    body: { ...t.sealed(), ...body },
    refused: statuses,
  });
  const malformed = (what: string, body: Body): Case => ({
    ...refused('MSG-5', what, body),
    malformed: true,
  });
  const cases = [
    accepted('MSG-6', '64 letters as sender', { sender: 's'.repeat(64) }),
    accepted('MSG-6', '64 characters of 2 bytes as sender', { sender: 'ü'.repeat(64) }),
    accepted('MSG-6', '64 characters of 3 bytes as sender', { sender: '語'.repeat(64) }),
    refused('MSG-6', '65 letters as sender', { sender: 's'.repeat(65) }),
    refused('MSG-6', '65 characters of 3 bytes as sender', { sender: '語'.repeat(65) }),
    refused('MSG-6', 'a number as sender', { sender: 7 }),
    accepted('MSG-4', 'a ciphertext of 131 072 characters', t.sealed(131_072)),
    refused('MSG-4', 'a ciphertext of 131 076 characters', t.sealed(131_076), [400, 413]),
    accepted('MSG-5', 'both texts in the URL alphabet', {
      ciphertext: '-_-_',
      nonce: t.bytes(24).toString('base64url'),
    }),
    malformed('a nonce of 23 bytes', { nonce: t.bytes(23).toString('base64') }),
    malformed('a nonce of 25 bytes', { nonce: t.bytes(25).toString('base64') }),
    malformed('a ciphertext without padding', { ciphertext: 'AAA' }),
    malformed('a ciphertext that is not canonical', { ciphertext: 'AB==' }),
    accepted('MSG-7', 'a reply_to of 8 characters', { reply_to: 'r'.repeat(8) }),
    accepted('MSG-7', 'a reply_to of 64 characters', { reply_to: 'r'.repeat(64) }),
    refused('MSG-7', 'a reply_to of 7 characters', { reply_to: 'r'.repeat(7) }),
    refused('MSG-7', 'a reply_to of 65 characters', { reply_to: 'r'.repeat(65) }),
    accepted('MSG-8', 'a ttl_ms of 0', { ttl_ms: 0 }),
    accepted('MSG-8', 'a ttl_ms of a minute and the least', { ttl_ms: least + 60_000 }),
    accepted('MSG-8', 'the greatest ttl_ms', { ttl_ms: 31_622_400_000 }),
    refused('MSG-8', 'one less than the least ttl_ms', { ttl_ms: least - 1 }),
    refused('MSG-8', 'one more than the greatest ttl_ms', { ttl_ms: 31_622_400_001 }),
    refused('MSG-8', 'half a millisecond in ttl_ms', { ttl_ms: least + 0.5 }),
    refused('SIGN-9', 'signed_only without a signature', { signed_only: true }),
    accepted('CORE-5', 'unknown fields', { x_unknown: { deep: [1] } }),
  ];
  if (!t.hardened) return cases;
  return [
    ...cases,
    accepted('MSG-18', 'an ext of 1 character', { ext: 'a' }),
    accepted('MSG-18', 'an ext of 1 024 characters', { ext: '_'.repeat(1_024) }),
    refused('MSG-18', 'an ext of 1 025 characters', { ext: '_'.repeat(1_025) }),
    refused('MSG-18', 'an empty ext', { ext: '' }),
    refused('MSG-18', 'an ext with a plus', { ext: 'a+b' }),
  ];
}

/** The frame that answers a frame with this nonce. */
function answerTo(frames: readonly Frame[], nonce: unknown): Frame | undefined {
  return frames.find(
    ({ type, json }) => (type === 'sent' || type === 'error') && json.get('nonce').raw === nonce,
  );
}

/** Whether a message was delivered with all posted fields. */
function carries(message: Value | undefined, body: Body): boolean {
  const fields = ['ciphertext', 'nonce', 'sender', 'reply_to', 'ttl_ms', 'ext'];
  return (
    message !== undefined &&
    fields.every((field) => {
      const given = field === 'ttl_ms' && body[field] === 0 ? undefined : body[field];
      return field === 'sender' && given === undefined ? true : message.get(field).raw === given;
    })
  );
}

const messageOf = (messages: readonly Value[], { nonce }: Body) =>
  messages.find((message) => message.get('nonce').raw === nonce);

const frameOf = (frames: readonly Frame[], { nonce }: Body) =>
  frames.find(({ type, json }) => type === 'message' && json.get('nonce').raw === nonce);

const isAmong = (frames: readonly Frame[], body: Body) => frameOf(frames, body) !== undefined;

/** Send a frame, and require the result of the same post. @returns whether that was the result. */
async function frame(t: RelayScript, socket: Stream, given: Case): Promise<boolean> {
  const { what, body, refused, malformed } = given;
  const before = socket.of('error').length;
  await socket.send(body);
  if (refused === null) {
    const came = await socket.until((frames) => isAmong(frames, body));
    const asGiven = came && carries(messageOf(socket.messages, body), body);
    const taken = t.require(
      'STREAM-14',
      asGiven,
      `the message of a frame with ${what}, as it was sent`,
      socket.at(frameOf(socket.frames, body)),
    );
    if (!taken || !t.hardened) return taken;
    await socket.until((frames) => answerTo(frames, body['nonce']) !== undefined);
    const answer = answerTo(socket.frames, body['nonce']);
    const message = messageOf(socket.messages, body);
    const same = ['seq', 'id'].every((field) => answer?.json.get(field).raw === message?.get(field).raw);
    const quiet =
      answer?.type === 'sent' && answer.json.get('duplicate').raw !== true && !answer.json.has('code');
    const want = `sent with id and seq, to a frame with ${what}`;
    return t.require('STREAM-16', same && quiet, want, socket.at(answer));
  }
  if (malformed === true && !t.hardened) return true;
  const came = await socket.until((frames) => frames.filter(({ type }) => type === 'error').length > before);
  const error = socket.of('error')[before];
  const code = error?.json.get('code').number ?? NaN;
  if (malformed !== true)
    t.require(
      'STREAM-15',
      came && refused.includes(code),
      `an error with code ${refused.join(' or ')} to ${what}`,
      socket.at(error),
    );
  if (t.hardened)
    t.require(
      'STREAM-17',
      came && error?.json.get('nonce').raw === body['nonce'],
      `an error with the nonce, to ${what}`,
      socket.at(error),
    );
  return came;
}

/** Post a body, and require the result that its rule demands. */
async function post(t: RelayScript, room: string, given: Case): Promise<Reply> {
  const { rule, what, body, refused } = given;
  const reply = await t.post(room, body);
  const ok = refused === null ? reply.status === 200 : refused.includes(reply.status);
  t.require(rule, ok, `${refused === null ? '200' : refused.join(' or ')} to ${what}`, reply);
  return reply;
}

export const SOCKET_POST_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'STREAM-14/as-posts',
    title: 'at each limit and beyond it, a frame is accepted or refused like the same post',
    lane: 'quick',
    also: [
      'STREAM-15',
      'STREAM-16',
      'STREAM-17',
      'CORE-5',
      'MSG-2',
      'MSG-4',
      'MSG-5',
      'MSG-6',
      'MSG-7',
      'MSG-8',
      'MSG-18',
      'MSG-21',
      'MSG-22',
      'SIGN-9',
      'READ-6',
    ],
    run: async (t) => {
      const [posted, framed] = [t.room(), t.room()];
      const cases = plainCases(t);
      await t.joined('sse', posted); // The open stream keeps the room alive, however slow the other steps are.
      const [socket, watcher] = [await t.joined('ws', framed), await t.joined('sse', framed)];
      for (const given of cases) await post(t, posted, given);
      // If the relay accepts no frames at all, do not test each body.
      for (const given of cases) if (!(await frame(t, socket, given))) return;
      const wanted = cases.filter(({ refused }) => refused === null);
      await watcher.until((frames) => wanted.every(({ body }) => isAmong(frames, body)));
      for (const room of [posted, framed]) {
        const page = await t.transcript(room, { limit: 500 });
        const messages = page.json.get('messages').items;
        t.require(
          'MSG-21',
          messages.length === wanted.length,
          `the ${wanted.length} accepted messages`,
          page,
        );
        for (const { what, body } of wanted) {
          const message = messageOf(messages, body);
          const rule = room === posted ? 'MSG-2' : 'STREAM-14';
          t.require(rule, carries(message, body), `${what} in the transcript`, page);
          t.require('MSG-22', message?.get('sender_verified').raw === false, 'sender_verified: false', page);
        }
      }
      for (const { what, body } of wanted)
        t.require(
          'STREAM-14',
          carries(messageOf(watcher.messages, body), body),
          `${what} on another stream`,
          watcher.at(frameOf(watcher.frames, body)),
        );
    },
  },
  {
    id: 'STREAM-16/nonces',
    title: 'posts and frames share remembered nonces',
    lane: 'quick',
    also: ['MSG-14', 'MSG-15', 'STREAM-17'],
    run: async (t) => {
      const room = t.room();
      const socket = await t.joined('ws', room);
      const duplicates = (frames: readonly Frame[]) =>
        frames.filter(({ json }) => json.get('duplicate').raw === true);
      const sealed = t.sealed();
      const first = await t.posted(room, sealed);
      for (const count of [1, 2]) {
        await socket.send({ ...sealed, sender: 'another' });
        await socket.until((frames) => duplicates(frames).length >= count);
        const again = duplicates(socket.frames)[count - 1];
        const same = again?.json.get('seq').raw === first.seq && again.json.get('id').raw === first.id;
        const want = `sent with duplicate: true and seq ${first.seq}`;
        t.require('STREAM-16', same, want, first.reply, socket.at(again));
        const reply = await t.post(room, { ...sealed, reply_to: 'AAAAAAAA' });
        const told = reply.json.get('duplicate').raw === true && reply.json.get('seq').raw === first.seq;
        t.require('MSG-14', told, `duplicate: true and seq ${first.seq}`, first.reply, reply);
      }
      const own = t.sealed();
      await socket.send(own);
      await socket.until((frames) => answerTo(frames, own.nonce) !== undefined);
      const answer = answerTo(socket.frames, own.nonce);
      const seq = answer?.json.get('seq').raw;
      const reply = await t.post(room, own);
      const told = reply.json.get('duplicate').raw === true && reply.json.get('seq').raw === seq;
      t.require(
        'MSG-14',
        told,
        'duplicate: true, and the seq that the frame was told',
        socket.at(answer),
        reply,
      );
      for (let i = 0; i < 2; i++) {
        const reused = await t.post(room, { ...t.sealed(), nonce: own.nonce });
        t.require(
          'MSG-15',
          reused.status === 409,
          '409 to a nonce that a frame used',
          socket.at(answer),
          reused,
        );
      }
      const page = await t.transcript(room);
      t.require('MSG-14', page.json.get('messages').items.length === 2, 'two messages', page);
    },
  },
  {
    id: 'STREAM-14/signed',
    title: 'signed frames are verified, delivered and refused like signed posts',
    lane: 'quick',
    also: ['STREAM-15', 'STREAM-17', 'SIGN-1', 'SIGN-2', 'SIGN-3', 'SIGN-5', 'SIGN-6', 'SIGN-7', 'SIGN-8'],
    run: async (t) => {
      if (!t.target.profiles.includes('identity')) return;
      const [room, who, other] = [t.room(), await t.agent(), await t.agent()];
      const [socket, watcher] = [await t.joined('ws', room), await t.joined('sse', room)];
      const extra = t.hardened ? { ext: 'e-1', reply_to: 'AAAAAAAA' } : { reply_to: 'AAAAAAAA' };
      const senderNonce = t.bytes(18).toString('base64url');
      const body = t.signedBody(room, who, { ...extra, sender: 'nobody' }, { senderNonce });
      const fields = Object.keys(body).filter((field) => t.hardened && field.startsWith('sender_'));
      const signed = async (sent: Body) => {
        // Signatures and timestamps cannot be recomputed: a replay uses the sent values from the trace.
        const given = await socket.send(sent);
        const came = await watcher.until((frames) => isAmong(frames, sent));
        if (!t.require('STREAM-14', came, 'the message of a signed frame', watcher)) return false;
        const page = await t.transcript(room);
        await socket.until((frames) => isAmong(frames, sent));
        for (const [messages, seen] of [
          [page.json.get('messages').items, page],
          [watcher.messages, watcher],
          [socket.messages, socket],
        ] as const) {
          const message = messageOf(messages, sent);
          const known = message?.get('sender').raw === `@${who.handle}`;
          const verified = known && message?.get('sender_verified').raw === true;
          t.require(
            'SIGN-1',
            verified,
            `sender @${who.handle} and sender_verified: true of a frame`,
            socket,
            seen,
          );
          for (const field of fields)
            t.require(
              'SIGN-5',
              message?.get(field).raw === given.get(field).raw,
              `${field} as sent in a frame`,
              socket,
              seen,
            );
        }
        return true;
      };
      if (!(await signed(body))) return;
      const refusals: [string, string, Body, number][] = [
        ['SIGN-3', 'a sender_nonce of another message', t.signedBody(room, who, {}, { senderNonce }), 401],
        [
          'SIGN-2',
          'a signature for another room',
          t.signedBody(room, who, {}, { signedRoom: t.room() }),
          401,
        ],
        ['SIGN-2', 'a signature of another key', t.signedBody(room, who, {}, { by: other }), 401],
        ['SIGN-2', 'a handle that nobody registered', t.signedBody(room, t.identity()), 401],
        ['SIGN-2', 'a ts of an hour ago', t.signedBody(room, who, {}, { ts: Date.now() - 3_600_000 }), 401],
      ];
      if (t.hardened)
        refusals.push([
          'SIGN-6',
          'another ext than was signed',
          t.signedBody(room, who, { ext: 'e-1' }, { after: { ext: 'e-2' } }),
          401,
        ]);
      const refuse = async ([rule, what, sent, status]: (typeof refusals)[number]) => {
        const before = socket.of('error').length;
        await socket.send(sent);
        await socket.until((frames) => frames.filter(({ type }) => type === 'error').length > before);
        const error = socket.of('error')[before];
        const [ok, want] = [
          error?.json.get('code').raw === status,
          `an error with code ${status} to ${what}`,
        ];
        const seen = socket.at(error);
        t.require(rule, ok, want, seen);
        t.require('STREAM-15', ok, want, seen);
        if (t.hardened)
          t.require(
            'STREAM-17',
            error?.json.get('nonce').raw === sent['nonce'],
            `its nonce, to ${what}`,
            seen,
          );
      };
      for (const refusal of refusals) await refuse(refusal);
      const lock = t.signedBody(room, who, { signed_only: true });
      if (t.hardened) fields.push('signed_only');
      await signed(lock);
      t.requireInTime('SIGN-7', await watcher.has('locked'), 'a locked frame', socket, watcher);
      const status = await t.status(room);
      t.require('SIGN-7', status.json.get('signed_only').raw === true, 'signed_only: true', status);
      for (let i = 0; i < 2; i++)
        await refuse(['SIGN-8', 'an unsigned frame in a locked room', t.sealed(), 403]);
      fields.length = 0;
      await signed(t.signedBody(room, who));
    },
  },
  {
    id: 'STREAM-14/at-the-limit',
    title: 'a frame of frame_bytes, or with the largest post, is accepted',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const socket = await t.joined('ws', room);
      const { body_bytes: ofPost, frame_bytes: ofFrame } = t.target.limits;
      const sealed = t.sealed();
      const most = Math.min(ofPost, ofFrame);
      const rest = most - JSON.stringify({ ...sealed, filler: '' }).length;
      await socket.send({ ...sealed, filler: 'x'.repeat(rest) });
      const came = await socket.until((frames) => isAmong(frames, sealed));
      t.require('STREAM-14', came, `the message of a frame of ${most} bytes`, socket);
    },
  },
];
