import { Type, type TSchema } from 'typebox';
import type { Component } from '../components.ts';
import { TIMINGS, type Profile } from '../limits.ts';
import type { ProblemSlug } from '../problems.ts';
import { Epoch } from '../scalars.ts';

/** One operation of the protocol. The relay serves it, the OpenAPI document describes it, the conformance suite checks it. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** May contain the parameters `{room}`, `{handle}` and `{id}` of `PATH_PARAMS`. */
  readonly path: string;
  readonly tag: 'messages' | 'streams' | 'reads' | 'claims' | 'identity' | 'dm' | 'directory' | 'meta';
  /** Profile of the operation; `rooms` when absent. */
  readonly profile?: Profile;
  /** Lowest form of the request signature that it accepts; absent for unsigned requests. @see REQ-1 REQ-6 */
  readonly signed?: 1 | 2;
  /** Status of a successful answer; 200 when absent. */
  readonly status?: 201;
  readonly summary: string;
  /** Format of a successful answer. */
  readonly answers: 'json' | 'sse' | 'websocket' | 'html';
  readonly query?: Readonly<Record<string, TSchema>>;
  readonly headers?: Readonly<Record<string, TSchema>>;
  readonly body?: Component;
  /** The possible bodies of a successful JSON answer, or the frames that the relay sends. */
  readonly replies: readonly Component[];
  /** Frames that the client may send (WebSocket only). */
  readonly accepts?: readonly Component[];
  readonly problems: readonly ProblemSlug[];
  /** Ids of the rules that specify it. */
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
