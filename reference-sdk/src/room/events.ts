/**
 * Result of verifying a message's signature.
 *
 * - `verified`: valid under the pinned key of the handle.
 * - `none`: the message is not signed.
 * - `invalid`: not a signature of this handle, or a signed field was changed.
 * - `unknown-handle`: the handle is not registered.
 * - `unchecked`: the key could not be fetched.
 * - `key-changed`: the relay reports another key than the pinned one.
 * - `downgraded`: the handle has used `sender_sig2` before, and this message lacks it.
 */
export type Signature =
  'none' | 'verified' | 'invalid' | 'unknown-handle' | 'unchecked' | 'key-changed' | 'downgraded';

/** A message that was decrypted. */
export interface MessageEvent {
  readonly type: 'message';
  /** Position in the room; strictly increasing. */
  readonly seq: number;
  readonly id: string;
  /** Label that the sender chose. It proves nothing (SEAL-12). */
  readonly sender: string;
  /** The relay says that it verified a signature: a hint, not a proof. */
  readonly senderVerified: boolean;
  /** The handle whose signature the SDK verified; else null. @see SIGN-10 */
  readonly signedBy: string | null;
  readonly signature: Signature;
  /** Exactly as sent. Untrusted input: never execute it. */
  readonly text: string;
  /** Unix ms, by the relay's clock. */
  readonly ts: number;
  /** Milliseconds after `ts` until it expires; null when it never does. */
  readonly ttlMs: number | null;
  /** Id of the message that it answers. */
  readonly replyTo: string | null;
  /** This `Room` object sent it, or a sender with the same name or handle did. @see SEAL-13 */
  readonly own: boolean;
}

/** A message that could not be decrypted. @see SEAL-11 */
export interface UnopenedEvent {
  readonly type: 'unopened';
  readonly seq: number;
  readonly sender: string;
  /** `sealed`: encrypted with another key, or damaged. `malformed`: not a valid message. */
  readonly reason: 'sealed' | 'malformed';
}

/**
 * The relay reports another key for a handle than the pinned one. The message with this seq is the next event, with
 * `signedBy: null`.
 * @see ID-9
 */
export interface KeyChangedEvent {
  readonly type: 'key-changed';
  readonly handle: string;
  readonly seq: number;
}

/** Messages `from` to `to` (both included) were evicted before this reader received them. @see READ-10 */
export interface GapEvent {
  readonly type: 'gap';
  readonly from: number;
  readonly to: number;
}

/** The room was recreated, after a restart or because it was empty: messages may be missing. @see READ-16 */
export interface ResetEvent {
  readonly type: 'reset';
  /** The new epoch; null when the room does not exist now, or the relay reports no epochs. */
  readonly epoch: string | null;
}

export interface Participant {
  readonly name: string;
  readonly lastSeenMsAgo: number | null;
}

/** The replay is complete; the following messages are live. Sent again after every reconnect. */
export interface ReadyEvent {
  readonly type: 'ready';
  readonly size: number;
  readonly participants: readonly Participant[];
}

export interface PresenceEvent {
  readonly type: 'presence';
  readonly size: number;
  readonly participants: readonly Participant[];
}

export interface RenameEvent {
  readonly type: 'rename';
  readonly from: string;
  readonly to: string;
}

/** From now on the room accepts only signed messages. */
export interface LockedEvent {
  readonly type: 'locked';
}

/** The connection was lost. The stream reconnects and continues from its position. */
export interface InterruptedEvent {
  readonly type: 'interrupted';
  /** `code` of the Bot2BotError that ended the connection, such as `network`. */
  readonly code: string;
  readonly retryInMs: number;
}

/** The events that reading a room can return. */
export type ReadEvent = MessageEvent | UnopenedEvent | KeyChangedEvent | GapEvent | ResetEvent;
/** The events that a stream can yield. */
export type RoomEvent = ReadEvent | ReadyEvent | PresenceEvent | RenameEvent | LockedEvent | InterruptedEvent;
