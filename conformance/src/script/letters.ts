/** Direct messages and inboxes, for checks. */
import { dmSealedText, dmText } from '@bot2bot/schemas';
import type { RelayScript } from './claims.ts';
import { sha256, type Identity } from './keys.ts';
import type { Reply } from './reply.ts';
import type { CallOptions, Query } from './rooms.ts';
import { Interrupted } from './steps.ts';
import type { Value } from '../trace/value.ts';

/** Maximum number of messages in an inbox, and in a page. @see DM-7 DM-10 */
export const INBOX_MESSAGES = 256;
export const INBOX_PAGE = 50;

export type Letter = Readonly<Record<'ciphertext' | 'nonce' | 'sender_eph_pub', string>>;

export function letter(t: RelayScript): Letter {
  return { ...t.sealed(), sender_eph_pub: t.bytes(32).toString('base64') };
}

/**
 * A direct message to `to`, signed by `from`.
 * @param broken replaces parts of the signature's input, or the signer; `bound` replaces the input of the hash.
 */
export function signedLetter(
  to: Identity,
  from: Identity,
  sealed: Letter,
  broken: { to?: Identity; by?: Identity; ts?: number; bound?: string } = {},
): Letter & Record<string, unknown> {
  const { ts = Date.now(), by = from } = broken;
  const bound = broken.bound ?? dmSealedText(sealed.ciphertext, sealed.nonce, sealed.sender_eph_pub);
  const from_sig = by.sign(dmText((broken.to ?? to).handle, from.handle, ts, sha256(bound)));
  return { ...sealed, from_handle: from.handle, from_ts: ts, from_sig };
}

export function sendLetter(
  t: RelayScript,
  to: Identity,
  body: Readonly<Record<string, unknown>>,
  options: CallOptions = {},
): Promise<Reply> {
  return t.write('sendDm', [to.handle], body, options);
}

/** Send a direct message; if it is refused the check cannot continue. */
export async function sentLetter(
  t: RelayScript,
  to: Identity,
  body: Readonly<Record<string, unknown>>,
): Promise<Value> {
  const reply = await sendLetter(t, to, body);
  t.require('DM-1', reply.status === 200, '200 to a valid message', reply);
  if (reply.status !== 200) throw new Interrupted('a direct message that the check needs was not accepted');
  return reply.json;
}

/** Read an inbox. @param query `timeout` in seconds, default 1. */
export function inbox(t: RelayScript, owner: Identity, query: Query = {}): Promise<Reply> {
  return t.signedRequest('waitForDms', owner.handle, owner, { query: { timeout: 1, ...query } });
}

export function removeLetter(t: RelayScript, owner: Identity, id: string): Promise<Reply> {
  return t.signedRequest('deleteDm', [owner.handle, id], owner);
}

export function idsOf(reply: Reply): string {
  return reply.json
    .get('messages')
    .items.map((item) => item.get('id').string)
    .join();
}

/** All messages in an inbox, read page by page. */
export async function wholeInbox(
  t: RelayScript,
  owner: Identity,
): Promise<{ ids: string[]; pages: Reply[] }> {
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
