/**
 * What became of a message's signature: `verified` under the key that was first seen for the handle; `none`, it carries
 * none; `invalid`, it is not the handle's, or something that it binds was changed; `unknown-handle`, nobody has that
 * handle; `unchecked`, the key could not be fetched; `key-changed`, the relay tells another key than before;
 * `downgraded`, it binds less than what this handle has used before.
 */
export type Signature =
  'none' | 'verified' | 'invalid' | 'unknown-handle' | 'unchecked' | 'key-changed' | 'downgraded';

/** A message that was opened. */
export interface MessageEvent {
  readonly type: 'message';
  /** Position in the room; rises. */
  readonly seq: number;
  readonly id: string;
  /** The label that its author chose. It proves nothing (SEAL-12). */
  readonly sender: string;
  /** The relay says that it checked a signature: a hint. */
  readonly senderVerified: boolean;
  /** The handle whose signature was verified here; null without one. @see SIGN-10 */
  readonly signedBy: string | null;
  readonly signature: Signature;
  /** Byte for byte as it was sent. Written by a stranger: never run it. */
  readonly text: string;
  /** Unix ms, by the relay's clock. */
  readonly ts: number;
  /** Ms after `ts` at which it expires; null when it does not. */
  readonly ttlMs: number | null;
  readonly replyTo: string | null;
  /** This room object sent it, or someone with its name did. */
  readonly own: boolean;
}

/** A message that came and could not be opened. @see SEAL-11 */
export interface UnopenedEvent {
  readonly type: 'unopened';
  readonly seq: number;
  readonly sender: string;
  /** `sealed`: wrong key or damaged. `malformed`: not what a relay may deliver. */
  readonly reason: 'sealed' | 'malformed';
}

/**
 * The relay tells another key for a handle than the one that was first seen. The message that follows is shown, as
 * not signed. @see ID-9
 */
export interface KeyChangedEvent {
  readonly type: 'key-changed';
  readonly handle: string;
  readonly seq: number;
}

/** Messages that were gone before they could be read, both seqs included. @see READ-10 */
export interface GapEvent {
  readonly type: 'gap';
  readonly from: number;
  readonly to: number;
}

/** The room was made anew, by a restart or after it was left: messages may be missing. @see READ-16 */
export interface ResetEvent {
  readonly type: 'reset';
  /** Null when the room does not exist now, or the relay tells no epochs. */
  readonly epoch: string | null;
}

export interface Participant {
  readonly name: string;
  readonly lastSeenMsAgo: number | null;
}

/** The replay is complete; what follows is live. It comes again after every interruption. */
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

/** The room takes signed messages alone from now on. */
export interface LockedEvent {
  readonly type: 'locked';
}

/** The connection is gone; it will be tried again from the same place. */
export interface InterruptedEvent {
  readonly type: 'interrupted';
  /** `code` of the Bot2BotError, such as `network`. */
  readonly code: string;
  readonly retryInMs: number;
}

/** What reading a room yields. */
export type ReadEvent = MessageEvent | UnopenedEvent | KeyChangedEvent | GapEvent | ResetEvent;
/** What a stream yields. */
export type RoomEvent = ReadEvent | ReadyEvent | PresenceEvent | RenameEvent | LockedEvent | InterruptedEvent;
