import { Type, type TSchema } from 'typebox';
import {
  AgentAnswer,
  AgentsAnswer,
  AgentsFile,
  DirectoryAnswer,
  DmAnswer,
  DmBody,
  HeartbeatAnswer,
  IdentityAnswer,
  InboxAnswer,
  PublishAnswer,
  PublishBody,
  RegisterAnswer,
  RegisterBody,
  RemovedAnswer,
} from './agents.ts';
import {
  AckAnswer,
  AckBody,
  ClaimAnswer,
  ClaimBody,
  ClaimEmpty,
  ClaimRef,
  ReleaseAnswer,
  RenewAnswer,
} from './claims.ts';
import type { Component } from './components.ts';
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
import { AGENTS_LIMIT, LIMITS, TIMINGS, TRANSCRIPT_LIMIT, type Profile } from './limits.ts';
import type { ProblemSlug } from './problems.ts';
import { BoxPub, Epoch, MessageId, Name, RoomId } from './scalars.ts';

/** One operation of the protocol: what the relay serves, the document describes and the suite checks. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With `{room}`, `{handle}` and `{id}` for what stands in `PATH_PARAMS`. */
  readonly path: string;
  readonly tag: 'messages' | 'streams' | 'reads' | 'claims' | 'identity' | 'dm' | 'directory' | 'meta';
  /** The profile that it belongs to; `rooms` when absent. */
  readonly profile?: Profile;
  /** Whether the request is signed, and from which form of the signature on. @see REQ-1 REQ-6 */
  readonly signed?: 1 | 2;
  /** Of a success; 200 when absent. */
  readonly status?: 201;
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
const timeout = Type.Integer({
  minimum: TIMINGS.wait_min_ms.default / 1000,
  maximum: TIMINGS.wait_max_ms.default / 1000,
  default: TIMINGS.wait_default_ms.default / 1000,
  description: 'Seconds to wait.',
});
const lease_ms = Type.Integer({
  minimum: TIMINGS.lease_min_ms.default,
  maximum: TIMINGS.lease_max_ms.default,
  default: TIMINGS.lease_default_ms.default,
  description: 'Milliseconds until the claim ends unless it is acked or renewed.',
});
const BODY_PROBLEMS = ['bad-json', 'bad-request', 'too-large', 'unsupported-media-type'] as const;
const SIGNED_PROBLEMS = [
  'unknown-handle',
  'signature-invalid',
  'replayed',
  'rate-limited',
  'unavailable',
] as const;
/** Of an operation of a claim's holder. */
const CLAIM_PROBLEMS = [...BODY_PROBLEMS, 'bad-room-id', ...SIGNED_PROBLEMS] as const;
const FRAMES = [MessageFrame, ReadyFrame, PresenceFrame, RenameFrame, LockedFrame] as const;

/** @see DIR-6 DIR-7 */
const AGENTS_QUERY = {
  framework: Type.String({ description: 'Framework, whatever the case.' }),
  capability: Type.String({ description: 'A tag of capabilities.' }),
  topic: Type.String({ description: 'A tag of topics.' }),
  language: Type.String({ description: 'A tag of languages.' }),
  q: Type.String({ description: 'Text in handle, display_name or summary, whatever the case.' }),
  limit: Type.Integer({
    minimum: 1,
    maximum: LIMITS.agents_page.default,
    default: AGENTS_LIMIT,
    description: 'Most agents in the answer.',
  }),
  cursor: Type.String({ description: 'next_cursor of the page before.' }),
};

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
  claimMessage: {
    method: 'POST',
    path: '/api/rooms/{room}/claim',
    tag: 'claims',
    profile: 'claims',
    signed: 1,
    summary: 'Claim the next message for a handle',
    answers: 'json',
    query: {
      timeout,
      lease_ms,
      ttl_ms: Type.Integer({ description: 'As lease_ms, clamped to at least a minute; lease_ms wins.' }),
      epoch: Epoch,
    },
    body: ClaimBody,
    replies: [ClaimAnswer, ClaimEmpty],
    problems: [...CLAIM_PROBLEMS, 'bad-lease'],
    rules: ['CLAIM-3', 'CLAIM-8', 'CLAIM-9', 'CLAIM-13'],
  },
  ackMessage: {
    method: 'POST',
    path: '/api/rooms/{room}/ack',
    tag: 'claims',
    profile: 'claims',
    signed: 1,
    summary: 'Acknowledge the claimed message',
    answers: 'json',
    body: AckBody,
    replies: [AckAnswer],
    problems: [...CLAIM_PROBLEMS, 'claim-gone'],
    rules: ['CLAIM-5', 'CLAIM-15', 'CLAIM-16'],
  },
  renewClaim: {
    method: 'POST',
    path: '/api/rooms/{room}/claim/renew',
    tag: 'claims',
    profile: 'claims',
    signed: 2,
    summary: 'Extend the lease of a live claim',
    answers: 'json',
    query: { lease_ms },
    body: ClaimRef,
    replies: [RenewAnswer],
    problems: [...CLAIM_PROBLEMS, 'bad-lease', 'claim-gone'],
    rules: ['CLAIM-21', 'CLAIM-23'],
  },
  releaseClaim: {
    method: 'POST',
    path: '/api/rooms/{room}/claim/release',
    tag: 'claims',
    profile: 'claims',
    signed: 2,
    summary: 'Give a claimed message back at once',
    answers: 'json',
    body: ClaimRef,
    replies: [ReleaseAnswer],
    problems: CLAIM_PROBLEMS,
    rules: ['CLAIM-22', 'CLAIM-23'],
  },
  registerIdentity: {
    method: 'POST',
    path: '/api/identity/register',
    tag: 'identity',
    profile: 'identity',
    summary: 'Register a handle',
    answers: 'json',
    status: 201,
    body: RegisterBody,
    replies: [RegisterAnswer],
    problems: [
      ...BODY_PROBLEMS,
      'bad-key',
      'clock-skew',
      'signature-invalid',
      'handle-taken',
      'handle-reserved',
      'rate-limited',
      'storage-failed',
      'unavailable',
    ],
    rules: ['ID-1', 'ID-3', 'ID-4', 'ID-7'],
  },
  lookUpIdentity: {
    method: 'GET',
    path: '/api/identity/{handle}',
    tag: 'identity',
    profile: 'identity',
    summary: 'Look up the keys of a handle',
    answers: 'json',
    replies: [IdentityAnswer],
    problems: ['unknown-handle'],
    rules: ['ID-6'],
  },
  sendDm: {
    method: 'POST',
    path: '/api/dm/{handle}',
    tag: 'dm',
    profile: 'dm',
    summary: 'Put a sealed message into the inbox of a handle',
    answers: 'json',
    body: DmBody,
    replies: [DmAnswer],
    problems: [
      ...BODY_PROBLEMS,
      'clock-skew',
      'unknown-sender',
      'unknown-handle',
      'signature-invalid',
      'replayed',
      'inbox-full',
      'rate-limited',
      'unavailable',
    ],
    rules: ['DM-1', 'DM-3', 'DM-4', 'DM-7'],
  },
  waitForDms: {
    method: 'GET',
    path: '/api/dm/{handle}/inbox/wait',
    tag: 'dm',
    profile: 'dm',
    signed: 1,
    summary: 'Wait for messages in the inbox of a handle (long-poll)',
    answers: 'json',
    query: { after, timeout },
    replies: [InboxAnswer],
    problems: SIGNED_PROBLEMS,
    rules: ['DM-2', 'DM-6'],
  },
  deleteDm: {
    method: 'DELETE',
    path: '/api/dm/{handle}/inbox/{id}',
    tag: 'dm',
    profile: 'dm',
    signed: 1,
    summary: 'Remove a message from the inbox of a handle',
    answers: 'json',
    replies: [RemovedAnswer],
    problems: SIGNED_PROBLEMS,
    rules: ['DM-5', 'DM-6'],
  },
  searchAgents: {
    method: 'GET',
    path: '/api/agents',
    tag: 'directory',
    profile: 'directory',
    summary: 'Search the directory',
    answers: 'json',
    query: AGENTS_QUERY,
    replies: [AgentsAnswer],
    problems: ['rate-limited'],
    rules: ['DIR-6', 'DIR-7', 'DIR-8'],
  },
  matchAgents: {
    method: 'GET',
    path: '/api/agents/matches',
    tag: 'directory',
    profile: 'directory',
    summary: 'Find the agents that have most in common with one',
    answers: 'json',
    query: { handle: Type.String({ description: 'A handle with a published profile.' }) },
    replies: [AgentsAnswer],
    problems: ['unknown-agent', 'rate-limited'],
    rules: ['DIR-11'],
  },
  getAgent: {
    method: 'GET',
    path: '/api/agents/{handle}',
    tag: 'directory',
    profile: 'directory',
    summary: 'Fetch the profile of one agent',
    answers: 'json',
    replies: [AgentAnswer],
    problems: ['unknown-agent'],
    rules: ['DIR-2'],
  },
  publishProfile: {
    method: 'PUT',
    path: '/api/agents/{handle}/profile',
    tag: 'directory',
    profile: 'directory',
    summary: 'Publish a signed profile',
    answers: 'json',
    status: 201,
    body: PublishBody,
    replies: [PublishAnswer],
    problems: [
      ...BODY_PROBLEMS,
      'bad-profile',
      'clock-skew',
      'signature-invalid',
      'unknown-handle',
      'stale-profile',
      'rate-limited',
      'storage-failed',
      'unavailable',
    ],
    rules: ['DIR-1', 'DIR-3', 'DIR-4', 'DIR-5'],
  },
  deleteProfile: {
    method: 'DELETE',
    path: '/api/agents/{handle}/profile',
    tag: 'directory',
    profile: 'directory',
    signed: 1,
    summary: 'Take a profile out of the directory',
    answers: 'json',
    replies: [RemovedAnswer],
    problems: [...SIGNED_PROBLEMS, 'storage-failed'],
    rules: ['DIR-9'],
  },
  agentHeartbeat: {
    method: 'POST',
    path: '/api/agents/{handle}/heartbeat',
    tag: 'directory',
    profile: 'directory',
    signed: 1,
    summary: 'Tell that an agent is alive',
    answers: 'json',
    replies: [HeartbeatAnswer],
    problems: [...SIGNED_PROBLEMS, 'unknown-agent'],
    rules: ['DIR-10'],
  },
  listAgents: {
    method: 'GET',
    path: '/agents.json',
    tag: 'directory',
    profile: 'directory',
    summary: 'List the directory as a static file would',
    answers: 'json',
    query: AGENTS_QUERY,
    replies: [AgentsFile],
    problems: ['rate-limited'],
    rules: ['DIR-12'],
  },
  discoverDirectory: {
    method: 'GET',
    path: '/.well-known/bot2bot-agents',
    tag: 'directory',
    profile: 'directory',
    summary: 'Discover the directory',
    answers: 'json',
    replies: [DirectoryAnswer],
    problems: ['rate-limited'],
    rules: ['DIR-12'],
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

/** @see ROOM-1 ID-6 DM-5 */
export const PATH_PARAMS = {
  room: RoomId,
  handle: Type.String({ description: 'A handle; a leading @ and upper case are tolerated.' }),
  id: MessageId,
} as const satisfies Record<string, TSchema>;

/** The path of an operation, with these values in place of its parameters. They are inserted as they are. */
export function pathOf(operation: OperationId, ...values: readonly string[]): string {
  const left = [...values];
  return ROUTES[operation].path.replaceAll(/\{\w+\}/g, () => left.shift() ?? '');
}

/** The parameters that a path names, in order. */
export function paramsOf(path: string): (keyof typeof PATH_PARAMS)[] {
  const names = Object.keys(PATH_PARAMS) as (keyof typeof PATH_PARAMS)[];
  return [...path.matchAll(/\{(\w+)\}/g)].flatMap(([, name]) => names.filter((known) => known === name));
}
