import type { Socket } from 'node:net';
import type { ServerResponse } from 'node:http';
import type { ClaimRequest } from './leases.ts';
import type { Format } from './encoding.ts';
import type { Gap, RoomLog } from './log.ts';

/** An open stream. Owns its socket; what it has been sent is a cursor into the room's log. */
export interface Subscriber {
  readonly format: Format;
  readonly socket: Socket;
  readonly room: Room;
  /** Seq up to which it has been served. */
  cursor: number;
  /** What `ready` has to tell, until it is sent. */
  joining: { readonly reset: boolean; readonly gap: Gap | null; readonly oldestSeq: number } | null;
  /** The socket buffers more than `subscriber_bytes`; sending goes on when it has drained. */
  blocked: boolean;
  /** When it last became blocked. */
  blockedAt: number;
  /** When its client was last heard, if only by the answer to a ping. */
  heardAt: number;
  /** When it was last sent a ping. */
  pingedAt: number;
  /** A presence frame was skipped while it was blocked and has to be sent. */
  owesPresence: boolean;
  name: string | undefined;
  boxPub: string | undefined;
  seenAt: number;
  /** When anything was last written, for keep-alive. */
  writtenAt: number;
  /** Frames for it alone, written at the next flush. */
  own: Buffer[];
  /** Pause (true) or resume (false) reading from the client; paused while the client does not read. */
  readonly hold: (held: boolean) => void;
  /** End it as its protocol does. */
  readonly end: (code: number) => void;
}

/** A request that waits for its answer until there is a message for it, or its time is over. */
export interface Parked {
  readonly deadline: number;
  /** Its status has been sent. */
  readonly response: ServerResponse;
  /** When anything was last written, for keep-alive. */
  writtenAt: number;
}

/** Call `act` once when the response has been sent or its connection closed; at once if it is closed already. */
export function onceClosed(response: ServerResponse, act: () => void): void {
  if (response.destroyed) act();
  else response.on('close', act);
}

/** Keep-alive of a parked request: whitespace before its JSON. */
const SPACE = Buffer.from('\n');

/** Send whitespace to a parked request from time to time: proxies close connections that are silent for a minute. */
export function keepAlive(parked: Parked, mono: number, everyMs: number): void {
  if (mono - parked.writtenAt < everyMs) return;
  parked.writtenAt = mono;
  parked.response.write(SPACE);
}

/** The point in a room's messages at which a read continues: after the message with this seq. */
export interface Position {
  readonly after: number;
  /** The request named another epoch than the room's, so that its `after` does not count. @see READ-12 */
  readonly reset: boolean;
}

/** A parked `wait`. */
export interface Waiter extends Parked {
  readonly position: Position;
}

/** A parked `claim`. */
export interface Claimant extends Parked {
  readonly request: ClaimRequest;
  readonly reset: boolean;
}

export interface Heartbeat {
  readonly boxPub: string | undefined;
  readonly at: number;
  /** Releases the client's slot for names in this room. */
  readonly release: () => void;
}

export class Room {
  readonly id: string;
  readonly log: RoomLog;
  readonly createdAt: number;
  readonly subscribers = new Set<Subscriber>();
  readonly waiters = new Set<Waiter>();
  readonly claimants = new Set<Claimant>();
  readonly heartbeats = new Map<string, Heartbeat>();
  /** Seq up to which all streams that keep up have been served. */
  flushed: number;
  /** Frames for all streams, written at the next flush, after the messages. */
  notices: string[] = [];
  presenceDirty = false;
  presenceAt = -Infinity;
  /** Minimum time between the last presence frame and the next, in ms. */
  presenceWait = 0;
  /** Releases the slot of the room in its creator's share. */
  readonly release: () => void;
  activeAt: number;

  constructor(id: string, log: RoomLog, now: number, release: () => void) {
    this.release = release;
    this.id = id;
    this.log = log;
    this.createdAt = now;
    this.activeAt = now;
    this.flushed = log.lastAssigned;
  }

  get size(): number {
    return this.subscribers.size + this.heartbeats.size;
  }

  /** @see ROOM-6 CLAIM-28 */
  get inUse(): boolean {
    return (
      this.subscribers.size > 0 ||
      this.waiters.size > 0 ||
      this.heartbeats.size > 0 ||
      this.claimants.size > 0
    );
  }

  /** Requests that are parked. */
  get parked(): number {
    return this.waiters.size + this.claimants.size;
  }

  get names(): string[] {
    return [...new Set([...this.subscribers].map((sub) => sub.name).filter((name) => name !== undefined))];
  }

  /** @see STREAM-11 STREAM-13 */
  participants(now: number): { name: string; box_pub?: string; last_seen_ms_ago: number }[] {
    const named = [...this.subscribers].flatMap(({ name, boxPub, seenAt }) =>
      name === undefined ? [] : [{ name, boxPub, at: seenAt }],
    );
    const heard = [...this.heartbeats].map(([name, { boxPub, at }]) => ({ name, boxPub, at }));
    return [...named, ...heard].map(({ name, boxPub, at }) => ({
      name,
      ...(boxPub === undefined ? {} : { box_pub: boxPub }),
      last_seen_ms_ago: Math.max(0, Math.round(now - at)),
    }));
  }

  /** Remove expired heartbeats. @returns whether there were any. @see STREAM-21 */
  expireHeartbeats(now: number, listeningMs: number): boolean {
    let any = false;
    for (const [name, { at, release }] of this.heartbeats) {
      if (now - at < listeningMs) continue;
      this.heartbeats.delete(name);
      release();
      any = true;
    }
    return any;
  }
}
