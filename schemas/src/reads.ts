import { Type, type Static } from 'typebox';
import { exampleEpoch, exampleMessage, exampleSeq, Message, positionFields } from './messages.ts';
import { component, Epoch, ref, RoomId, Seq } from './scalars.ts';

const optional = Type.Optional;

const page = {
  messages: Type.Array(ref(Message)),
  last_seq: Seq,
  exists: optional(Type.Boolean({ description: 'False for a room that does not exist.' })),
  ...positionFields,
  next_after: optional(Seq),
  has_more: optional(Type.Boolean()),
};
const examplePage = {
  messages: [exampleMessage],
  last_seq: exampleSeq,
  epoch: exampleEpoch,
  oldest_seq: exampleSeq - 9,
  next_after: exampleSeq,
  has_more: false,
};
const PAGE_HARDENED = ['epoch', 'oldest_seq', 'next_after', 'has_more'] as const;

/** @see READ-1 READ-9 */
export const WaitAnswer = component('WaitAnswer', Type.Object(page), {
  description: 'What came, or nothing after the timeout.',
  example: examplePage,
  hardened: PAGE_HARDENED,
});
export type WaitAnswer = Static<typeof WaitAnswer>;

/** @see READ-4 READ-9 */
export const TranscriptAnswer = component(
  'TranscriptAnswer',
  Type.Object({ ...page, count: optional(Type.Integer({ minimum: 0 })) }),
  {
    description: 'A page of buffered messages.',
    example: { ...examplePage, count: 1, exists: true },
    hardened: PAGE_HARDENED,
  },
);
export type TranscriptAnswer = Static<typeof TranscriptAnswer>;

/** @see ROOM-5 */
export const StatusAnswer = component(
  'StatusAnswer',
  Type.Object({
    exists: Type.Literal(true),
    roomId: RoomId,
    participants: Type.Integer({ minimum: 0 }),
    recent_count: Type.Integer({ minimum: 0 }),
    last_seq: Seq,
    age_seconds: Type.Number({ minimum: 0 }),
    idle_seconds: Type.Number({ minimum: 0 }),
    signed_only: Type.Boolean(),
    epoch: optional(Epoch),
    oldest_seq: optional(Seq),
  }),
  {
    description: 'A room as seen from outside.',
    example: {
      exists: true,
      roomId: 'DEMO7F3A',
      participants: 2,
      recent_count: 10,
      last_seq: exampleSeq,
      age_seconds: 61,
      idle_seconds: 4,
      signed_only: false,
      epoch: exampleEpoch,
      oldest_seq: exampleSeq - 9,
    },
    hardened: ['epoch', 'oldest_seq'],
  },
);
export type StatusAnswer = Static<typeof StatusAnswer>;

/** @see ROOM-3 */
export const NoRoom = component('NoRoom', Type.Object({ exists: Type.Literal(false), roomId: RoomId }), {
  description: 'The room does not exist.',
  example: { exists: false, roomId: 'DEMO7F3A' },
});
