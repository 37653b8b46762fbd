import type { Limits, Timings } from '@bot2bot/schemas';
import type { Clock } from './clock.ts';
import type { Engine } from './engine/engine.ts';
import { textFrame, type Format } from './log.ts';
import { RequestProblem } from './problem.ts';
import { Room, type Claimant, type Subscriber, type Waiter } from './room.ts';

const KEEPALIVE = Buffer.from(':\n\n');
/** Bytes taken from the log at a time for a subscriber that does not keep up with the others. */
const FEED_BYTES = 64 << 10;
/** Frames of one client that are answered in a turn before it is made to wait for the next. */
const TURN_FRAMES = 128;
/** WebSocket close code (RFC 6455 registry). */
const RESTARTING = 1012;

/** Encode a frame that is not a message. */
function encode(format: Format, json: string, id?: string): Buffer {
  if (format === 'ws') return textFrame(Buffer.from(json));
  return Buffer.from(id === undefined ? `data: ${json}\n\n` : `id: ${id}\ndata: ${json}\n\n`);
}

/**
 * Feeds everyone who is connected: subscribers by cursor from the room's log, parked waits from a shared answer.
 * Nothing is written when a message arrives; one flush per turn of the event loop serves all rooms that changed.
 */
export class Hub {
  readonly rooms = new Map<string, Room>();
  /** Streams that were cut, and messages that were evicted for the sake of the relay's budget, since it started. */
  readonly counts = { cut: 0, evicted: 0 };
  readonly #limits: Limits;
  readonly #timings: Timings;
  readonly #clock: Clock;
  readonly #engine: Engine;
  readonly #bySocket = new WeakMap<object, Subscriber>();
  readonly #dirty = new Set<Room>();
  readonly #page: (room: Room, after: number, reset: boolean) => Buffer;
  readonly #offer: (room: Room, claimant: Claimant, last: boolean) => Promise<void>;
  #scheduled = false;
  readonly #onDrain: (this: object) => void;

  /**
   * @param page the answer of a wait at this position.
   * @param offer answers a parked claim if there is something for it; if this is its last chance, in any case.
   */
  constructor(given: {
    limits: Limits;
    timings: Timings;
    clock: Clock;
    engine: Engine;
    page: (room: Room, after: number, reset: boolean) => Buffer;
    offer: (room: Room, claimant: Claimant, last: boolean) => Promise<void>;
  }) {
    this.#limits = given.limits;
    this.#timings = given.timings;
    this.#clock = given.clock;
    this.#engine = given.engine;
    this.#page = given.page;
    this.#offer = given.offer;
    const drained = (socket: object) => {
      const sub = this.#bySocket.get(socket);
      if (sub === undefined) return;
      sub.blocked = false;
      this.#feed(sub);
      if (!sub.blocked) sub.hold(false);
    };
    this.#onDrain = function onDrain() {
      drained(this);
    };
  }

  /** The room, made if it does not exist. @throws {RequestProblem} unavailable, when there are too many. @see ROOM-2 */
  enter(id: string): Room {
    let room = this.rooms.get(id);
    if (room === undefined) {
      if (this.rooms.size >= this.#limits.rooms) throw new RequestProblem('unavailable', { retryAfter: 30 });
      room = new Room(id, this.#engine.open(), this.#clock.mono());
      this.rooms.set(id, room);
    }
    return room;
  }

  /** Take back a room that was entered for nothing. @see ROOM-2 */
  leaveEmpty(room: Room): void {
    if (room.inUse || room.log.lastAssigned >= room.log.firstSeq) return;
    room.log.close();
    this.rooms.delete(room.id);
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

  /** It took too little for too long: it must notice, and come back with its cursor. @see STREAM-24 */
  #cut(sub: Subscriber): void {
    this.counts.cut++;
    this.leave(sub);
    sub.socket.destroy();
  }

  /** Evict the oldest messages of the fullest rooms until all of them together are inside the budget. @see READ-10 */
  relieve(): void {
    const { budget } = this.#engine;
    const most = this.#limits.relay_bytes;
    while (budget.bytes > most) {
      let fullest: Room | undefined;
      for (const room of this.rooms.values())
        if (fullest === undefined || room.log.bytes > fullest.log.bytes) fullest = room;
      if (fullest === undefined || fullest.log.bytes === 0) return;
      // Who keeps up has been served before anything goes.
      this.#flush(fullest);
      this.counts.evicted += fullest.log.shed(Math.max(budget.bytes - most, fullest.log.bytes >> 4));
    }
  }

  /** Queue a frame for one stream alone. */
  tell(sub: Subscriber, frame: object): void {
    sub.own.push(encode(sub.format, JSON.stringify(frame)));
    // One turn of the event loop can read megabytes: what came is served before more is taken.
    if (sub.own.length === TURN_FRAMES) sub.hold(true);
    this.markDirty(sub.room);
  }

  park(room: Room, waiter: Waiter): void {
    room.waiters.add(waiter);
  }

  /** Let a parked request go. @returns whether it was still parked. */
  unpark(room: Room, parked: Waiter | Claimant): boolean {
    if (!room.waiters.delete(parked as Waiter) && !room.claimants.delete(parked as Claimant)) return false;
    parked.release();
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

  #presence(room: Room): string {
    const { size, names } = room;
    return JSON.stringify({
      type: 'presence',
      size,
      names,
      participants: room.participants(this.#clock.mono()),
    });
  }

  /** @see STREAM-4 STREAM-5 */
  #ready(sub: Subscriber, joining: NonNullable<Subscriber['joining']>): void {
    const { room } = sub;
    const lastSeq = Math.min(sub.cursor, room.log.lastSeq(this.#clock.wall()));
    const frame = {
      type: 'ready',
      roomId: room.id,
      size: room.size,
      last_seq: lastSeq,
      participants: room.participants(this.#clock.mono()),
      epoch: room.log.epoch,
      oldest_seq: joining.oldestSeq,
      ...(joining.reset ? { reset: true } : {}),
      ...(joining.gap === null ? {} : { gap: joining.gap }),
    };
    sub.joining = null;
    this.#write(sub, encode(sub.format, JSON.stringify(frame), `${room.log.epoch}:${lastSeq}`));
  }

  /** Whether something that it has yet to be sent was evicted. */
  #overtaken(sub: Subscriber): boolean {
    return sub.cursor + 1 < sub.room.log.oldestSeq;
  }

  /** Serve one stream from its own cursor, as far as its socket takes it. @see STREAM-24 */
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
      this.#write(sub, encode(sub.format, this.#presence(sub.room)));
    }
  }

  #flush(room: Room): void {
    const { log } = room;
    const now = this.#clock.wall();
    const from = room.flushed;
    const upTo = log.lastAssigned;
    room.flushed = upTo;
    const shared: Partial<Record<Format, Buffer>> = {};
    const news = this.#takeNews(room);
    for (const sub of room.subscribers) {
      if (sub.own.length > 0) {
        const own = Buffer.concat(sub.own);
        sub.own = [];
        this.#write(sub, own);
        if (!sub.blocked) sub.hold(false);
      }
      if (sub.blocked) {
        if (news.presence !== null) sub.owesPresence = true;
        continue;
      }
      if (sub.cursor === from && sub.joining === null && log.oldestSeq <= from + 1) {
        const tail = this.#tail(sub.format, news);
        const messages =
          upTo === from ? null : (shared[sub.format] ??= log.frames(sub.format, from, Infinity, now).data);
        sub.cursor = upTo;
        if (messages !== null && tail !== null) this.#write(sub, Buffer.concat([messages, tail]));
        else if (messages !== null && messages.length > 0) this.#write(sub, messages);
        else if (tail !== null) this.#write(sub, tail);
      } else {
        this.#feed(sub);
        const tail = this.#tail(sub.format, news);
        if (tail !== null) {
          if (sub.blocked) sub.owesPresence ||= news.presence !== null;
          else this.#write(sub, tail);
        }
      }
    }
    if (room.waiters.size > 0) this.#answerWaiters(room, now);
    if (upTo !== from) for (const claimant of room.claimants) void this.#offer(room, claimant, false);
  }

  /** Renames, and presence if it is time. @see STREAM-22 STREAM-23 */
  #takeNews(room: Room): { renames: string[]; presence: string | null } {
    const renames = room.news;
    if (renames.length > 0) room.news = [];
    const now = this.#clock.mono();
    let presence: string | null = null;
    if (room.presenceDirty && now - room.presenceAt >= this.#timings.presence_ms) {
      room.presenceDirty = false;
      room.presenceAt = now;
      presence = this.#presence(room);
    }
    return { renames, presence };
  }

  #tail(format: Format, news: { renames: string[]; presence: string | null }): Buffer | null {
    const frames = news.presence === null ? news.renames : [...news.renames, news.presence];
    return frames.length === 0 ? null : Buffer.concat(frames.map((json) => encode(format, json)));
  }

  /** One answer for all waiters at the same place. @see READ-2 */
  #answerWaiters(room: Room, now: number): void {
    const answers = new Map<number, Buffer>();
    for (const waiter of room.waiters) {
      if (!room.log.hasAbove(waiter.after, now)) continue;
      const key = waiter.reset ? -1 : waiter.after;
      let body = answers.get(key);
      if (body === undefined) answers.set(key, (body = this.#page(room, waiter.after, waiter.reset)));
      this.#answer(room, waiter, body);
    }
  }

  #answer(room: Room, waiter: Waiter, body: Buffer): void {
    this.unpark(room, waiter);
    waiter.response.end(body);
  }

  /** The one timer of the relay: time-outs, keep-alive, presence, eviction. */
  sweep(): void {
    const mono = this.#clock.mono();
    for (const room of this.rooms.values()) {
      for (const waiter of room.waiters) {
        if (mono >= waiter.deadline) this.#answer(room, waiter, this.#page(room, waiter.after, waiter.reset));
      }
      for (const claimant of room.claimants)
        if (mono >= claimant.deadline) void this.#offer(room, claimant, true);
      for (const sub of room.subscribers) {
        if (sub.blocked && (mono - sub.blockedAt > this.#timings.stalled_ms || this.#overtaken(sub)))
          this.#cut(sub);
        if (sub.format !== 'sse' || sub.blocked || mono - sub.writtenAt < this.#timings.keepalive_ms)
          continue;
        this.#write(sub, KEEPALIVE);
      }
      if (room.expireHeartbeats(mono, this.#timings.listening_ms)) {
        room.presenceDirty = true;
        this.touch(room);
      }
      if (room.presenceDirty) this.markDirty(room);
      room.log.sweep(this.#clock.wall());
      if (this.#engine.leased(room.log)) this.touch(room);
      if (room.inUse || mono - room.activeAt < this.#timings.room_idle_ms) continue;
      room.log.close();
      this.rooms.delete(room.id);
    }
    this.relieve();
  }

  /** Send everyone away, to come back to the next process. */
  async drain(): Promise<void> {
    const offers: Promise<void>[] = [];
    for (const room of this.rooms.values()) {
      this.#flush(room);
      for (const waiter of room.waiters)
        this.#answer(room, waiter, this.#page(room, waiter.after, waiter.reset));
      for (const claimant of room.claimants) offers.push(this.#offer(room, claimant, true));
      for (const sub of room.subscribers) sub.end(RESTARTING);
    }
    await Promise.all(offers);
  }
}
