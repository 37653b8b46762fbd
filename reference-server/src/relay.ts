import type { IncomingMessage } from 'node:http';
import { RoomId } from '@bot2bot/schemas';
import { Compile } from 'typebox/compile';
import { Auth } from './auth.ts';
import type { Clock } from './clock.ts';
import type { Config, RelayLimits } from './config.ts';
import type { Appended, Engine } from './engine/engine.ts';
import { MemoryEngine } from './engine/memory.ts';
import { Dms } from './dms.ts';
import { Directory } from './directory.ts';
import { Claims } from './claims.ts';
import { Hub } from './hub.ts';
import { Identities } from './identities.ts';
import type { Draft, Page } from './log.ts';
import { RequestProblem } from './problem.ts';
import { addressesBehind, type Addresses, type Client } from './address.ts';
import { Cap, RateLimit } from './rate-limit.ts';
import { Replays } from './replay.ts';
import type { Room } from './room.ts';
import type { Stores } from './store.ts';
import { bodyChecks } from './validate.ts';

const roomId = Compile(RoomId);

/** A post that was accepted, now or before. */
type Posted = Exclude<Appended, { kind: 'nonce-reused' }>;

/** Where a request wants to continue. */
export interface Position {
  readonly after: number;
  /** It named an epoch that is not the room's. @see READ-12 */
  readonly reset: boolean;
}

/** What every route shares: the rooms, the limits, the time. */
export class Relay {
  readonly config: Config;
  readonly clock: Clock;
  readonly engine: Engine;
  readonly hub: Hub;
  readonly rate: RateLimit;
  readonly streams: Cap;
  readonly waiters: Cap;
  readonly bodies: ReturnType<typeof bodyChecks>;
  readonly identities: Identities;
  readonly auth: Auth;
  readonly claims: Claims;
  readonly dms: Dms;
  readonly directory: Directory;
  readonly startedAt: number;
  /** Since the start: what became of posts, and answers to requests by the class of their status. */
  readonly counts = {
    posts: { accepted: 0, duplicate: 0, refused: 0 },
    answers: { '2xx': 0, '3xx': 0, '4xx': 0, '5xx': 0 },
  };
  readonly addresses: Addresses;

  constructor(config: Config, clock: Clock, stores: Stores) {
    const { limits, timings } = config;
    this.config = config;
    this.clock = clock;
    this.engine = new MemoryEngine(limits, timings, clock);
    this.hub = new Hub({
      limits,
      timings,
      clock,
      engine: this.engine,
      page: (room, after, reset) => pageBody(room, { after, reset }, limits.page_messages, clock.wall()),
      offer: (room, claimant, last) => this.claims.offer(room, claimant, last),
    });
    this.rate = new RateLimit(limits, clock);
    this.streams = new Cap(limits.address_streams);
    this.waiters = new Cap(limits.address_waiters);
    this.bodies = bodyChecks(limits, timings);
    const { identities, profiles, held } = stores;
    this.identities = new Identities({ limits, clock, store: identities, held: held.identities });
    this.auth = new Auth(this.identities, new Replays(limits, timings.clock_tolerance_ms, clock));
    this.claims = new Claims(this.hub, this.engine, clock);
    this.dms = new Dms(limits, timings, clock);
    this.directory = new Directory({ limits, timings, clock, store: profiles, held: held.profiles });
    this.startedAt = clock.wall();
    this.addresses = addressesBehind(config.trustedProxies);
  }

  /** Who sent a request, for limits and caps. */
  clientOf(request: IncomingMessage): Client {
    return this.addresses.clientOf(request);
  }

  get limits(): RelayLimits {
    return this.config.limits;
  }

  /** @throws {RequestProblem} bad-room-id. @see ROOM-1 */
  checkRoomId(id: string): string {
    if (!roomId.Check(id)) throw new RequestProblem('bad-room-id');
    return id;
  }

  /**
   * Accept a message for the room, which it makes.
   * @param read the body, called once the client's rate has admitted the post.
   * @throws {RequestProblem} for what the rate, the schema or the room's nonces refuse.
   */
  async post(id: string, client: Client, read: () => Record<string, unknown>): Promise<Posted> {
    try {
      this.rate.admit(id, client);
      const draft = this.bodies.draftOf(read());
      this.auth.verifyMessage(id, draft);
      const posted = await this.#append(id, draft, client);
      this.counts.posts[posted.kind]++;
      return posted;
    } catch (error) {
      this.counts.posts.refused++;
      throw error;
    }
  }

  async #append(id: string, draft: Draft, client: Client): Promise<Posted> {
    const isNew = !this.hub.rooms.has(id);
    const room = this.hub.enter(id);
    const { log } = room;
    const wasLocked = log.locked;
    try {
      const appended = await this.engine.append(log, draft, () =>
        this.auth.admitMessage(draft, log.locked, client),
      );
      if (appended.kind === 'nonce-reused') throw new RequestProblem('nonce-reused');
      if (appended.kind === 'accepted') {
        if (log.locked && !wasLocked) room.news.push(JSON.stringify({ type: 'locked' }));
        this.hub.touch(room);
        this.hub.markDirty(room);
        this.hub.relieve();
      }
      return appended;
    } catch (error) {
      if (isNew) this.hub.leaveEmpty(room);
      throw error;
    }
  }

  sweep(): void {
    this.hub.sweep();
    this.rate.sweep();
    this.auth.replays.sweep();
    this.dms.sweep();
    this.directory.sweep();
  }
}

/** @see READ-12 */
export function positionOf(room: Room | undefined, after: number, epoch: string | null): Position {
  const reset = epoch !== null && epoch !== room?.log.epoch;
  return { after: reset ? 0 : after, reset };
}

/** The JSON of a read; `more` goes in front of its last brace. @see READ-9 READ-10 */
export function pageBody(room: Room, position: Position, most: number, now: number, counted = false): Buffer {
  const { log } = room;
  const page: Page = log.page(position.after, most, now);
  const gap = log.gap(position.after);
  const rest = JSON.stringify({
    last_seq: log.lastSeq(now),
    epoch: log.epoch,
    oldest_seq: log.oldestSeq,
    next_after: page.nextAfter,
    has_more: page.hasMore,
    ...(gap === null ? {} : { gap }),
    ...(position.reset ? { reset: true } : {}),
    ...(counted ? { count: page.count, exists: true } : {}),
  });
  return Buffer.concat([Buffer.from('{"messages":['), page.messages, Buffer.from(`],${rest.slice(1)}`)]);
}
