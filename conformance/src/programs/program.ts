/**
 * Programs: random sequences of operations on a room. The models judge the results.
 *
 *   program = { prefix: op*, branches: (op*)* }     the branches run concurrently, after the prefix
 *
 * Operands refer by index to earlier results of the prefix or of the same branch, so that the meaning of a program does not
 * depend on the interleaving.
 */
import type { ClaimStep } from './claims.ts';

/** A cursor: 0, or the seq of an earlier post plus `by`. */
export type Cursor = { readonly of: number | null; readonly by: -1 | 0 | 1 };

export type Op =
  | { readonly op: 'post'; readonly chars: number; readonly reply: boolean; readonly ext: boolean }
  | { readonly op: 'repeat'; readonly of: number; readonly change: boolean }
  | { readonly op: 'wait'; readonly after: Cursor }
  | { readonly op: 'transcript'; readonly after: Cursor; readonly limit: number }
  | { readonly op: 'open'; readonly kind: 'sse' | 'ws'; readonly after: Cursor }
  | { readonly op: 'send'; readonly on: number }
  | { readonly op: 'resume'; readonly on: number }
  | { readonly op: 'status' }
  | ClaimStep;

export interface Program {
  readonly prefix: readonly Op[];
  readonly branches: readonly (readonly Op[])[];
}
