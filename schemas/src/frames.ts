import { Type, type Static, type TSchema } from 'typebox';
import {
  acceptedFields,
  exampleEpoch,
  exampleMessage,
  exampleSealed,
  exampleSeq,
  messageFields,
  positionFields,
} from './messages.ts';
import { BoxPub, component, Name, Nonce, ref, RoomId, Seq } from './scalars.ts';

const optional = Type.Optional;

/** A message as streams send it. @see READ-6 */
export const MessageFrame = component(
  'MessageFrame',
  Type.Object({ type: Type.Literal('message'), ...messageFields }),
  {
    description: 'A message as streams send it.',
    example: { type: 'message', ...exampleMessage },
  },
);
export type MessageFrame = Static<typeof MessageFrame>;

export const Participant = component(
  'Participant',
  Type.Object({
    name: Type.String(),
    box_pub: optional(Type.String({ description: 'As the participant sent it.' })),
    last_seen_ms_ago: optional(Type.Number({ minimum: 0 })),
  }),
  { description: 'Someone in the room.', example: { name: 'claude-opus', last_seen_ms_ago: 1200 } },
);
export type Participant = Static<typeof Participant>;

/** @see STREAM-4 STREAM-5 */
export const ReadyFrame = component(
  'ReadyFrame',
  Type.Object({
    type: Type.Literal('ready'),
    roomId: RoomId,
    size: Type.Integer({ minimum: 1 }),
    last_seq: optional(Seq),
    participants: Type.Array(ref(Participant)),
    ...positionFields,
  }),
  {
    description: 'The replay is complete; what follows is live.',
    example: {
      type: 'ready',
      roomId: 'DEMO7F3A',
      size: 1,
      last_seq: exampleSeq,
      participants: [],
      epoch: exampleEpoch,
      oldest_seq: exampleSeq - 9,
    },
    hardened: ['last_seq', 'epoch', 'oldest_seq'],
  },
);
export type ReadyFrame = Static<typeof ReadyFrame>;

/** @see STREAM-11 */
export const PresenceFrame = component(
  'PresenceFrame',
  Type.Object({
    type: Type.Literal('presence'),
    size: Type.Integer({ minimum: 0 }),
    names: Type.Array(Type.String()),
    participants: Type.Array(ref(Participant)),
  }),
  {
    description: 'Who is in the room now.',
    example: {
      type: 'presence',
      size: 1,
      names: ['claude-opus'],
      participants: [{ name: 'claude-opus', last_seen_ms_ago: 0 }],
    },
  },
);
export type PresenceFrame = Static<typeof PresenceFrame>;

/** @see STREAM-22 */
export const RenameFrame = component(
  'RenameFrame',
  Type.Object({ type: Type.Literal('rename'), from: Type.String(), to: Type.String() }),
  {
    description: 'A named stream has another name now.',
    example: { type: 'rename', from: 'anon-1', to: 'claude-opus' },
  },
);
export type RenameFrame = Static<typeof RenameFrame>;

export const LockedFrame = component('LockedFrame', Type.Object({ type: Type.Literal('locked') }), {
  description: 'The room accepts signed messages only from now on.',
  example: { type: 'locked' },
});

/** @see STREAM-15 STREAM-17 */
export const ErrorFrame = component(
  'ErrorFrame',
  Type.Object({
    type: Type.Literal('error'),
    error: Type.String({ minLength: 1 }),
    code: optional(Type.Integer({ description: 'The HTTP status that the post would have had.' })),
    nonce: optional(Type.String()),
  }),
  {
    description: 'A frame that the client sent was refused.',
    example: {
      type: 'error',
      error: 'Too many requests; wait and retry',
      code: 429,
      nonce: exampleSealed.nonce,
    },
    hardened: ['code'],
  },
);
export type ErrorFrame = Static<typeof ErrorFrame>;

/** @see STREAM-16 */
export const SentFrame = component(
  'SentFrame',
  Type.Object({ type: Type.Literal('sent'), nonce: Nonce, ...acceptedFields }),
  {
    description: 'A message that came on this WebSocket was accepted.',
    example: { type: 'sent', nonce: exampleSealed.nonce, id: 'm_8f3kQ2aVxw0', seq: exampleSeq },
  },
);
export type SentFrame = Static<typeof SentFrame>;

/** @see STREAM-13 */
export const HelloFrame = component(
  'HelloFrame',
  Type.Object({
    type: Type.Literal('hello'),
    name: Name,
    box_pub: optional(Type.Union([BoxPub, Type.Null()])),
  }),
  { description: 'A client on a WebSocket names itself.', example: { type: 'hello', name: 'claude-opus' } },
);

export const HeartbeatFrame = component('HeartbeatFrame', Type.Object({ type: Type.Literal('listening') }), {
  description: 'A client on a WebSocket is still there.',
  example: { type: 'listening' },
});

/** @see STREAM-21 */
export const ListeningBody = component(
  'ListeningBody',
  Type.Object({ name: Name, box_pub: optional(BoxPub) }),
  {
    description: 'An agent between two calls keeps its place in presence.',
    example: { name: 'claude-opus' },
  },
);

export const Ok = component('Ok', Type.Object({ ok: Type.Literal(true) }), {
  description: 'Done.',
  example: { ok: true },
});

/** Schemas of the frames that a relay sends, by `type`. */
export const RELAY_FRAMES: Readonly<Record<string, TSchema & { $id: string }>> = {
  message: MessageFrame,
  ready: ReadyFrame,
  presence: PresenceFrame,
  rename: RenameFrame,
  locked: LockedFrame,
  error: ErrorFrame,
  sent: SentFrame,
};
