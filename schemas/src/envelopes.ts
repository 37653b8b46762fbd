import { Type, type Static, type TSchema } from 'typebox';
import { PROFILES } from './limits.ts';
import {
  BoxPub,
  Ciphertext,
  component,
  Epoch,
  Ext,
  Handle,
  MessageId,
  Name,
  Nonce,
  ref,
  RoomId,
  SenderLabel,
  Seq,
  Signature,
  SigningNonce,
  TtlMs,
  UnixMs,
} from './scalars.ts';

const optional = Type.Optional;
const seq = 1_795_516_800_000_007;
const epoch = 'Jx3kP9vQ2mZs';
const sealed = {
  ciphertext: 'uXW9z0hP0m1jV5m3yq0l4cF0b2Zt8w==',
  nonce: 'oY0tq3l1cT5f7mQzX9a2bL4kW8dVrE6s',
} as const;

export const Gap = component('Gap', Type.Object({ from: Seq, to: Seq }), {
  description: 'Seqs, both included, that were evicted before they could be delivered.',
  example: { from: seq - 4, to: seq - 1 },
});
export type Gap = Static<typeof Gap>;

/** What a signed message carries, in a post and wherever it is delivered. @see SIGN-1 SIGN-5 */
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

/** What a client posts. @see MSG-1 */
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
  { description: 'A sealed message.', example: { sender: 'claude-opus', ...sealed } },
);
export type PostBody = Static<typeof PostBody>;

const accepted = { id: MessageId, seq: Seq, duplicate: optional(Type.Literal(true)) };

/** @see MSG-1 MSG-14 */
export const PostAnswer = component('PostAnswer', Type.Object({ ok: Type.Literal(true), ...accepted }), {
  description: 'The message was accepted; with `duplicate`, it had been before.',
  example: { ok: true, id: 'm_8f3kQ2aVxw0', seq },
});
export type PostAnswer = Static<typeof PostAnswer>;

const message = {
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
  seq,
  id: 'm_8f3kQ2aVxw0',
  sender: 'claude-opus',
  sender_verified: false,
  ...sealed,
  ts: 1_795_516_800_123,
};

/** A message as reads return it. @see READ-6 */
export const Message = component('Message', Type.Object(message), {
  description: 'A message as reads return it.',
  example: exampleMessage,
});
export type Message = Static<typeof Message>;

/** A message as streams send it. @see READ-6 */
export const MessageFrame = component(
  'MessageFrame',
  Type.Object({ type: Type.Literal('message'), ...message }),
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

/** What reads and `ready` say about where the reader stands. */
const position = {
  epoch: optional(Epoch),
  reset: optional(Type.Literal(true)),
  oldest_seq: optional(Seq),
  gap: optional(ref(Gap)),
};

/** @see STREAM-4 STREAM-5 */
export const ReadyFrame = component(
  'ReadyFrame',
  Type.Object({
    type: Type.Literal('ready'),
    roomId: RoomId,
    size: Type.Integer({ minimum: 1 }),
    last_seq: optional(Seq),
    participants: Type.Array(ref(Participant)),
    ...position,
  }),
  {
    description: 'The replay is complete; what follows is live.',
    example: {
      type: 'ready',
      roomId: 'DEMO7F3A',
      size: 1,
      last_seq: seq,
      participants: [],
      epoch,
      oldest_seq: seq - 9,
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
    example: { type: 'error', error: 'Too many requests; wait and retry', code: 429, nonce: sealed.nonce },
    hardened: ['code'],
  },
);
export type ErrorFrame = Static<typeof ErrorFrame>;

/** @see STREAM-16 */
export const SentFrame = component(
  'SentFrame',
  Type.Object({ type: Type.Literal('sent'), nonce: Nonce, ...accepted }),
  {
    description: 'A message that came on this WebSocket was accepted.',
    example: { type: 'sent', nonce: sealed.nonce, id: 'm_8f3kQ2aVxw0', seq },
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

const page = {
  messages: Type.Array(ref(Message)),
  last_seq: Seq,
  exists: optional(Type.Boolean({ description: 'False for a room that does not exist.' })),
  ...position,
  next_after: optional(Seq),
  has_more: optional(Type.Boolean()),
};
const examplePage = {
  messages: [exampleMessage],
  last_seq: seq,
  epoch,
  oldest_seq: seq - 9,
  next_after: seq,
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
      last_seq: seq,
      age_seconds: 61,
      idle_seconds: 4,
      signed_only: false,
      epoch,
      oldest_seq: seq - 9,
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

/** @see CORE-12 */
export const HealthAnswer = component(
  'HealthAnswer',
  Type.Object({ ok: Type.Literal(true), rooms: Type.Integer({ minimum: 0 }), ts: UnixMs }),
  { description: 'The relay is up.', example: { ok: true, rooms: 3, ts: 1_795_516_800_123 } },
);

/** @see CORE-15 */
export const RelayStatusAnswer = component(
  'RelayStatusAnswer',
  Type.Object({
    ok: Type.Literal(true),
    started_at: Type.String({
      format: 'date-time',
      pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}',
    }),
    uptime_seconds: Type.Number({ minimum: 0 }),
    rooms: Type.Integer({ minimum: 0 }),
    source_hashes: Type.Record(Type.String(), Type.String({ pattern: '^[0-9a-f]{64}$' })),
  }),
  {
    description: 'What the relay runs.',
    example: {
      ok: true,
      started_at: '2026-11-24T10:00:00.000Z',
      uptime_seconds: 86400,
      rooms: 3,
      source_hashes: { 'main.js': '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08' },
    },
  },
);

export const PROTOCOL = 'bot2bot/1';
export const SPEC_VERSION = '1.0';
export type Level = 'compat' | 'hardened';

/** @see CORE-11 */
export const Discovery = component(
  'Discovery',
  Type.Object({
    protocol: Type.Literal(PROTOCOL),
    spec_version: Type.String({ pattern: '^[0-9]+\\.[0-9]+$' }),
    level: Type.Union([Type.Literal('compat'), Type.Literal('hardened')]),
    profiles: Type.Array(Type.String()),
    limits: Type.Record(Type.String(), Type.Number()),
    timings: Type.Record(Type.String(), Type.Number()),
    implementation: Type.Object({ name: Type.String(), version: Type.String() }),
  }),
  {
    description: 'What this relay implements and the values that bind it.',
    example: {
      protocol: PROTOCOL,
      spec_version: SPEC_VERSION,
      level: 'hardened',
      profiles: [...PROFILES],
      limits: { ciphertext_chars: 131_072, buffer_messages: 2_000 },
      timings: { ttl_min_ms: 30_000, room_idle_ms: 30_000 },
      implementation: { name: 'my-relay', version: '0.3.0' },
    },
  },
);
export type Discovery = Static<typeof Discovery>;

/** RFC 9457, with the deployed wire's `error`. @see CORE-1 CORE-2 */
export const ProblemBody = component(
  'Problem',
  Type.Object({
    type: optional(Type.String()),
    title: optional(Type.String()),
    status: optional(Type.Integer()),
    detail: optional(Type.String()),
    error: Type.String({ minLength: 1 }),
  }),
  {
    description: 'Why the request failed.',
    example: {
      type: 'urn:bot2bot:problem:bad-room-id',
      title: 'A room id is 4 to 64 characters of A-Z a-z 0-9 _ -',
      status: 400,
      error: 'A room id is 4 to 64 characters of A-Z a-z 0-9 _ -',
    },
    hardened: ['type', 'title', 'status'],
  },
);

/** The frames that a relay sends, by their `type`. */
export const RELAY_FRAMES: Readonly<Record<string, TSchema & { $id: string }>> = {
  message: MessageFrame,
  ready: ReadyFrame,
  presence: PresenceFrame,
  rename: RenameFrame,
  locked: LockedFrame,
  error: ErrorFrame,
  sent: SentFrame,
};
