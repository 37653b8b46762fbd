import { Type } from 'typebox';
import {
  ErrorFrame,
  HeartbeatFrame,
  HelloFrame,
  ListeningBody,
  LockedFrame,
  MessageFrame,
  Ok,
  PresenceFrame,
  ReadyFrame,
  RenameFrame,
  SentFrame,
} from '../frames.ts';
import { LIMITS, TRANSCRIPT_LIMIT } from '../limits.ts';
import { PostAnswer, PostBody } from '../messages.ts';
import { NoRoom, StatusAnswer, TranscriptAnswer, WaitAnswer } from '../reads.ts';
import { BoxPub, Name } from '../scalars.ts';
import { position, timeout, type Route } from './route.ts';

/** Frames that a relay sends on SSE and on WebSocket alike. */
const FRAMES = [MessageFrame, ReadyFrame, PresenceFrame, RenameFrame, LockedFrame] as const;

/** Messages, streams and reads: chapters 01, 02 and 04. */
export const ROOM_ROUTES = {
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
      'signature-invalid',
      'replayed',
      'signed-only',
      'nonce-reused',
      'too-large',
      'unsupported-media-type',
      'rate-limited',
      'unavailable',
    ],
    rules: ['MSG-1', 'MSG-14', 'MSG-20', 'SIGN-1', 'SIGN-8'],
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
      timeout,
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
} as const satisfies Record<string, Route>;
