/** Chapter 06: direct messages. */
import type { Check } from '../check.ts';
import {
  idsOf,
  inbox,
  letter,
  removeLetter,
  sendLetter,
  sentLetter,
  signedLetter,
  type Letter,
} from '../../script/letters.ts';

import type { RelayScript } from '../../script/claims.ts';
import type { Reply } from '../../script/reply.ts';
import type { Value } from '../../trace/value.ts';

const CLOCK_TOLERANCE_MS = 60_000;

export const DM_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'DM-1/answer',
    title: 'a message for a registered handle is accepted, one for an unregistered handle is refused',
    lane: 'quick',
    run: async (t) => {
      const owner = await t.registered();
      for (const handle of [owner.handle, `@${owner.handle}`, owner.handle.toUpperCase()]) {
        const reply = await t.write('sendDm', [handle], letter(t));
        const { json } = reply;
        const ok = reply.status === 200 && json.get('ok').raw === true;
        const shape = handle === owner.handle ? 'the handle' : handle.startsWith('@') ? '@' : 'upper case';
        t.require('DM-1', ok, `200 with ok: true to ${shape} in the path`, reply);
        t.require(
          'DM-1',
          json.get('id').string !== '' && Number.isSafeInteger(json.get('seq').raw),
          'an id and an integer seq',
          reply,
        );
      }
      const none = await sendLetter(t, t.identity(), letter(t));
      t.require('DM-1', none.status === 404, '404 for a handle that is not registered', none);
    },
  },
  {
    id: 'DM-2/verbatim',
    title: 'an inbox returns its messages at once, in order, and unchanged',
    lane: 'quick',
    also: ['DM-3'],
    run: async (t) => {
      const [owner, friend] = [await t.registered(), await t.registered()];
      const url = (bytes: Buffer) => bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
      const letters: Letter[] = [
        letter(t),
        { ciphertext: '-_-_', nonce: url(t.bytes(24)), sender_eph_pub: url(t.bytes(32)) },
        { ciphertext: '+/+/', nonce: letter(t).nonce, sender_eph_pub: letter(t).sender_eph_pub },
      ];
      const answers: Value[] = [];
      for (const [index, body] of letters.entries())
        answers.push(await sentLetter(t, owner, index === 1 ? signedLetter(owner, friend, body) : body));
      const page = await inbox(t, owner, { timeout: 5 });
      t.requireInTime('DM-2', page.ms < 2_000, 'an answer at once', page);
      const { items } = page.json.get('messages');
      t.require(
        'DM-2',
        page.status === 200 && items.length === letters.length,
        '200 with the three messages',
        page,
      );
      for (const [index, body] of letters.entries()) {
        const [item, answer] = [items[index], answers[index]];
        t.require(
          'DM-2',
          item?.get('id').raw === answer?.get('id').raw && item?.get('seq').raw === answer?.get('seq').raw,
          `message ${index + 1} in its place, with its id and seq`,
          page,
        );
        for (const [field, value] of Object.entries(body))
          t.require('DM-2', item?.get(field).raw === value, `${field} as sent`, page);
        t.require('DM-2', Number.isSafeInteger(item?.get('ts').raw), 'an integer ts', page);
      }
      const seqs = items.map((item) => item.get('seq').number);
      t.require(
        'DM-2',
        seqs.every((seq, i) => i === 0 || seq > (seqs[i - 1] ?? NaN)),
        'rising seqs',
        page,
      );
      t.require('DM-2', page.json.get('last_seq').number === seqs.at(-1), 'last_seq of the newest', page);
      const rest = await inbox(t, owner, { after: seqs[0] });
      t.require('DM-2', idsOf(rest) === idsOf(page).split(',').slice(1).join(), 'what is above after', rest);
      const newest = (await sentLetter(t, owner, letter(t))).get('seq').number;
      const grown = await inbox(t, owner);
      t.require('DM-2', grown.json.get('last_seq').number === newest, 'last_seq of what came since', grown);
    },
  },
  {
    id: 'DM-2/parks',
    title: 'a wait for an empty inbox parks until a message arrives',
    lane: 'quick',
    run: async (t) => {
      const owner = await t.registered();
      const before = (await sentLetter(t, owner, letter(t))).get('seq').number;
      const [posted, ...replies] = await t.all<Reply>(
        async (branch) => {
          await branch.sleep(600);
          return sendLetter(branch, owner, letter(branch));
        },
        (branch) => inbox(branch, owner, { after: before, timeout: 5 }),
        (branch) => inbox(branch, owner, { after: before, timeout: 5 }),
      );
      if (posted === undefined) return;
      t.require('DM-1', posted.status === 200, '200 to a valid message', posted);
      for (const reply of replies) {
        t.require('DM-2', idsOf(reply) === posted.json.get('id').string, 'the message that came', reply);
        t.require('DM-2', reply.record.t1 >= posted.record.t0, 'no answer before there is one', reply);
        t.requireInTime('DM-2', reply.record.t1 - posted.record.t1 < 2_000, 'an answer within 2 s', reply);
      }
    },
  },
  {
    id: 'DM-2/timeout',
    title: 'a wait without a message ends at its timeout',
    lane: 'quick',
    run: async (t) => {
      const [owner, fresh] = [await t.registered(), await t.registered()];
      const after = (await sentLetter(t, owner, letter(t))).get('seq').number;
      const replies = await t.all(
        (branch) => inbox(branch, owner, { after, timeout: 2 }),
        (branch) => inbox(branch, fresh, { timeout: 2 }),
      );
      for (const reply of replies) {
        t.require('DM-2', reply.status === 200 && idsOf(reply) === '', 'no messages', reply);
        t.require('DM-2', Number.isSafeInteger(reply.json.get('last_seq').raw), 'a last_seq', reply);
        t.require('DM-2', reply.ms >= 1_980, 'no answer before 2 s', reply);
        t.requireInTime('DM-2', reply.ms <= 7_000, 'an answer by 7 s', reply);
      }
    },
  },
  {
    id: 'DM-3/sender',
    title: 'a message reports whether and by whom it was signed',
    lane: 'quick',
    run: async (t) => {
      const [owner, friend] = [await t.registered(), await t.registered()];
      await sentLetter(t, owner, letter(t));
      await sentLetter(t, owner, signedLetter(owner, friend, letter(t)));
      await sentLetter(t, owner, { ...letter(t), from_verified: true });
      const page = await inbox(t, owner);
      const expected = [null, friend.handle, null];
      t.require('DM-3', page.json.get('messages').items.length === 3, 'the three messages', page);
      for (const [index, item] of page.json.get('messages').items.entries()) {
        const from = expected[index] ?? null;
        t.require(
          'DM-3',
          item.get('from_handle').raw === from && item.get('from_verified').raw === (from !== null),
          from === null
            ? 'from_handle: null, from_verified: false'
            : `from_handle ${from}, from_verified: true`,
          page,
        );
      }
    },
  },
  {
    id: 'DM-2/clock',
    title: 'a message has the time of its arrival',
    lane: 'quick',
    run: async (t) => {
      const owner = await t.registered();
      const ends: number[] = [];
      for (let i = 0; i < 2; i++) {
        const reply = await sendLetter(t, owner, letter(t));
        t.require('DM-1', reply.status === 200, '200 to a valid message', reply);
        ends.push(reply.record.t0, reply.record.t1);
        await t.sleep(300);
      }
      const page = await inbox(t, owner);
      const [first, second] = page.json.get('messages').items.map((item) => item.get('ts').number);
      const apart = (second ?? NaN) - (first ?? NaN);
      const [a = 0, b = 0, c = 0, d = 0] = ends;
      t.require(
        'DM-2',
        apart >= c - b - 50 && apart <= d - a + 50,
        'two times as far apart as the requests',
        page,
      );
      const health = await t.get('health');
      const age = health.json.get('ts').number - (second ?? NaN);
      t.require(
        'DM-2',
        age >= health.record.t0 - d - 50 && age <= health.record.t1 - c + 50,
        "times of the relay's clock",
        page,
        health,
      );
    },
  },
  {
    id: 'DM-4/refused',
    title: 'a message with an invalid signature is not delivered',
    lane: 'quick',
    run: async (t) => {
      const [owner, friend, other] = [await t.registered(), await t.registered(), await t.registered()];
      const far = CLOCK_TOLERANCE_MS + 10_000;
      const sealed = letter(t);
      const good = () => signedLetter(owner, friend, letter(t));
      const bad: readonly (readonly [string, readonly number[], Record<string, unknown>])[] = [
        ['a sender that is not registered', [400], signedLetter(owner, t.identity(), letter(t))],
        ['a from_ts too old', [400], signedLetter(owner, friend, letter(t), { ts: Date.now() - far })],
        ['a from_ts too new', [400], signedLetter(owner, friend, letter(t), { ts: Date.now() + far })],
        ['no from_ts', [400, 401], { ...good(), from_ts: undefined }],
        ['another key', [401], signedLetter(owner, friend, letter(t), { by: other })],
        ['a signature for another recipient', [401], signedLetter(owner, friend, letter(t), { to: other })],
        ['another ciphertext', [401], { ...good(), ciphertext: letter(t).ciphertext }],
        ['another nonce', [401], { ...good(), nonce: letter(t).nonce }],
        ['another sender_eph_pub', [401], { ...good(), sender_eph_pub: letter(t).sender_eph_pub }],
        ['another from_ts', [401], { ...good(), from_ts: Date.now() - 5_000 }],
        ['another from_handle', [401], { ...good(), from_handle: other.handle }],
        ['a signature of nothing', [401], { ...good(), from_sig: Buffer.alloc(64).toString('base64') }],
        [
          'a hash of the ciphertext alone',
          [401],
          signedLetter(owner, friend, sealed, { bound: sealed.ciphertext }),
        ],
      ];
      for (const [what, statuses, body] of bad) {
        const reply = await sendLetter(t, owner, body);
        t.require('DM-4', statuses.includes(reply.status), `${statuses.join(' or ')} to ${what}`, reply);
      }
      // Deployed relays accept it as an unsigned message.
      const bare = await sendLetter(t, owner, { ...good(), from_sig: undefined });
      const statuses = [200, 400, 401];
      t.require('DM-4', statuses.includes(bare.status), `${statuses.join(' or ')} to no from_sig`, bare);
      const id = (await sentLetter(t, owner, letter(t))).get('id').string;
      const page = await inbox(t, owner);
      const expected = bare.status === 200 ? `${bare.json.get('id').string},${id}` : id;
      t.require('DM-4', idsOf(page) === expected, 'none of them in the inbox', page);
      const isUnsigned = page.json
        .get('messages')
        .items.every(
          (item) => item.get('from_handle').raw === null && item.get('from_verified').raw === false,
        );
      t.require('DM-4', isUnsigned, 'no sender told without its signature', page);
    },
  },
  {
    id: 'DM-4/replay',
    title: 'a signed message is accepted once',
    lane: 'quick',
    run: async (t) => {
      const [owner, friend] = [await t.registered(), await t.registered()];
      const body = signedLetter(owner, friend, letter(t));
      const id = (await sentLetter(t, owner, body)).get('id').string;
      const again = [
        await sendLetter(t, owner, body),
        await t.write('sendDm', [`@${owner.handle.toUpperCase()}`], body),
        await sendLetter(t, owner, { ...body, x: 1 }),
      ];
      for (const reply of again) t.require('DM-4', reply.status === 401, '401 to the same message', reply);
      const page = await inbox(t, owner);
      t.require('DM-4', idsOf(page) === id, 'the message once', page);
      await removeLetter(t, owner, id);
      const late = await sendLetter(t, owner, body);
      t.require('DM-4', late.status === 401, '401 to it after it was deleted', late);
      const empty = await inbox(t, owner);
      t.require('DM-4', empty.status === 200 && idsOf(empty) === '', 'an empty inbox', empty);
    },
  },
  {
    id: 'DM-5/delete',
    title: 'a deleted message is gone',
    lane: 'quick',
    run: async (t) => {
      const owner = await t.registered();
      const [first, second] = [await sentLetter(t, owner, letter(t)), await sentLetter(t, owner, letter(t))];
      const id = first.get('id').string;
      for (const removed of [true, false]) {
        const reply = await removeLetter(t, owner, id);
        t.require(
          'DM-5',
          reply.status === 200 &&
            reply.json.get('ok').raw === true &&
            reply.json.get('removed').raw === removed,
          `200 with ok: true and removed: ${removed}`,
          reply,
        );
      }
      for (const query of [{}, { after: first.get('seq').number - 1 }]) {
        const page = await inbox(t, owner, query);
        t.require('DM-5', idsOf(page) === second.get('id').string, 'the other message alone', page);
      }
      const none = await removeLetter(t, await t.registered(), second.get('id').string);
      t.require('DM-5', none.json.get('removed').raw === false, 'removed: false to what another has', none);
    },
  },
  {
    id: 'DM-6/owner',
    title: 'only its handle can read an inbox',
    lane: 'quick',
    run: async (t) => {
      const [owner, other] = [await t.registered(), await t.registered()];
      const id = (await sentLetter(t, owner, letter(t))).get('id').string;
      const { handle } = owner;
      const swapped = (text: string) => text.replace(handle, other.handle);
      const replies = [
        await t.write('waitForDms', [handle], undefined, { query: { timeout: 1 } }),
        await t.signedRequest('waitForDms', handle, owner, { query: { timeout: 1 }, by: other }),
        await t.signedRequest('waitForDms', handle, owner, { query: { timeout: 1 }, text: swapped }),
        await t.write('deleteDm', [handle, id], undefined),
        await t.signedRequest('deleteDm', [handle, id], owner, { by: other }),
        await t.signedRequest('deleteDm', [handle, id], owner, { text: swapped }),
        await t.signedRequest('deleteDm', [handle, id], owner, {
          text: (text) => text.replace('DELETE', 'GET'),
        }),
      ];
      for (const reply of replies) {
        const told = reply.record.resBody.includes(id);
        t.require('DM-6', reply.status === 401 && !told, '401 and nothing of the inbox', reply);
      }
      // A signed request for an inbox must not reach into that of another handle.
      await removeLetter(t, other, id);
      const page = await inbox(t, owner);
      t.require('DM-6', page.status === 200 && idsOf(page) === id, 'the message for its owner', page);
    },
  },
  {
    id: 'DM-8/fields',
    title: 'a message without one of its three required fields is refused',
    lane: 'quick',
    run: async (t) => {
      const owner = await t.registered();
      const base64 = (count: number) => t.bytes(count).toString('base64');
      const wrong: readonly Record<string, unknown>[] = [
        ...[undefined, '', 'AAA', 'AB==', '!!!!', 'A+-A', 7].map((ciphertext) => ({ ciphertext })),
        ...[undefined, '', base64(23), base64(25), 'A'.repeat(31), 7].map((nonce) => ({ nonce })),
        ...[undefined, '', base64(31), base64(33), 'A'.repeat(43), `${'A'.repeat(42)}B=`, {}].map(
          (sender_eph_pub) => ({ sender_eph_pub }),
        ),
      ];
      for (const body of wrong) {
        const reply = await sendLetter(t, owner, { ...letter(t), ...body });
        const [field, value] = Object.entries(body)[0] ?? ['', ''];
        const shown = JSON.stringify(value) ?? 'that is missing';
        t.require('DM-8', reply.status === 400, `400 to a ${field} ${shown.slice(0, 50)}`, reply);
      }
      const id = (await sentLetter(t, owner, letter(t))).get('id').string;
      const page = await inbox(t, owner);
      t.require('DM-8', idsOf(page) === id, 'none of them in the inbox', page);
    },
  },
];
