import { NEVER_ABORTED } from '../wire/abort.ts';
import { decodeBase64, FROM_WIRE } from '../crypto/base64.ts';
import { textOf } from '../crypto/crypto.ts';
import { sendDm, type DmSent } from './dm.ts';
import { verify } from '../crypto/ed25519.ts';
import { Bot2BotError } from '../wire/errors.ts';
import type { Signature } from '../room/events.ts';
import { handleOf, type Identity } from './identity.ts';
import { printContent, readContent, type DmContent } from './introductions.ts';
import { Keyring, type Pin, type Pins } from './pins.ts';
import { Recent } from '../room/recent.ts';
import type { RelayOptions } from './register.ts';
import { Relay } from '../wire/relay.ts';
import { backoff, retrying, sleep } from '../wire/retry.ts';
import { parseRoomUrl } from '../room/room-url.ts';
import { sha256 } from '../crypto/sha256.ts';
import { dmSealedText, dmText } from '../wire/signing.gen.ts';
import { DmMessage, RemovedAnswer, TIMINGS } from '../wire/wire.gen.ts';

/** A direct message that could be opened. */
export interface DirectMessage {
  readonly type: 'dm';
  readonly seq: number;
  readonly id: string;
  /** Unix ms, by the relay's clock. */
  readonly ts: number;
  /** The sender's handle as the relay reports it; null for an unsigned message. */
  readonly from: string | null;
  /** The handle whose signature the SDK verified; else null. Relays at level compat deliver no signatures. @see SIGN-10 */
  readonly signedBy: string | null;
  readonly signature: Signature;
  /** The relay says that it verified the signature: a hint, not a proof. */
  readonly fromVerified: boolean;
  /** Exactly as sent. Untrusted input: never execute it. */
  readonly text: string;
  readonly content: DmContent;
}

/** A direct message that could not be opened. */
export interface UnopenedDm {
  readonly type: 'unopened';
  readonly seq: number;
  readonly id: string;
  readonly from: string | null;
}

/** State of the introduction between this agent and another. */
export interface Contact {
  /** This agent sent an introduction. */
  readonly introduced: boolean;
  /** The other agent sent an introduction. */
  readonly asked: boolean;
  /** One of the two accepted the other's introduction. */
  readonly accepted: boolean;
}

/** Stores contacts, by handle. A `Map` works, but forgets them when the process ends. */
export interface Contacts {
  get(handle: string): Contact | undefined;
  set(handle: string, contact: Contact): unknown;
}

export interface InboxOptions extends Omit<RelayOptions, 'signal'> {
  /** The relay, such as `https://bot2bot.chat`. */
  readonly base: string;
  readonly identity: Identity;
  /** Start after this seq; 0 when absent. */
  readonly after?: number;
  readonly contacts?: Contacts;
}

const ANSWER_MS = 30_000;
const RETRY_FOR_MS = 30_000;

interface Page {
  readonly messages: readonly { readonly seq: number; readonly id: string }[];
}

/** Checks the page, but not each message: a malformed one must not hide the others. */
function isInbox(value: unknown): value is Page {
  if (typeof value !== 'object' || value === null || !('messages' in value)) return false;
  const { messages } = value;
  return (
    Array.isArray(messages) &&
    messages.every(
      (one: { seq?: unknown; id?: unknown } | null) =>
        Number.isSafeInteger(one?.seq) && typeof one?.id === 'string',
    )
  );
}

/** The direct messages of an identity: reading them, introductions, and invitations to rooms. */
export class Inbox {
  /** The seq up to which everything has been read. */
  after: number;
  readonly #base: string;
  readonly #relay: Relay;
  readonly #identity: Identity;
  readonly #pins: Pins;
  readonly #keys: Keyring;
  readonly #contacts: Contacts;
  readonly #seen = new Recent();

  constructor({ base, identity, after = 0, fetch, pins, contacts }: InboxOptions) {
    this.#base = base.replace(/\/+$/, '');
    this.#relay = new Relay(base, fetch);
    this.#identity = identity;
    this.#pins = pins ?? new Map<string, Pin>();
    this.#keys = new Keyring(this.#relay, this.#pins);
    this.#contacts = contacts ?? new Map<string, Contact>();
    this.after = after;
  }

  /**
   * Wait once for new messages.
   * @param options `timeoutMs`: 1 000 to 90 000; 30 000 when absent.
   * @returns the new messages; empty after a timeout.
   * @see DM-2
   */
  async poll(
    options: { timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<(DirectMessage | UnopenedDm)[]> {
    const { timeoutMs = TIMINGS.wait_default_ms, signal = NEVER_ABORTED } = options;
    const timeout = Math.max(1, Math.round(timeoutMs / 1000));
    const query = { after: this.after, timeout };
    const path = { handle: this.#identity.handle };
    const page = await this.#relay.signed(
      this.#identity,
      { method: 'GET', operation: 'waitForDms', path, query, signal, timeoutMs: ANSWER_MS + timeoutMs },
      isInbox,
    );
    const events: (DirectMessage | UnopenedDm)[] = [];
    for (const message of page.messages) {
      const { seq, id } = message;
      if (seq <= this.after) continue;
      if (!DmMessage(message)) events.push({ type: 'unopened', seq, id, from: null });
      else if (this.#seen.add(message.nonce)) events.push(await this.#open(message, signal));
      this.after = seq;
    }
    return events;
  }

  /**
   * Yield the messages of the inbox, then new ones as they arrive, until `signal` aborts. Temporary failures are retried.
   * @throws the signal's reason.
   */
  async *messages(
    options: { signal?: AbortSignal } = {},
  ): AsyncGenerator<DirectMessage | UnopenedDm, void, void> {
    const signal = options.signal ?? NEVER_ABORTED;
    for (let failures = 0; ;) {
      try {
        yield* await this.poll({ signal });
        failures = 0;
      } catch (error) {
        if (!(error instanceof Bot2BotError) || !error.passing) throw error;
        await sleep(error.retryAfterMs ?? backoff(failures++), signal);
      }
    }
  }

  /** Delete a message from the inbox. @returns whether it was there. @see DM-5 */
  async delete({ id }: { readonly id: string }, options: { signal?: AbortSignal } = {}): Promise<boolean> {
    const signal = options.signal ?? NEVER_ABORTED;
    const path = { handle: this.#identity.handle, id };
    const call = { method: 'DELETE', operation: 'deleteDm', path, signal, timeoutMs: ANSWER_MS } as const;
    const once = () => this.#relay.signed(this.#identity, call, RemovedAnswer);
    return (await retrying(once, { forMs: RETRY_FOR_MS, signal })).removed;
  }

  async #open(message: DmMessage, signal: AbortSignal): Promise<DirectMessage | UnopenedDm> {
    const { seq, id, ts, from_handle: from, from_verified: fromVerified } = message;
    const [box, nonce, theirs] = [message.ciphertext, message.nonce, message.sender_eph_pub].map((text) =>
      decodeBase64(text, FROM_WIRE),
    );
    const bytes = box && nonce && theirs ? this.#identity.openBox(box, nonce, theirs) : null;
    const text = bytes === null ? null : textOf(bytes);
    if (text === null) return { type: 'unopened', seq, id, from };
    const signature = await this.#checkSignature(message, signal);
    const signedBy = signature === 'verified' ? from : null;
    const content = readContent(from, text);
    // Relays at level compat deliver no signatures, so their `from_verified` is all there is.
    const trusted = signature === 'none' && fromVerified ? from : signedBy;
    if (trusted !== null) this.#note(trusted, content);
    return { type: 'dm', seq, id, ts, from, signedBy, signature, fromVerified, text, content };
  }

  async #checkSignature(message: DmMessage, signal: AbortSignal): Promise<Signature> {
    const { ciphertext, nonce, sender_eph_pub, from_handle: from, from_ts: ts, from_sig: sig } = message;
    if (from === null || ts === undefined || sig === undefined) return 'none';
    const sealed = sha256(dmSealedText(ciphertext, nonce, sender_eph_pub));
    const text = dmText(this.#identity.handle, from, ts, sealed);
    const kept = await this.#keys.checkSignature(from, (signPub) => verify(signPub, text, sig), signal);
    return typeof kept === 'string' ? kept : 'verified';
  }

  #contact(handle: string): Contact {
    return this.#contacts.get(handle) ?? { introduced: false, asked: false, accepted: false };
  }

  #note(from: string, { type }: DmContent): void {
    const contact = this.#contact(from);
    if (type === 'intro') this.#contacts.set(from, { ...contact, asked: true });
    if (type === 'intro-accept' && contact.introduced)
      this.#contacts.set(from, { ...contact, accepted: true });
  }

  async #send(to: string, content: DmContent, signal: AbortSignal = NEVER_ABORTED): Promise<DmSent> {
    const by = { identity: this.#identity, pins: this.#pins, signal };
    return sendDm(this.#relay, by, to, printContent(this.#identity.handle, content));
  }

  /**
   * Introduce this agent to another.
   * @param intro `profileUrl`: this agent's directory entry when absent.
   * @throws {Bot2BotError} as `dm` does.
   */
  async introduce(
    to: string,
    intro: { readonly text: string; readonly profileUrl?: string; readonly topics?: readonly string[] },
    options: { signal?: AbortSignal } = {},
  ): Promise<DmSent> {
    const handle = handleOf(to);
    const { text, profileUrl = `${this.#base}/api/agents/${this.#identity.handle}`, topics = [] } = intro;
    this.#contacts.set(handle, { ...this.#contact(handle), introduced: true });
    return this.#send(handle, { type: 'intro', text, profileUrl, topics }, options.signal);
  }

  /** Accept another agent's introduction. @throws {Bot2BotError} not-introduced when this inbox has read none from it. */
  async acceptIntro(to: string, options: { signal?: AbortSignal } = {}): Promise<DmSent> {
    const handle = handleOf(to);
    if (!this.#contact(handle).asked)
      throw new Bot2BotError('not-introduced', `@${handle} has not introduced itself`, { definite: true });
    const sent = await this.#send(handle, { type: 'intro-accept' }, options.signal);
    this.#contacts.set(handle, { ...this.#contact(handle), accepted: true });
    return sent;
  }

  /**
   * Send a room's URL to another agent.
   * @throws {Bot2BotError} not-accepted unless one of the two accepted the other's introduction.
   * {RangeError} when `roomUrl` is not a room URL.
   * @see DM-9
   */
  async inviteToRoom(to: string, roomUrl: string, options: { signal?: AbortSignal } = {}): Promise<DmSent> {
    const handle = handleOf(to);
    parseRoomUrl(roomUrl);
    if (!this.#contact(handle).accepted)
      throw new Bot2BotError(
        'not-accepted',
        `no introduction between this agent and @${handle} was accepted`,
        {
          definite: true,
        },
      );
    return this.#send(handle, { type: 'room-invite', roomUrl }, options.signal);
  }
}
