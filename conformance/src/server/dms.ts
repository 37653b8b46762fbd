/** Chapter 06: direct messages. */
import { dmSealedText, dmText } from '@bot2bot/schemas';
import type { Check } from '../check.ts';
import { sha256, type Identity } from '../identity.ts';
import type { CallOptions, Query, Reply, Script, Value } from '../script.ts';
import { Interrupted } from '../steps.ts';

const INBOX_MESSAGES = 256;
const INBOX_UNSIGNED = 32;
const INBOX_PAGE = 50;
const CLOCK_TOLERANCE_MS = 60_000;

type Letter = Readonly<Record<'ciphertext' | 'nonce' | 'sender_eph_pub', string>>;

function letter(t: Script): Letter {
  return { ...t.sealed(), sender_eph_pub: t.bytes(32).toString('base64') };
}

/**
 * A letter that `from` signed for `to`.
 * @param broken what is signed, or who signs, in place of the truth.
 */
function signed(
  to: Identity,
  from: Identity,
  sealed: Letter,
  broken: { to?: Identity; by?: Identity; ts?: number; sealed?: Letter } = {},
): Letter & Record<string, unknown> {
  const { ts = Date.now(), by = from } = broken;
  const { ciphertext, nonce, sender_eph_pub } = broken.sealed ?? sealed;
  const hash = sha256(dmSealedText(ciphertext, nonce, sender_eph_pub));
  const from_sig = by.sign(dmText((broken.to ?? to).handle, from.handle, ts, hash));
  return { ...sealed, from_handle: from.handle, from_ts: ts, from_sig };
}

function send(
  t: Script,
  to: Identity,
  body: Readonly<Record<string, unknown>>,
  options: CallOptions = {},
): Promise<Reply> {
  return t.write('sendDm', [to.handle], body, options);
}

/** Send a letter that the check depends on. */
async function sent(t: Script, to: Identity, body: Readonly<Record<string, unknown>>): Promise<Value> {
  const reply = await send(t, to, body);
  t.require('DM-1', reply.status === 200, '200 to a valid message', reply);
  if (reply.status !== 200) throw new Interrupted('a direct message that the check needs was not accepted');
  return reply.json;
}

/** @param query `timeout` in seconds; 1 when absent. */
function inbox(t: Script, owner: Identity, query: Query = {}): Promise<Reply> {
  return t.signedRequest('waitForDms', owner.handle, owner, { query: { timeout: 1, ...query } });
}

function remove(t: Script, owner: Identity, id: string): Promise<Reply> {
  return t.signedRequest('deleteDm', [owner.handle, id], owner);
}

function idsOf(reply: Reply): string {
  return reply.json
    .get('messages')
    .items.map((item) => item.get('id').string)
    .join();
}

/** Everything in an inbox, page after page. */
async function whole(t: Script, owner: Identity): Promise<{ ids: string[]; pages: Reply[] }> {
  const ids: string[] = [];
  const pages: Reply[] = [];
  for (let after = 0, more = true; more && pages.length < 2 * (INBOX_MESSAGES / INBOX_PAGE);) {
    const page = await inbox(t, owner, { after });
    const { items } = page.json.get('messages');
    ids.push(...items.map((item) => item.get('id').string));
    pages.push(page);
    after = items.at(-1)?.get('seq').number ?? NaN;
    more = items.length === INBOX_PAGE;
  }
  return { ids, pages };
}

export const DM_CHECKS: readonly Check[] = [
  {
    id: 'DM-1/answer',
    title: 'a message for a registered handle is taken, one for another is not',
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
      const none = await send(t, t.identity(), letter(t));
      t.require('DM-1', none.status === 404, '404 for a handle that is not registered', none);
    },
  },
  {
    id: 'DM-2/verbatim',
    title: 'an inbox is read at once, in order, as it was sent',
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
        answers.push(await sent(t, owner, index === 1 ? signed(owner, friend, body) : body));
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
    },
  },
];
