import { dm, type DmSent } from '../agents/dm.ts';
import { handleOf } from '../agents/identity.ts';
import { Inbox, type DirectMessage, type UnopenedDm } from '../agents/inbox.ts';
import { openPins } from '../node/pin-file.ts';
import { TIMINGS } from '../wire/wire.gen.ts';
import { withRegistration, besideIdentity, requiredIdentity } from './own-identity.ts';
import { allow, numberOf, operandsOf, UsageError, type Flag, type Subcommands, type Args } from './args.ts';
import { openContacts } from './contacts.ts';
import { baseOf, roomUrlOf } from './room-source.ts';
import { textOf } from './stdin.ts';
import { jsonLine, snakeCase, write } from './terminal.ts';

const FLAGS: readonly Flag[] = ['handle', 'identity-file', 'base'];
const LOOK_MS = 1_000;
const ID = /^[A-Za-z0-9_-]{1,64}$/;

/** The identity at the relay, with its inbox, its pinned keys and its contacts. */
async function open(args: Args, signal: AbortSignal) {
  const base = baseOf(args);
  const identity = await requiredIdentity(args, base, signal);
  const pins = openPins(besideIdentity(args, 'pins'), base);
  const contacts = openContacts(besideIdentity(args, 'contacts'), base);
  const inbox = new Inbox({ base, identity, pins, contacts });
  const as = <T>(once: () => Promise<T>) => withRegistration(identity, base, signal, once);
  return { base, identity, pins, contacts, inbox, as };
}
type Opened = Awaited<ReturnType<typeof open>>;

/** Read the inbox until it is empty. @param waitMs how long to wait for the first message. */
async function read(
  { inbox, as }: Opened,
  { waitMs, signal }: { waitMs: number; signal: AbortSignal },
  take: (message: DirectMessage | UnopenedDm) => Promise<void>,
): Promise<void> {
  for (let timeoutMs = waitMs; ; timeoutMs = LOOK_MS) {
    const messages = await as(() => inbox.poll({ timeoutMs, signal }));
    if (messages.length === 0) return;
    for (const message of messages) await take(message);
  }
}

function lineOf(message: DirectMessage | UnopenedDm): string {
  if (message.type === 'unopened') return jsonLine(message);
  const { seq, id, ts, from, signedBy, content } = message;
  return jsonLine({ seq, id, ts, from, signed_by: signedBy, ...snakeCase(content) });
}

const printSent = (sent: DmSent) => write(jsonLine({ ok: true, ...sent }));

async function send(args: Args, signal: AbortSignal): Promise<void> {
  allow(args, 'dm send', FLAGS);
  const [to = '', word = ''] = operandsOf(args, 'dm send', ['HANDLE', 'TEXT']);
  const { base, identity, pins, as } = await open(args, signal);
  const text = await textOf(word, signal);
  await printSent(await as(() => dm(base, identity, to, text, { pins, signal })));
}

async function inbox(args: Args, signal: AbortSignal): Promise<void> {
  allow(args, 'dm inbox', [...FLAGS, 'after', 'wait']);
  operandsOf(args, 'dm inbox', []);
  const after = numberOf(args, 'after', { min: 0, max: Number.MAX_SAFE_INTEGER, whole: true }) ?? 0;
  const max = TIMINGS.wait_max_ms / 1000;
  const seconds = numberOf(args, 'wait', { min: 1, max, whole: true }) ?? LOOK_MS / 1000;
  const opened = await open(args, signal);
  opened.inbox.after = after;
  await read(opened, { waitMs: seconds * 1000, signal }, (message) => write(lineOf(message)));
}

async function remove(args: Args, signal: AbortSignal): Promise<void> {
  allow(args, 'dm delete', FLAGS);
  const [id = ''] = operandsOf(args, 'dm delete', ['ID']);
  if (!ID.test(id)) throw new UsageError('dm delete takes the id of a message');
  const { inbox: at, as } = await open(args, signal);
  await write(jsonLine({ ok: true, removed: await as(() => at.delete({ id }, { signal })) }));
}

async function intro(args: Args, signal: AbortSignal): Promise<void> {
  allow(args, 'dm intro', FLAGS);
  const [to = '', word = ''] = operandsOf(args, 'dm intro', ['HANDLE', 'TEXT']);
  const { inbox: at, as } = await open(args, signal);
  const text = await textOf(word, signal);
  await printSent(await as(() => at.introduce(to, { text }, { signal })));
}

/** Read the inbox for introductions and acceptances; `Inbox` stores them in the contacts. */
const look = (opened: Opened, signal: AbortSignal) =>
  read(opened, { waitMs: LOOK_MS, signal }, () => Promise.resolve());

async function accept(args: Args, signal: AbortSignal): Promise<void> {
  allow(args, 'dm accept', FLAGS);
  const [to = ''] = operandsOf(args, 'dm accept', ['HANDLE']);
  const opened = await open(args, signal);
  if (opened.contacts.get(handleOf(to))?.asked !== true) await look(opened, signal);
  await printSent(await opened.as(() => opened.inbox.acceptIntro(to, { signal })));
}

async function invite(args: Args, signal: AbortSignal): Promise<void> {
  allow(args, 'dm invite', [...FLAGS, 'room-file']);
  const [to = '', room] = operandsOf(args, 'dm invite', ['HANDLE', 'ROOM?']);
  const url = roomUrlOf(args, room);
  const opened = await open(args, signal);
  if (opened.contacts.get(handleOf(to))?.accepted !== true) await look(opened, signal);
  await printSent(await opened.as(() => opened.inbox.inviteToRoom(to, url, { signal })));
}

/** `dm …`: direct messages. */
export const DM: Subcommands = { send, inbox, delete: remove, intro, accept, invite };
