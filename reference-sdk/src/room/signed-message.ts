import type { Identity } from '../agents/identity.ts';
import { verify } from '../crypto/ed25519.ts';
import type { Signature } from './events.ts';
import type { Keyring } from '../agents/pins.ts';
import { freshNonce } from '../wire/relay.ts';
import { sha256 } from '../crypto/sha256.ts';
import { messageText, messageText2, type MessageBinding } from '../wire/signing.gen.ts';
import type { Message, PostBody } from '../wire/wire.gen.ts';

/** The fields that `sender_sig2` covers. */
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

/** Make the signature fields of a post, with both signatures. @param ts Unix ms, by the relay's clock. @see SIGN-1 SIGN-6 */
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

/** Result of verifying a message's signature. */
export interface Verdict {
  readonly signature: Signature;
  readonly signedBy: string | null;
}

/** Verify the signatures of a room's message. @see SIGN-10 SIGN-11 */
export async function checkMessage(
  keys: Keyring,
  room: string,
  message: Message,
  signal: AbortSignal,
): Promise<Verdict> {
  const {
    sender,
    sender_handle: handle,
    sender_ts: ts,
    sender_nonce: senderNonce,
    sender_sig: sig,
  } = message;
  if (handle === undefined || ts === undefined || senderNonce === undefined || sig === undefined) {
    const claimed = handle ?? (sender.startsWith('@') ? sender.slice(1) : '');
    return { signature: keys.hasUsedSig2(claimed) ? 'downgraded' : 'none', signedBy: null };
  }
  const { sender_sig2: sig2 } = message;
  const holds = async (signPub: string) => {
    const bound = bindingOf(message, { room, handle, signPub, ts, senderNonce });
    const first = messageText(room, ts, senderNonce, bound.ciphertextSha256);
    return (
      (await verify(signPub, first, sig)) &&
      (sig2 === undefined || (await verify(signPub, messageText2(bound), sig2)))
    );
  };
  const kept = await keys.checkSignature(handle, holds, signal);
  if (typeof kept === 'string') return { signature: kept, signedBy: null };
  if (sig2 === undefined && kept.sig2) return { signature: 'downgraded', signedBy: null };
  if (sig2 !== undefined) keys.noteSig2(handle, kept);
  return { signature: 'verified', signedBy: handle };
}
