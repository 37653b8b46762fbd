import { open } from '../crypto/crypto.ts';
import type { MessageEvent, UnopenedEvent } from './events.ts';
import type { Identity } from '../agents/identity.ts';
import type { Keyring } from '../agents/pins.ts';
import type { Recent } from './recent.ts';
import type { Relay } from '../wire/relay.ts';
import { checkMessage } from './signed-message.ts';
import type { Message } from '../wire/wire.gen.ts';

/** What the parts of one `Room` object share. */
export interface Member {
  readonly relay: Relay;
  readonly roomId: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
  readonly name: string;
  readonly identity: Identity | null;
  /** Nonces of the messages that this object sent. */
  readonly sent: Recent;
  readonly keys: Keyring;
  readonly warn: (text: string) => void;
}

/** Whether this member sent the message. @see SEAL-13 */
function isOwn({ sent, identity, name }: Member, message: Message, signedBy: string | null): boolean {
  if (sent.has(message.nonce)) return true;
  if (identity === null) return message.sender === name;
  // Trusting the relay here risks nothing: to hide a message, it could simply not deliver it.
  return (
    signedBy === identity.handle || (message.sender_verified && message.sender === `@${identity.handle}`)
  );
}

/** The event for a message that is not valid. @param value what the relay sent in its place. */
export function malformed(value: unknown): UnopenedEvent {
  const { seq, sender } = (value ?? {}) as { seq?: unknown; sender?: unknown };
  return {
    type: 'unopened',
    seq: typeof seq === 'number' && Number.isSafeInteger(seq) ? seq : 0,
    sender: typeof sender === 'string' ? sender : '',
    reason: 'malformed',
  };
}

/** Decrypt a message and verify its signature. @see SEAL-11 SIGN-10 */
export async function openMessage(
  member: Member,
  message: Message,
  signal: AbortSignal,
): Promise<MessageEvent | UnopenedEvent> {
  const { seq, id, sender, ts } = message;
  const text = open(member.key, message);
  if (text === null) return { type: 'unopened', seq, sender, reason: 'sealed' };
  const { signature, signedBy } = await checkMessage(member.keys, member.roomId, message, signal);
  return {
    type: 'message',
    seq,
    id,
    sender,
    senderVerified: message.sender_verified,
    signedBy,
    signature,
    text,
    ts,
    ttlMs: message.ttl_ms ?? null,
    replyTo: message.reply_to ?? null,
    own: isOwn(member, message, signedBy),
  };
}
