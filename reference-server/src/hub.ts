import type { Timings } from '@bot2bot/schemas';
import type { Client } from './address.ts';
import type { Clock } from './clock.ts';
import type { RelayLimits } from './config.ts';
import { encode, KEEPALIVE, type Format } from './encoding.ts';
import type { Engine } from './engine/engine.ts';
import type { RoomLog } from './log.ts';
import { BLOCK_BYTES, sendAnswer, bytesOfAnswer, type ReadAnswer } from './page.ts';
import { presenceJson, readyJson, encodeNotices, takeNotices } from './presence.ts';
import { RequestProblem } from './problem.ts';
import { shareOf, type ConcurrencyCap } from './rate-limit.ts';
import {
  onceClosed,
  keepAlive,
  Room,
  type Claimant,
  type Position,
  type Subscriber,
  type Waiter,
} from './room.ts';

/** Bytes taken from the log at a time for a subscriber that does not keep up with the others. */
const FEED_BYTES = 64 << 10;
/** Frames of one client that are answered in a turn before it is made to wait for the next. */
const TURN_FRAMES = 128;
/** WebSocket close code (RFC 6455 registry). */
const RESTARTING = 1012;
/** A WebSocket that has answered none of this many pings, one every `keepalive_ms`, is considered dead. */
const DEAD_AFTER_PINGS = 3;
const DEAD_LEAST_MS = 10_000;
/** Rooms that one sweep checks for expiry: this many, or one part in SWEEP_PARTS of all, whichever is more. */
const SWEEP_ROOMS = 1_000;
const SWEEP_PARTS = 8;
/** Eviction goes this part (1/256) below the budget, so that it is not needed again for the next message. */
const EVICTION_MARGIN = 256;

/**
 * Delivers messages to every connected client: to streams from the room's log, by cursor; to parked waits as one shared
 * answer. Posting a message writes nothing; one flush per turn of the event loop serves all rooms that changed.
 */
export class Hub {
  readonly rooms = new Map<string, Room>();
  /** Streams cut for being too slow, and messages evicted to stay inside the relay's budget, since start. */
  readonly counts = { cut: 0, evicted: 0 };
  readonly #limits: RelayLimits;
  readonly #shares: ConcurrencyCap;
  readonly #byLog = new Map<RoomLog, Room>();
  readonly #timings: Timings;
  readonly #clock: Clock;
  readonly #engine: Engine;
  readonly #bySocket = new WeakMap<object, Subscriber>();
  readonly #dirty = new Set<Room>();
  /** Rooms that have clients, or a presence frame to send. */
  readonly #busy = new Set<Room>();
  #turn: Iterator<Room, undefined> = this.rooms.values();
  readonly #page: (room: Room, position: Position) => ReadAnswer;
  readonly #offer: (room: Room, claimant: Claimant, last: boolean) => Promise<void>;
  #scheduled = false;
  readonly #onDrain: (this: object) => void;

  /**
   * @param page the answer of a wait at this position.
   * @param offer answers a parked claim if there is a message for it; with `last`, in any case.
   */
  constructor(given: {
    limits: RelayLimits;
    timings: Timings;
    clock: Clock;
    engine: Engine;
    page: (room: Room, position: Position) => ReadAnswer;
    offer: (room: Room, claimant: Claimant, last: boolean) => Promise<void>;
  }) {
    this.#limits = given.limits;
    this.#shares = shareOf(given.limits.rooms, given.limits);
    this.#timings = given.timings;
    this.#clock = given.clock;
    this.#engine = given.engine;
    this.#page = given.page;
    this.#offer = given.offer;
    const drained = (socket: object) => {
      const sub = this.#bySocket.get(socket);
      if (sub === undefined) return;
      sub.blocked = false;
      sub.heardAt = this.#clock.mono();
      this.#feed(sub);
      if (!sub.blocked) sub.hold(false);
    };
    this.#onDrain = function onDrain() {
      drained(this);
    };
  }

  /**
   * Get the room; create it if it does not exist.
   * @param client to whose share of the rooms a new one counts.
   * @throws {RequestProblem} unavailable, when the relay has too many rooms; rate-limited, when the client has.
   * @see ROOM-2
   */
  enter(id: string, client: Client): Room {
    let room = this.rooms.get(id);
    if (room === undefined) {
      if (this.rooms.size >= this.#limits.rooms) throw new RequestProblem('unavailable', { retryAfter: 30 });
      const release = this.#shares.take(client);
      room = new Room(id, this.#engine.open(), this.#clock.mono(), release);
      this.rooms.set(id, room);
      this.#byLog.set(room.log, room);
    }
    return room;
  }

  /** Remove a room that nobody uses and that never had a message. @see ROOM-2 */
  removeIfEmpty(room: Room): void {
    if (!room.inUse && room.log.lastAssigned < room.log.firstSeq) this.#remove(room);
  }

  #remove(room: Room): void {
    room.log.close();
    room.release();
    this.rooms.delete(room.id);
    this.#byLog.delete(room.log);
    this.#busy.delete(room);
    this.#dirty.delete(room);
  }

  /** A room that exists. @throws {RequestProblem} unknown-room. @see ROOM-3 */
  find(id: string): Room {
    const room = this.rooms.get(id);
    if (room === undefined) throw new RequestProblem('unknown-room');
    return room;
  }

  /** Note activity. @see ROOM-6 */
  touch(room: Room): void {
    room.activeAt = this.#clock.mono();
  }

  /** Have the room served at the end of this turn. */
  markDirty(room: Room): void {
    this.#dirty.add(room);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const rooms = [...this.#dirty];
      this.#dirty.clear();
      for (const dirty of rooms) this.#flush(dirty);
    });
  }

  markPresence(room: Room): void {
    room.presenceDirty = true;
    this.#busy.add(room);
    this.markDirty(room);
  }

  /** Add a stream; it is fed at once, so that what follows finds it in place. @see STREAM-2 */
  join(sub: Subscriber): void {
    this.#flush(sub.room);
    sub.room.subscribers.add(sub);
    this.#bySocket.set(sub.socket, sub);
    sub.socket.on('drain', this.#onDrain);
    this.touch(sub.room);
    this.#feed(sub);
    this.markPresence(sub.room);
  }

  leave(sub: Subscriber): void {
    if (!sub.room.subscribers.delete(sub)) return;
    sub.socket.off('drain', this.#onDrain);
    this.touch(sub.room);
    this.markPresence(sub.room);
  }

  /** Close a stream that reads too slowly; its client reconnects with its cursor. @see STREAM-24 */
  #cut(sub: Subscriber): void {
    this.counts.cut++;
    this.leave(sub);
    sub.socket.destroy();
  }

  /** Evict messages, oldest first, of the client that holds the most bytes, until the relay is inside its budget. @see READ-10 */
  evictOverBudget(): void {
    const { budget } = this.#engine;
    const most = this.#limits.relay_bytes;
    if (budget.bytes <= most) return;
    const served = new Set<Room>();
    while (budget.bytes > most - most / EVICTION_MARGIN) {
      const oldest = budget.oldestOfHeaviest();
      const room = oldest === undefined ? undefined : this.#byLog.get(oldest.log);
      if (oldest === undefined || room === undefined) return;
      // Streams that keep up get the messages before they are evicted.
      if (!served.has(room)) this.#flush(room);
      served.add(room);
      this.counts.evicted += room.log.evictThrough(oldest.seq);
    }
  }

  /** Queue a frame for one stream alone. */
  send(sub: Subscriber, frame: object): void {
    sub.own.push(encode(sub.format, JSON.stringify(frame)));
    // One turn of the event loop can read megabytes: answer these frames before reading more.
    if (sub.own.length === TURN_FRAMES) sub.hold(true);
    this.markDirty(sub.room);
  }

  /** Park a request until it is answered or its client disconnects. */
  park(room: Room, parked: Waiter | Claimant): void {
    if ('request' in parked) room.claimants.add(parked);
    else room.waiters.add(parked);
    this.#busy.add(room);
    onceClosed(parked.response, () => this.unpark(room, parked));
  }

  /** Let a parked request go. @returns whether it was still parked. */
  unpark(room: Room, parked: Waiter | Claimant): boolean {
    if (!room.waiters.delete(parked as Waiter) && !room.claimants.delete(parked as Claimant)) return false;
    this.touch(room);
    return true;
  }

  #write(sub: Subscriber, data: Buffer): void {
    sub.writtenAt = this.#clock.mono();
    sub.socket.write(data);
    if (sub.blocked || sub.socket.writableLength <= this.#limits.subscriber_bytes) return;
    sub.blocked = true;
    sub.blockedAt = sub.writtenAt;
    sub.hold(true);
  }

  /** @see STREAM-4 STREAM-5 */
  #ready(sub: Subscriber, joining: NonNullable<Subscriber['joining']>): void {
    const { room } = sub;
    const lastSeq = Math.min(sub.cursor, room.log.lastSeq(this.#clock.wall()));
    const json = readyJson(room, joining, lastSeq, this.#clock.mono());
    sub.joining = null;
    this.#write(sub, encode(sub.format, json, `${room.log.epoch}:${lastSeq}`));
  }

  /** Whether a message was evicted before it was sent on this stream. */
  #overtaken(sub: Subscriber): boolean {
    return sub.cursor + 1 < sub.room.log.oldestSeq;
  }

  /** Send one stream what follows its cursor, until its socket's buffer is full. @see STREAM-24 */
  #feed(sub: Subscriber): void {
    const { log } = sub.room;
    while (!sub.blocked) {
      if (this.#overtaken(sub)) {
        this.#cut(sub);
        return;
      }
      const { data, upTo } = log.frames(sub.format, sub.cursor, FEED_BYTES, this.#clock.wall());
      sub.cursor = Math.max(sub.cursor, upTo);
      if (data.length > 0) this.#write(sub, data);
      else {
        if (sub.joining !== null) this.#ready(sub, sub.joining);
        break;
      }
    }
    if (!sub.blocked && sub.owesPresence) {
      sub.owesPresence = false;
      this.#write(sub, encode(sub.format, presenceJson(sub.room, this.#clock.mono())));
    }
  }

  #flush(room: Room): void {
    const { log } = room;
    const now = this.#clock.wall();
    const from = room.flushed;
    const upTo = log.lastAssigned;
    room.flushed = upTo;
    const shared: Partial<Record<Format, Buffer>> = {};
    const notices = takeNotices(room, this.#clock.mono(), this.#timings.presence_ms);
    for (const sub of room.subscribers) {
      if (sub.own.length > 0) {
        const own = Buffer.concat(sub.own);
        sub.own = [];
        this.#write(sub, own);
        if (!sub.blocked) sub.hold(false);
      }
      if (sub.blocked) {
        if (notices.presence !== null) sub.owesPresence = true;
        continue;
      }
      if (sub.cursor === from && sub.joining === null && log.oldestSeq <= from + 1) {
        const tail = encodeNotices(sub.format, notices);
        const messages =
          upTo === from ? null : (shared[sub.format] ??= log.frames(sub.format, from, Infinity, now).data);
        sub.cursor = upTo;
        if (messages !== null && tail !== null) this.#write(sub, Buffer.concat([messages, tail]));
        else if (messages !== null && messages.length > 0) this.#write(sub, messages);
        else if (tail !== null) this.#write(sub, tail);
      } else {
        this.#feed(sub);
        const tail = encodeNotices(sub.format, notices);
        if (tail !== null) {
          if (sub.blocked) sub.owesPresence ||= notices.presence !== null;
          else this.#write(sub, tail);
        }
      }
    }
    if (room.waiters.size > 0) this.#answerWaiters(room, now);
    if (upTo !== from) for (const claimant of room.claimants) void this.#offer(room, claimant, false);
  }

  /** Answer all parked waits with the same cursor from one encoded answer. @see READ-2 */
  #answerWaiters(room: Room, now: number): void {
    const answers = new Map<number, ReadAnswer | Buffer>();
    for (const waiter of room.waiters) {
      const { after, reset } = waiter.position;
      if (!room.log.hasAbove(after, now)) continue;
      const key = reset ? -1 : after;
      let answer = answers.get(key);
      if (answer === undefined) {
        const page = this.#page(room, waiter.position);
        answers.set(key, (answer = page.bytes <= BLOCK_BYTES ? bytesOfAnswer(page) : page));
      }
      this.#answer(room, waiter, answer);
    }
  }

  #answer(room: Room, waiter: Waiter, answer: ReadAnswer | Buffer): void {
    this.unpark(room, waiter);
    if (Buffer.isBuffer(answer)) waiter.response.end(answer);
    else sendAnswer(waiter.response, answer);
  }

  /** The one timer of the relay: time-outs, keep-alive, presence, eviction. */
  sweep(): void {
    const mono = this.#clock.mono();
    for (const room of this.#busy) {
      this.#tendRoom(room, mono);
      if (!room.inUse && !room.presenceDirty) this.#busy.delete(room);
    }
    // Rooms without clients are checked in turns.
    for (let left = Math.max(SWEEP_ROOMS, this.rooms.size / SWEEP_PARTS); left > 0; left--) {
      const { value: room } = this.#turn.next();
      if (room === undefined) {
        this.#turn = this.rooms.values();
        break;
      }
      this.#age(room, mono);
    }
    this.evictOverBudget();
  }

  #tendRoom(room: Room, mono: number): void {
    const { keepalive_ms: keepalive, listening_ms: listening } = this.#timings;
    for (const waiter of room.waiters) {
      if (mono >= waiter.deadline) this.#answer(room, waiter, this.#page(room, waiter.position));
      else keepAlive(waiter, mono, keepalive);
    }
    for (const claimant of room.claimants) {
      if (mono >= claimant.deadline) void this.#offer(room, claimant, true);
      else keepAlive(claimant, mono, keepalive);
    }
    for (const sub of room.subscribers) this.#tend(sub, mono);
    if (room.expireHeartbeats(mono, listening)) {
      room.presenceDirty = true;
      this.touch(room);
    }
    if (room.presenceDirty) this.markDirty(room);
  }

  /** Drop old messages of a room, and the room itself when it has been idle for long enough. @see ROOM-6 ROOM-7 */
  #age(room: Room, mono: number): void {
    room.log.sweep(this.#clock.wall());
    const { room_idle_ms: idle } = this.#timings;
    if (room.inUse || mono - room.activeAt < idle) return;
    if (this.#engine.unclaimedMs(room.log) >= idle) this.#remove(room);
  }

  /** Send a keep-alive after silence; close a stream that does not read, or does not answer pings. */
  #tend(sub: Subscriber, mono: number): void {
    const { stalled_ms: stalled, keepalive_ms: keepalive } = this.#timings;
    if (sub.blocked && (mono - sub.blockedAt > stalled || this.#overtaken(sub))) this.#cut(sub);
    if (sub.blocked) return;
    // The client of an event stream never says anything; that it is gone is noticed by TCP.
    if (sub.format === 'ws') {
      if (mono - sub.heardAt > Math.max(DEAD_AFTER_PINGS * keepalive, DEAD_LEAST_MS)) this.#cut(sub);
      else if (mono - Math.max(sub.heardAt, sub.pingedAt) >= keepalive) {
        sub.pingedAt = mono;
        this.#write(sub, KEEPALIVE.ws);
      }
    } else if (mono - sub.writtenAt >= keepalive) this.#write(sub, KEEPALIVE[sub.format]);
  }

  /** Shut down: flush, answer all parked requests and close all streams; clients reconnect to the next process. */
  async drain(): Promise<void> {
    const offers: Promise<void>[] = [];
    for (const room of this.rooms.values()) {
      this.#flush(room);
      for (const waiter of room.waiters) this.#answer(room, waiter, this.#page(room, waiter.position));
      for (const claimant of room.claimants) offers.push(this.#offer(room, claimant, true));
      for (const sub of room.subscribers) sub.end(RESTARTING);
    }
    await Promise.all(offers);
  }
}
