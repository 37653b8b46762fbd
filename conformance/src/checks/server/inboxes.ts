/** Chapter 06: limits and pages of inboxes. */
import type { Check } from '../check.ts';
import type { RelayScript } from '../../script/claims.ts';
import {
  idsOf,
  inbox,
  INBOX_MESSAGES,
  INBOX_PAGE,
  letter,
  removeLetter,
  sendLetter,
  sentLetter,
  signedLetter,
  wholeInbox,
} from '../../script/letters.ts';

import type { Identity } from '../../script/keys.ts';

const INBOX_UNSIGNED = 32;
/** Number of senders that fill an inbox: a relay may limit the share of each. */
const FRIENDS = 7;

export const INBOX_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'DM-2/pages',
    title: 'an inbox returns pages of 50 messages, with has_more',
    lane: 'quick',
    also: ['DM-10'],
    run: async (t) => {
      const [owner, friend] = [await t.registered(), await t.registered()];
      const ids: string[] = [];
      for (let i = 0; i < INBOX_PAGE + 3; i++)
        ids.push((await sentLetter(t, owner, signedLetter(owner, friend, letter(t)))).get('id').string);
      const first = await inbox(t, owner);
      t.require('DM-2', idsOf(first) === ids.slice(0, INBOX_PAGE).join(), 'the first 50', first);
      if (t.hardened) t.require('DM-10', first.json.get('has_more').raw === true, 'has_more: true', first);
      const after = first.json.get('messages').items[INBOX_PAGE - 1]?.get('seq').number;
      const rest = await inbox(t, owner, { after });
      t.require('DM-2', idsOf(rest) === ids.slice(INBOX_PAGE).join(), 'the three after them', rest);
      if (t.hardened) t.require('DM-10', rest.json.get('has_more').raw === false, 'has_more: false', rest);
    },
  },
  {
    id: 'DM-7/full',
    title: 'an inbox accepts 256 messages, 32 of them unsigned, and keeps them',
    lane: 'quick',
    run: async (t) => {
      const owner = await t.registered();
      const friends: Identity[] = [];
      for (let i = 0; i < FRIENDS; i++) friends.push(await t.registered());
      const taken: string[] = [];
      const fill = async (
        count: number,
        body: (i: number) => Readonly<Record<string, unknown>>,
        what: string,
      ) => {
        for (let i = 0; i < count; i++) {
          const reply = await sendLetter(t, owner, body(i));
          taken.push(reply.json.get('id').string);
          if (!t.require('DM-7', reply.status === 200, `200 to ${what} ${i + 1}`, reply)) return;
        }
        const further = await sendLetter(t, owner, body(count));
        t.require('DM-7', further.status === 429, `429 to one more after ${what} ${count}`, further);
      };
      await fill(INBOX_UNSIGNED, () => letter(t), 'unsigned message');
      const ofFriend = (i: number) => signedLetter(owner, friends[i % FRIENDS] ?? owner, letter(t));
      await fill(INBOX_MESSAGES - INBOX_UNSIGNED, ofFriend, 'signed message');
      const { ids, pages } = await wholeInbox(t, owner);
      t.require('DM-7', ids.join() === taken.join(), 'every message that was taken, and no other', ...pages);
      await removeLetter(t, owner, taken[0] ?? '');
      const next = await sendLetter(t, owner, letter(t));
      t.require('DM-7', next.status === 200, '200 once there is room again', next);
    },
  },
];
