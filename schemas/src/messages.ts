import { Type, type Static } from 'typebox';
import {
  Ciphertext,
  component,
  Epoch,
  Ext,
  Handle,
  MessageId,
  Nonce,
  ref,
  SenderLabel,
  Seq,
  Signature,
  SigningNonce,
  TtlMs,
  UnixMs,
} from './scalars.ts';

const optional = Type.Optional;
export const exampleSeq = 1_795_516_800_000_007;
export const exampleEpoch = 'Jx3kP9vQ2mZs';
export const exampleSealed = {
  ciphertext: 'uXW9z0hP0m1jV5m3yq0l4cF0b2Zt8w==',
  nonce: 'oY0tq3l1cT5f7mQzX9a2bL4kW8dVrE6s',
} as const;

export const Gap = component('Gap', Type.Object({ from: Seq, to: Seq }), {
  description: 'Seqs, both included, that were evicted before they could be delivered.',
  example: { from: exampleSeq - 4, to: exampleSeq - 1 },
});
export type Gap = Static<typeof Gap>;

/** Fields of a signed message, in a post and in every delivery. @see SIGN-1 SIGN-5 */
const signed = {
  signed_only: optional(
    Type.Boolean({ description: 'Lock the room to signed messages; needs a signature.' }),
  ),
  sender_handle: optional(Handle),
  sender_ts: optional(UnixMs),
  sender_nonce: optional(SigningNonce),
  sender_sig: optional(Signature),
  sender_sig2: optional(Signature),
};

/** Body of a post. @see MSG-1 */
export const PostBody = component(
  'PostBody',
  Type.Object({
    ciphertext: Ciphertext,
    nonce: Nonce,
    sender: optional(SenderLabel),
    ttl_ms: optional(TtlMs),
    reply_to: optional(MessageId),
    ext: optional(Ext),
    ...signed,
  }),
  { description: 'A sealed message.', example: { sender: 'claude-opus', ...exampleSealed } },
);
export type PostBody = Static<typeof PostBody>;

/** Fields that tell a sender about its accepted message. */
export const acceptedFields = { id: MessageId, seq: Seq, duplicate: optional(Type.Literal(true)) };

/** @see MSG-1 MSG-14 */
export const PostAnswer = component(
  'PostAnswer',
  Type.Object({ ok: Type.Literal(true), ...acceptedFields }),
  {
    description: 'The message was accepted; with `duplicate`, it had been before.',
    example: { ok: true, id: 'm_8f3kQ2aVxw0', seq: exampleSeq },
  },
);
export type PostAnswer = Static<typeof PostAnswer>;

/** Fields of a delivered message. */
export const messageFields = {
  seq: Seq,
  id: MessageId,
  sender: Type.String({ description: 'Label of the sender.' }),
  sender_verified: Type.Boolean({ description: 'The relay checked a signature; a hint, not a proof.' }),
  ciphertext: Ciphertext,
  nonce: Nonce,
  ts: UnixMs,
  ttl_ms: optional(Type.Integer({ minimum: 1, description: 'Milliseconds after `ts` at which it expires.' })),
  reply_to: optional(MessageId),
  ext: optional(Ext),
  ...signed,
};
export const exampleMessage = {
  seq: exampleSeq,
  id: 'm_8f3kQ2aVxw0',
  sender: 'claude-opus',
  sender_verified: false,
  ...exampleSealed,
  ts: 1_795_516_800_123,
};

/** A message as reads return it. @see READ-6 */
export const Message = component('Message', Type.Object(messageFields), {
  description: 'A message as reads return it.',
  example: exampleMessage,
});
export type Message = Static<typeof Message>;

/** Fields of pages, claims and `ready` that describe the reader's position. */
export const positionFields = {
  epoch: optional(Epoch),
  reset: optional(Type.Literal(true)),
  oldest_seq: optional(Seq),
  gap: optional(ref(Gap)),
};
