import type { Budget, Draft, RoomLog } from '../log.ts';

/** What became of a post. */
export type Appended =
  | { readonly kind: 'accepted' | 'duplicate'; readonly id: string; readonly seq: number }
  | { readonly kind: 'nonce-reused' };

/**
 * Owns the order of messages. An engine may answer later; its append ends in the local log's append, from which the
 * hub feeds every transport.
 */
export interface Engine {
  /** What all logs that it opened hold. */
  readonly budget: Budget;
  /** Begin a lifetime of a room. @see READ-11 MSG-13 */
  open(): RoomLog;
  /** Give the draft its place, or recognise its nonce. @see MSG-12 MSG-14 MSG-15 */
  append(log: RoomLog, draft: Draft): Appended | Promise<Appended>;
}
