import type { Acked, Grant, ClaimRequest } from '../leases.ts';
import type { Client } from '../address.ts';
import type { Budget } from '../budget.ts';
import type { EncodingCache } from '../encoding.ts';
import type { Entry, RoomLog } from '../log.ts';
import type { Draft } from '../message.ts';

/** The outcome of a post. */
export type Appended =
  | { readonly kind: 'accepted' | 'duplicate'; readonly id: string; readonly seq: number }
  | { readonly kind: 'nonce-reused' };

/**
 * Owns the order of messages. An engine may answer later; its append ends in the local log's append, from which the
 * hub feeds every transport.
 */
export interface Engine {
  /** Bytes held by all open logs, by the client that posted them. */
  readonly budget: Budget<Entry>;
  /** Bytes of encoded copies held for streams, in addition to the budget. */
  readonly cache: EncodingCache;
  /** Begin a lifetime of a room. @see READ-11 MSG-13 */
  open(): RoomLog;
  /**
   * Append the draft to the log, unless its nonce was used before.
   * @param client who posted it; its bytes are charged to this client.
   * @param admit called before a new draft is appended; throws to refuse it.
   * @see MSG-12 MSG-14 MSG-15 SIGN-4
   */
  append(log: RoomLog, draft: Draft, client: Client, admit: () => void): Appended | Promise<Appended>;
  /** Grant the next message to a handle; null when there is none for it. @see CLAIM-6 */
  claim(log: RoomLog, request: ClaimRequest): Grant | null | Promise<Grant | null>;
  /** @see CLAIM-15 CLAIM-16 CLAIM-5 */
  ack(log: RoomLog, handle: string, claimId: string, seq: number): Acked | Promise<Acked>;
  /** @returns ms left; null when the claim is not live. @see CLAIM-21 */
  renew(
    log: RoomLog,
    handle: string,
    claimId: string,
    leaseMs: number,
  ): number | null | Promise<number | null>;
  /** @returns whether the claim was live. @see CLAIM-22 */
  release(log: RoomLog, handle: string, claimId: string): boolean | Promise<boolean>;
  /** Last seq that the handle has acked, 0 before the first. @see CLAIM-12 */
  cursor(log: RoomLog, handle: string): number | Promise<number>;
  /** Whether this handle has or can have a cursor in this room. @throws {RequestProblem} rate-limited, unavailable. */
  admit(log: RoomLog, handle: string, client: Client): void | Promise<void>;
  /** How long no claim of the room has been live, in ms: 0 while one is live, Infinity if there never was one. @see CLAIM-28 */
  unclaimedMs(log: RoomLog): number;
}
