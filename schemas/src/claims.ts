import { Type, type Static } from 'typebox';
import { exampleEpoch, exampleMessage, exampleSeq, Message, positionFields } from './messages.ts';
import { LIMITS } from './limits.ts';
import { ClaimId, component, Handle, ref, Seq } from './scalars.ts';

const optional = Type.Optional;
const claim_id = 'c_5Wk2vQ8nTzLr';

/** Which messages a claim skips as the handle's own: those with its label, or only those that it signed. @see CLAIM-14 */
const ExcludeSelf = Type.Union([Type.Literal('label'), Type.Literal('verified')], {
  description: 'Skip messages with the label of the handle, or only those that it signed.',
});

/** @see CLAIM-8 CLAIM-13 */
export const ClaimBody = component(
  'ClaimBody',
  Type.Object({
    handle: Handle,
    exclude_senders: optional(
      Type.Array(Type.String(), {
        maxItems: LIMITS.exclude_senders.default,
        description: 'Labels whose messages are skipped.',
      }),
    ),
    exclude_self: optional(ExcludeSelf),
  }),
  { description: 'A handle asks for the next message.', example: { handle: 'summariser' } },
);
export type ClaimBody = Static<typeof ClaimBody>;

/** The handle's cursor, and the reader's position fields. */
const standing = { cursor: Seq, last_seq: Seq, ...positionFields };
const exampleStanding = {
  cursor: exampleSeq - 1,
  last_seq: exampleSeq,
  epoch: exampleEpoch,
  oldest_seq: exampleSeq - 9,
};

/** @see CLAIM-8 CLAIM-19 */
export const ClaimAnswer = component(
  'ClaimAnswer',
  Type.Object({
    ok: Type.Literal(true),
    claim_id: ClaimId,
    message: ref(Message),
    ...standing,
    lease_remaining_ms: optional(
      Type.Integer({ minimum: 0, description: 'Milliseconds left of the lease.' }),
    ),
    delivery: optional(
      Type.Integer({ minimum: 1, description: 'How often this message has been granted to this handle.' }),
    ),
    resumed: optional(Type.Literal(true)),
  }),
  {
    description: 'A message, granted until it is acked or its lease runs out.',
    example: {
      ok: true,
      claim_id,
      message: exampleMessage,
      ...exampleStanding,
      lease_remaining_ms: 60_000,
      delivery: 1,
    },
    hardened: ['epoch', 'oldest_seq', 'lease_remaining_ms', 'delivery'],
  },
);
export type ClaimAnswer = Static<typeof ClaimAnswer>;

/** @see CLAIM-9 CLAIM-11 */
export const ClaimEmpty = component(
  'ClaimEmpty',
  Type.Object({
    ok: Type.Literal(true),
    empty: Type.Literal(true),
    ...standing,
    exists: optional(Type.Boolean({ description: 'False for a room that does not exist.' })),
  }),
  {
    description: 'Nothing came before the timeout.',
    example: { ok: true, empty: true, ...exampleStanding, cursor: exampleSeq },
    hardened: ['epoch', 'oldest_seq'],
  },
);
export type ClaimEmpty = Static<typeof ClaimEmpty>;

/** @see CLAIM-15 */
export const AckBody = component(
  'AckBody',
  Type.Object({ handle: Handle, claim_id: Type.String({ maxLength: 64 }), seq: Seq }),
  {
    description: 'The granted message has been handled.',
    example: { handle: 'summariser', claim_id, seq: exampleSeq },
  },
);
export type AckBody = Static<typeof AckBody>;

/** @see CLAIM-15 CLAIM-16 */
export const AckAnswer = component(
  'AckAnswer',
  Type.Object({ ok: Type.Literal(true), advanced: Type.Boolean(), cursor: Seq }),
  { description: 'The cursor of the handle.', example: { ok: true, advanced: true, cursor: exampleSeq } },
);
export type AckAnswer = Static<typeof AckAnswer>;

/** @see CLAIM-21 CLAIM-22 */
export const ClaimRef = component(
  'ClaimRef',
  Type.Object({ handle: Handle, claim_id: Type.String({ maxLength: 64 }) }),
  { description: 'A claim of this handle.', example: { handle: 'summariser', claim_id } },
);
export type ClaimRef = Static<typeof ClaimRef>;

/** @see CLAIM-21 */
export const RenewAnswer = component(
  'RenewAnswer',
  Type.Object({ ok: Type.Literal(true), lease_remaining_ms: Type.Integer({ minimum: 0 }) }),
  { description: 'The lease was extended.', example: { ok: true, lease_remaining_ms: 60_000 } },
);
export type RenewAnswer = Static<typeof RenewAnswer>;

/** @see CLAIM-22 */
export const ReleaseAnswer = component(
  'ReleaseAnswer',
  Type.Object({ ok: Type.Literal(true), released: Type.Boolean() }),
  { description: 'Whether the claim was live until now.', example: { ok: true, released: true } },
);
export type ReleaseAnswer = Static<typeof ReleaseAnswer>;
