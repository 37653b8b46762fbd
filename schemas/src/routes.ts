import { Type, type TSchema } from 'typebox';
import {
  Discovery,
  ErrorFrame,
  HealthAnswer,
  HeartbeatFrame,
  HelloFrame,
  ListeningBody,
  LockedFrame,
  MessageFrame,
  NoRoom,
  Ok,
  PostAnswer,
  PostBody,
  PresenceFrame,
  ReadyFrame,
  RelayStatusAnswer,
  RenameFrame,
  SentFrame,
  StatusAnswer,
  TranscriptAnswer,
  WaitAnswer,
} from './envelopes.ts';
import { LIMITS, TIMINGS, TRANSCRIPT_LIMIT } from './limits.ts';
import type { ProblemSlug } from './problems.ts';
import { BoxPub, Epoch, Name, RoomId } from './scalars.ts';

type Component = TSchema & { $id: string };

/** One operation of the protocol: what the relay serves, the document describes and the suite checks. */
export interface Route {
  readonly method: 'GET' | 'POST';
  /** With `{room}` for the room id. */
  readonly path: string;
  readonly tag: 'messages' | 'streams' | 'reads' | 'meta';
  readonly summary: string;
  /** What the answer to a success is. */
  readonly answers: 'json' | 'sse' | 'websocket' | 'html';
  readonly query?: Readonly<Record<string, TSchema>>;
  readonly headers?: Readonly<Record<string, TSchema>>;
  readonly body?: Component;
  /** The alternatives of a successful JSON answer, or the frames that the relay sends. */
  readonly replies: readonly Component[];
  /** Frames that the client sends (WebSocket). */
  readonly accepts?: readonly Component[];
  readonly problems: readonly ProblemSlug[];
  /** The rules that describe it. */
  readonly rules: readonly string[];
}

const after = Type.Integer({ minimum: 0, default: 0, description: 'Deliver what comes after this seq.' });
const position = { after, epoch: Epoch };
const FRAMES = [MessageFrame, ReadyFrame, PresenceFrame, RenameFrame, LockedFrame] as const;

export const ROUTES = {
  postMessage: {
    method: 'POST',
    path: '/api/rooms/{room}/messages',
    tag: 'messages',
    summary: 'Post a sealed message',
    answers: 'json',
    body: PostBody,
    replies: [PostAnswer],
    problems: [
      'bad-json',
      'bad-request',
      'bad-room-id',
      'bad-ttl',
      'signature-required',
      'bad-signature',
      'nonce-reused',
      'too-large',
      'unsupported-media-type',
      'rate-limited',
      'unavailable',
    ],
    rules: ['MSG-1', 'MSG-14', 'MSG-20'],
  },
  streamEvents: {
    method: 'GET',
    path: '/api/rooms/{room}/events',
    tag: 'streams',
    summary: 'Receive a room as server-sent events',
    answers: 'sse',
    query: { ...position, name: Name, box_pub: BoxPub },
    headers: { 'Last-Event-ID': Type.String({ description: 'Resume: `<epoch>:<seq>` of the last event.' }) },
    replies: FRAMES,
    problems: ['bad-room-id', 'rate-limited', 'unavailable'],
    rules: ['STREAM-1', 'STREAM-2', 'STREAM-8'],
  },
  openSocket: {
    method: 'GET',
    path: '/api/rooms/{room}/ws',
    tag: 'streams',
    summary: 'Receive and send over a WebSocket',
    answers: 'websocket',
    query: position,
    replies: [...FRAMES, SentFrame, ErrorFrame],
    accepts: [PostBody, HelloFrame, HeartbeatFrame],
    problems: ['bad-room-id', 'upgrade-required', 'rate-limited', 'unavailable'],
    rules: ['STREAM-9', 'STREAM-14', 'STREAM-16'],
  },
  waitForMessages: {
    method: 'GET',
    path: '/api/rooms/{room}/wait',
    tag: 'reads',
    summary: 'Wait for messages (long-poll)',
    answers: 'json',
    query: {
      ...position,
      timeout: Type.Integer({
        minimum: TIMINGS.wait_min_ms.default / 1000,
        maximum: TIMINGS.wait_max_ms.default / 1000,
        default: TIMINGS.wait_default_ms.default / 1000,
        description: 'Seconds to wait.',
      }),
    },
    replies: [WaitAnswer],
    problems: ['bad-room-id', 'rate-limited', 'unavailable'],
    rules: ['READ-1', 'READ-2', 'READ-3'],
  },
  readTranscript: {
    method: 'GET',
    path: '/api/rooms/{room}/transcript',
    tag: 'reads',
    summary: 'Read a page of buffered messages',
    answers: 'json',
    query: {
      ...position,
      limit: Type.Integer({
        minimum: 1,
        maximum: LIMITS.page_messages.default,
        default: TRANSCRIPT_LIMIT,
        description: 'Most messages in the answer.',
      }),
    },
    replies: [TranscriptAnswer],
    problems: ['bad-room-id'],
    rules: ['READ-4', 'READ-9', 'READ-10'],
  },
  probeRoom: {
    method: 'GET',
    path: '/api/rooms/{room}/status',
    tag: 'reads',
    summary: 'Probe a room without joining it',
    answers: 'json',
    replies: [StatusAnswer, NoRoom],
    problems: ['bad-room-id'],
    rules: ['ROOM-3', 'ROOM-5'],
  },
  announceListening: {
    method: 'POST',
    path: '/api/rooms/{room}/listening',
    tag: 'streams',
    summary: 'Stay in presence between two calls',
    answers: 'json',
    body: ListeningBody,
    replies: [Ok],
    problems: [
      'bad-json',
      'bad-request',
      'bad-room-id',
      'unknown-room',
      'too-large',
      'unsupported-media-type',
      'rate-limited',
    ],
    rules: ['STREAM-21', 'ROOM-3'],
  },
  health: {
    method: 'GET',
    path: '/api/health',
    tag: 'meta',
    summary: 'Tell that the relay is up',
    answers: 'json',
    replies: [HealthAnswer],
    problems: [],
    rules: ['CORE-12'],
  },
  relayStatus: {
    method: 'GET',
    path: '/api/status',
    tag: 'meta',
    summary: 'Tell what the relay runs',
    answers: 'json',
    replies: [RelayStatusAnswer],
    problems: [],
    rules: ['CORE-15'],
  },
  openapi: {
    method: 'GET',
    path: '/api/openapi.json',
    tag: 'meta',
    summary: 'Fetch this document',
    answers: 'json',
    replies: [],
    problems: [],
    rules: ['CORE-13'],
  },
  docs: {
    method: 'GET',
    path: '/api/docs',
    tag: 'meta',
    summary: 'Open the interactive API page',
    answers: 'html',
    replies: [],
    problems: [],
    rules: ['CORE-14'],
  },
  discovery: {
    method: 'GET',
    path: '/.well-known/bot2bot',
    tag: 'meta',
    summary: 'Discover level, limits and timings',
    answers: 'json',
    replies: [Discovery],
    problems: [],
    rules: ['CORE-11'],
  },
} as const satisfies Record<string, Route>;

export type OperationId = keyof typeof ROUTES;

/** The path of an operation, with the room's id in place. The id is inserted as it is. */
export function pathOf(operation: OperationId, room = ''): string {
  return ROUTES[operation].path.replace('{room}', room);
}

/** Path parameters of every operation under `/api/rooms/`. */
export const RoomParams = Type.Object({ room: RoomId });
