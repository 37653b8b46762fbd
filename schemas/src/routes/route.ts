import { Type, type TSchema } from 'typebox';
import type { Component } from '../components.ts';
import { TIMINGS, type Profile } from '../limits.ts';
import type { ProblemSlug } from '../problems.ts';
import { Epoch } from '../scalars.ts';

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

export const after = Type.Integer({
  minimum: 0,
  default: 0,
  description: 'Deliver what comes after this seq.',
});
/** Query parameters that name where a reader left off. */
export const position = { after, epoch: Epoch };
/** How long a long-poll waits. */
export const timeout = Type.Integer({
  minimum: TIMINGS.wait_min_ms.default / 1000,
  maximum: TIMINGS.wait_max_ms.default / 1000,
  default: TIMINGS.wait_default_ms.default / 1000,
  description: 'Seconds to wait.',
});

/** Problems of every operation that takes a JSON body. */
export const BODY_PROBLEMS = ['bad-json', 'bad-request', 'too-large', 'unsupported-media-type'] as const;
/** Problems of every signed operation. */
export const SIGNED_PROBLEMS = [
  'unknown-handle',
  'signature-invalid',
  'replayed',
  'rate-limited',
  'unavailable',
] as const;
