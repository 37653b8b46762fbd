/** A hub with a clock that the test controls and sockets in memory, and a model of the messages due to each reader. */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { DEFAULT_TIMINGS } from '@bot2bot/schemas';
import { expect } from 'vitest';
import type { Client } from '../src/address.ts';
import { DEFAULT_CONFIG } from '../src/config.ts';
import type { Format } from '../src/encoding.ts';
import { MemoryEngine } from '../src/engine/memory.ts';
import { Hub } from '../src/hub.ts';
import { ENTRY_BYTES } from '../src/log.ts';
import { answerOf, positionOf, bytesOfAnswer } from '../src/page.ts';
import type { Room, Subscriber, Waiter } from '../src/room.ts';
import { framesIn, json, Wire, type Json } from './wire.ts';

const START = 1_700_000_000_000;
const PAGE = 3;
const LIMITS = {
  ...DEFAULT_CONFIG.limits,
  buffer_messages: 8,
  room_bytes: 6_000,
  relay_bytes: 12_000,
  cache_bytes: 2_500,
  subscriber_bytes: 1_500,
};
const TIMINGS = { ...DEFAULT_TIMINGS, retention_ms: 45_000, dedup_ms: 3_000, stalled_ms: 10_000 };

interface Post {
  readonly seq: number;
  readonly frame: Json;
  readonly bytes: number;
  readonly ts: number;
  readonly expiresAt: number;
}

/** One lifetime of a room, as its clients can observe it. */
interface Life {
  readonly room: Room;
  readonly posts: Post[];
  /** Everything below this seq has been evicted. */
  floor: number;
  usedAt: number;
  /** The last claim of the handle, and the time until which it is live. */
  claim: { readonly id: string; readonly until: number } | null;
}

interface Stream {
  readonly life: Life;
  readonly sub: Subscriber;
  readonly wire: Wire;
  /** The stream begins after this seq: the client's cursor, or the last seq that was evicted when it joined, if greater. */
  readonly start: number;
  readonly newestAtJoin: number;
  readonly expectedReady: Json;
  /** Number of frames that have been checked, and the seq of the last message among them. */
  checked: number;
  last: number;
  isReady: boolean;
  open: boolean;
}

interface Read {
  readonly life: Life;
  readonly after: number;
  readonly wire: Wire;
  readonly deadline: number;
  open: boolean;
}

/** Resolves when the hub has served all changes. */
export const turn = () => new Promise((resolve) => setImmediate(resolve));

export class Scene {
  now = START;
  readonly engine: MemoryEngine;
  readonly hub: Hub;
  readonly lives = new Map<string, Life>();
  streams: Stream[] = [];
  reads: Read[] = [];
  #highest = 0;
  #nonce = 0;

  constructor() {
    const clock = { wall: () => this.now, mono: () => this.now - START };
    this.engine = new MemoryEngine(LIMITS, TIMINGS, clock);
    this.hub = new Hub({
      limits: LIMITS,
      timings: TIMINGS,
      clock,
      engine: this.engine,
      page: (room, position) => answerOf(room, position, PAGE, this.now),
      offer: () => Promise.resolve(),
    });
  }

  enter(id: string, client: Client): Life {
    const room = this.hub.enter(id, client);
    let life = this.lives.get(id);
    if (life?.room !== room) {
      expect(room.log.firstSeq).toBeGreaterThan(this.#highest);
      life = { room, posts: [], floor: room.log.firstSeq, usedAt: this.now, claim: null };
      this.lives.set(id, life);
    }
    return life;
  }

  post(id: string, client: Client, chars: number, ttlMs: number): void {
    const life = this.enter(id, client);
    const nonce = Buffer.alloc(24, ++this.#nonce).toString('base64');
    const ciphertext = 'A'.repeat(4 * chars);
    const draft = { sender: 's', signature: undefined, signedOnly: false, ciphertext, nonce, ttlMs };
    const { log } = life.room;
    const appended = this.engine.append(
      log,
      { ...draft, replyTo: undefined, ext: undefined },
      client,
      () => undefined,
    );
    if (appended.kind === 'nonce-reused') throw new Error('every nonce is fresh');
    const { seq, id: messageId } = appended;
    const frame = {
      type: 'message',
      seq,
      id: messageId,
      sender: 's',
      sender_verified: false,
      ciphertext,
      nonce,
      ts: this.now,
      ...(ttlMs === 0 ? {} : { ttl_ms: ttlMs }),
    };
    const { length } = JSON.stringify(frame);
    const bytes = length + (length < 126 ? 2 : 4) + ENTRY_BYTES;
    const expiresAt = ttlMs === 0 ? Infinity : this.now + ttlMs;
    expect(seq).toBe((life.posts.at(-1)?.seq ?? log.firstSeq - 1) + 1);
    life.posts.push({ seq, frame, bytes, ts: this.now, expiresAt });
    life.usedAt = this.now;
    this.#highest = seq;
    this.hub.touch(life.room);
    this.hub.markDirty(life.room);
    this.hub.evictOverBudget();
  }

  /** A cursor for a room: 0, the seq of some post, that of the last one, or far beyond. */
  cursor({ posts, room }: Life, at: number): number {
    if (at === 0) return 0;
    if (at > 0.95) return room.log.lastAssigned + 2;
    return posts[Math.floor(at * posts.length)]?.seq ?? room.log.lastAssigned;
  }

  join(id: string, client: Client, format: Format, at: number, knowsEpoch: boolean): void {
    const life = this.enter(id, client);
    const { log } = life.room;
    const given = this.cursor(life, at);
    const { after, reset } = positionOf(life.room, given, knowsEpoch ? log.epoch : 'another-epoch');
    const wire = new Wire(LIMITS.subscriber_bytes);
    wire.on('error', () => undefined);
    const mono = this.now - START;
    const [gap, oldestSeq] = [log.gap(after), log.oldestSeq];
    const sub: Subscriber = {
      format,
      socket: wire as unknown as Socket,
      room: life.room,
      cursor: Math.max(after, oldestSeq - 1),
      joining: { reset, gap, oldestSeq },
      blocked: false,
      blockedAt: 0,
      owesPresence: false,
      name: undefined,
      boxPub: undefined,
      seenAt: mono,
      heardAt: mono,
      pingedAt: mono,
      writtenAt: mono,
      own: [],
      hold: () => undefined,
      end: () => wire.destroy(),
    };
    this.streams.push({
      life,
      sub,
      wire,
      start: Math.max(after, life.floor - 1),
      newestAtJoin: log.lastAssigned,
      expectedReady: {
        type: 'ready',
        roomId: id,
        epoch: log.epoch,
        oldest_seq: life.floor,
        ...(knowsEpoch ? {} : { reset: true }),
        ...(after > 0 && after < life.floor - 1
          ? {
              gap: {
                from: after + 1,
                to: life.floor - 1,
              },
            }
          : {}),
      },
      checked: 0,
      last: 0,
      isReady: false,
      open: true,
    });
    life.usedAt = this.now;
    this.hub.join(sub);
  }

  /** The messages that a read after this seq must return now. */
  owed({ posts, floor }: Life, after: number): Post[] {
    return posts.filter(({ seq, expiresAt }) => seq > after && seq >= floor && expiresAt > this.now);
  }

  /** @see READ-5 READ-8 READ-9 READ-10 */
  checkAnswer(life: Life, after: number, answer: Json): void {
    // The answer may have been given before another eviction in the same step.
    const oldest = Number(answer['oldest_seq']);
    expect(oldest).toBeGreaterThanOrEqual(life.floor);
    expect(oldest).toBeLessThanOrEqual(this.checkFloor(life));
    life.floor = oldest;
    const owed = this.owed(life, after);
    const { floor } = life;
    expect(answer).toEqual({
      messages: owed.slice(0, PAGE).map(({ frame: { type: _type, ...fields } }) => fields),
      last_seq: this.owed(life, 0).at(-1)?.seq ?? 0,
      epoch: life.room.log.epoch,
      oldest_seq: floor,
      next_after: expect.any(Number),
      has_more: owed.length > PAGE,
      ...(after > 0 && after < floor - 1 ? { gap: { from: after + 1, to: floor - 1 } } : {}),
    });
    const next = Number(answer['next_after']);
    expect(this.owed(life, next)).toEqual(owed.slice(PAGE));
    expect(next).toBeGreaterThanOrEqual(after);
  }

  read(id: string, at: number): void {
    const life = this.lives.get(id);
    if (life === undefined || this.hub.rooms.get(id) !== life.room) return;
    let after = this.cursor(life, at);
    for (let hasMore = true; hasMore;) {
      const page = answerOf(life.room, { after, reset: false }, PAGE, this.now);
      const answer = json(bytesOfAnswer(page).toString());
      this.checkAnswer(life, after, answer);
      after = Number(answer['next_after']);
      hasMore = answer['has_more'] === true;
    }
  }

  wait(id: string, at: number, ms: number): void {
    const life = this.lives.get(id);
    if (life === undefined || this.hub.rooms.get(id) !== life.room) return;
    const after = this.cursor(life, at);
    if (life.room.log.hasAbove(after, this.now)) return;
    const wire = new Wire(LIMITS.subscriber_bytes);
    const mono = this.now - START;
    const response = wire as unknown as ServerResponse;
    const waiter: Waiter = {
      position: { after, reset: false },
      deadline: mono + ms,
      response,
      writtenAt: mono,
    };
    this.reads.push({ life, after, wire, deadline: this.now + ms, open: true });
    this.hub.park(life.room, waiter);
  }

  /** Release the claim of the handle, then claim a message; with `leaseMs` 0, only release. */
  claim(id: string, client: Client, leaseMs: number): void {
    const life = this.lives.get(id);
    if (life === undefined || this.hub.rooms.get(id) !== life.room) return;
    const { log } = life.room;
    const { claim } = life;
    if (claim !== null && this.engine.release(log, 'bot', claim.id))
      life.claim = { ...claim, until: this.now };
    if (leaseMs === 0) return;
    const request = {
      handle: 'bot',
      client,
      leaseMs,
      exclude: new Set<string>(),
      self: 'label',
      searched: 0,
    } as const;
    const grant = this.engine.claim(log, { ...request });
    if (grant !== null) life.claim = { id: grant.claimId, until: this.now + leaseMs };
  }

  /** Check that every eviction was necessary. @returns the room's oldest seq. @see READ-13 READ-14 */
  checkFloor({ room: { log }, posts, floor }: Life): number {
    const { oldestSeq } = log;
    expect(oldestSeq).toBeGreaterThanOrEqual(floor);
    const last = posts.find(({ seq }) => seq === oldestSeq - 1);
    if (oldestSeq === floor || last === undefined) return oldestSeq;
    const kept = posts.filter(({ seq }) => seq >= last.seq);
    const bytes = kept.reduce((sum, post) => sum + post.bytes, 0);
    const isOverRoom = kept.length > LIMITS.buffer_messages || (kept.length > 1 && bytes > LIMITS.room_bytes);
    const isOld = last.ts <= this.now - TIMINGS.retention_ms;
    expect(isOverRoom || isOld || this.hub.counts.evicted > this.evictedBefore).toBe(true);
    return oldestSeq;
  }

  evictedBefore = 0;

  /** Check the frames that were sent on a stream since the last check. @see STREAM-2 STREAM-3 STREAM-5 */
  checkStream(stream: Stream): void {
    const { life, sub, wire, start } = stream;
    expect(wire.overfilled).toBe(false);
    const frames = framesIn(sub.format, Buffer.concat(wire.sent));
    for (const frame of frames.slice(stream.checked)) {
      const from = Math.max(start, stream.last);
      if (frame === null) sub.heardAt = this.now - START;
      else if (frame['type'] === 'message') {
        const seq = Number(frame['seq']);
        expect(seq).toBeGreaterThan(from);
        const post = life.posts.find((known) => known.seq === seq);
        expect(frame).toEqual(post?.frame);
        const skipped = life.posts.filter((known) => known.seq > from && known.seq < seq);
        expect(skipped.filter(({ expiresAt }) => expiresAt > this.now)).toEqual([]);
        stream.last = seq;
      } else if (frame['type'] === 'ready') {
        expect(stream.isReady).toBe(false);
        stream.isReady = true;
        expect(frame).toMatchObject(stream.expectedReady);
        expect(Object.keys(frame)).toHaveLength(Object.keys(stream.expectedReady).length + 3);
        expect(frame['last_seq']).toBeLessThanOrEqual(from);
        const missed = life.posts.filter(({ seq }) => seq > from && seq <= stream.newestAtJoin);
        expect(missed.filter(({ expiresAt }) => expiresAt > this.now)).toEqual([]);
      } else expect(frame['type']).toBe('presence');
    }
    stream.checked = frames.length;
  }

  /** Check all clients after a step. @param isFlushed whether the hub has served all changes. */
  observe(isFlushed: boolean): void {
    for (const stream of this.streams) {
      if (!stream.open) continue;
      this.checkStream(stream);
      const { life, wire, start } = stream;
      const reached = Math.max(start, stream.last);
      if (wire.destroyed) {
        // A stream is cut only if its client stopped reading, or if a message was evicted before it was sent.
        expect(wire.stalled || life.room.log.oldestSeq > reached + 1).toBe(true);
        stream.open = false;
        life.usedAt = this.now;
      } else if (isFlushed && !wire.stalled) {
        expect(stream.isReady).toBe(true);
        expect(this.owed(life, reached)).toEqual([]);
      }
    }
    for (const read of this.reads) {
      if (!read.open) continue;
      const { life, after, wire } = read;
      if (wire.writableEnded || wire.destroyed) {
        read.open = false;
        life.usedAt = this.now;
        if (wire.writableEnded) this.checkAnswer(life, after, json(Buffer.concat(wire.sent).toString()));
      } else if (isFlushed) expect(this.owed(life, after)).toEqual([]);
    }
    for (const life of this.lives.values()) life.floor = this.checkFloor(life);
    this.evictedBefore = this.hub.counts.evicted;
    this.checkBudgets();
  }

  checkBudgets(): void {
    const { budget, cache } = this.engine;
    let held = 0;
    for (const [id, { room, posts, floor }] of this.lives) {
      if (this.hub.rooms.get(id) !== room) continue;
      const { log } = room;
      const buffered = posts.filter(({ seq }) => seq >= floor);
      expect(buffered.length).toBeLessThanOrEqual(LIMITS.buffer_messages);
      expect(log.bytes <= LIMITS.room_bytes || buffered.length === 1).toBe(true);
      const live = buffered.filter(({ expiresAt }) => expiresAt > this.now);
      expect(log.bytes).toBeGreaterThanOrEqual(live.reduce((sum, { bytes }) => sum + bytes, 0));
      held += log.bytes;
    }
    expect(budget.bytes).toBeGreaterThanOrEqual(held);
    expect(budget.bytes <= LIMITS.relay_bytes || held === 0).toBe(true);
    expect(cache.bytes).toBeLessThanOrEqual(LIMITS.cache_bytes);
  }

  /** @see ROOM-6 ROOM-7 */
  pass(ms: number): void {
    this.now += ms;
    this.hub.sweep();
    this.observe(false);
    for (const { open, deadline } of this.reads) expect(open && deadline <= this.now).toBe(false);
    for (const [id, life] of this.lives) {
      const isUsed = [...this.streams, ...this.reads].some((user) => user.open && user.life === life);
      const usedAt = Math.max(life.usedAt, life.claim?.until ?? 0);
      const isKept = isUsed || this.now - usedAt < TIMINGS.room_idle_ms;
      expect(this.hub.rooms.get(id) === life.room).toBe(isKept);
      if (!isKept) this.lives.delete(id);
    }
  }
}
