import type { Identity } from './identity.ts';
import { verify } from './ed25519.ts';
import { Bot2BotError } from './errors.ts';
import type { Signature } from './events.ts';
import { fetchIdentity, pin, type Pin, type Pins } from './pins.ts';
import { freshNonce, type Relay } from './relay.ts';
import { sha256 } from './sha256.ts';
import { messageText, messageText2, type MessageBinding } from './signing.gen.ts';
import type { Message, PostBody } from './wire.gen.ts';

/** What the relay told of a handle is not asked for again for this time. */
const ASK_AGAIN_MS = 10_000;
const MOST_ASKED = 1_000;
type NoKey = 'unknown-handle' | 'key-changed' | 'unchecked';

/** What of a post or a message the second signature binds. */
type Bound = Pick<PostBody, 'ciphertext' | 'nonce' | 'ttl_ms' | 'reply_to' | 'signed_only' | 'ext'>;

function bindingOf(
  body: Bound,
  by: Pick<MessageBinding, 'room' | 'handle' | 'signPub' | 'ts' | 'senderNonce'>,
): MessageBinding {
  return {
    ...by,
    ciphertextSha256: sha256(body.ciphertext),
    nonce: body.nonce,
    ttlMs: body.ttl_ms ?? 0,
    replyTo: body.reply_to,
    signedOnly: body.signed_only ?? false,
    extSha256: sha256(body.ext ?? ''),
  };
}

/** The fields that sign a post, in both forms. @param ts Unix ms, by the relay's clock. @see SIGN-1 SIGN-6 */
export async function signPost(
  identity: Identity,
  room: string,
  body: Bound,
  ts: number,
): Promise<Pick<PostBody, 'sender_handle' | 'sender_ts' | 'sender_nonce' | 'sender_sig' | 'sender_sig2'>> {
  const { handle, signPub } = identity;
  const senderNonce = freshNonce();
  const bound = bindingOf(body, { room, handle, signPub, ts, senderNonce });
  return {
    sender_handle: handle,
    sender_ts: ts,
    sender_nonce: senderNonce,
    sender_sig: await identity.sign(messageText(room, ts, senderNonce, bound.ciphertextSha256)),
    sender_sig2: await identity.sign(messageText2(bound)),
  };
}

/** What became of a message's signature. */
export interface Verdict {
  readonly signature: Signature;
  readonly signedBy: string | null;
}

/** Checks the signatures of one room's messages under the keys that are kept. @see SIGN-10 SIGN-11 ID-9 */
export class Verifier {
  readonly #relay: Relay;
  readonly #room: string;
  readonly #pins: Pins;
  /** What the relay told lately. */
  readonly #asked = new Map<string, { until: number; told: Pin | NoKey }>();

  constructor(relay: Relay, room: string, pins: Pins) {
    this.#relay = relay;
    this.#room = room;
    this.#pins = pins;
  }

  async check(message: Message, signal: AbortSignal): Promise<Verdict> {
    const { sender_handle, sender_ts, sender_nonce, sender_sig } = message;
    const claimed = sender_handle ?? (message.sender.startsWith('@') ? message.sender.slice(1) : '');
    if (
      sender_handle === undefined ||
      sender_ts === undefined ||
      sender_nonce === undefined ||
      sender_sig === undefined
    ) {
      const used = this.#pins.get(claimed)?.sig2 === true;
      return { signature: used ? 'downgraded' : 'none', signedBy: null };
    }
    const by = { room: this.#room, handle: sender_handle, ts: sender_ts, senderNonce: sender_nonce };
    const kept = this.#pins.get(sender_handle) ?? (await this.#key(sender_handle, signal));
    if (typeof kept === 'string') return { signature: kept, signedBy: null };
    const bound = bindingOf(message, { ...by, signPub: kept.signPub });
    const first = messageText(by.room, by.ts, by.senderNonce, bound.ciphertextSha256);
    const { sender_sig2 } = message;
    const good =
      (await verify(kept.signPub, first, sender_sig)) &&
      (sender_sig2 === undefined || (await verify(kept.signPub, messageText2(bound), sender_sig2)));
    if (!good) {
      const told = await this.#key(sender_handle, signal);
      return { signature: told === 'key-changed' ? told : 'invalid', signedBy: null };
    }
    if (sender_sig2 === undefined && kept.sig2) return { signature: 'downgraded', signedBy: null };
    if (sender_sig2 !== undefined && !kept.sig2) this.#pins.set(sender_handle, { ...kept, sig2: true });
    return { signature: 'verified', signedBy: sender_handle };
  }

  /** Ask the relay for a handle's key. @returns why there is none, else. */
  async #key(handle: string, signal: AbortSignal): Promise<Pin | NoKey> {
    const known = this.#asked.get(handle);
    if (known !== undefined && performance.now() < known.until) return known.told;
    let told: Pin | NoKey;
    try {
      told = pin(this.#pins, await fetchIdentity(this.#relay, handle, signal));
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof Bot2BotError)) throw error;
      const { code } = error;
      told = code === 'unknown-handle' || code === 'key-changed' ? code : 'unchecked';
    }
    if (this.#asked.size >= MOST_ASKED) this.#asked.clear();
    this.#asked.set(handle, { until: performance.now() + ASK_AGAIN_MS, told });
    return told;
  }
}
