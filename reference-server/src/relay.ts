import type { IncomingMessage } from 'node:http';
import { RoomId } from '@bot2bot/schemas';
import { Compile } from 'typebox/compile';
import { Auth } from './auth.ts';
import type { FastifyReply } from 'fastify';
import type { Clock } from './clock.ts';
import type { Config, RelayLimits } from './config.ts';
import type { Appended, Engine } from './engine/engine.ts';
import { MemoryEngine } from './engine/memory.ts';
import { Dms } from './dms.ts';
import { Directory } from './directory.ts';
import { Claims } from './claims.ts';
import { Connections } from './connections.ts';
import { Hub } from './hub.ts';
import { Identities } from './identities.ts';
import type { Draft } from './message.ts';
import { answerOf } from './page.ts';
import { PARKED_HEADERS, RequestProblem } from './problem.ts';
import { addressesBehind, type Addresses, type Client } from './address.ts';
import { ConcurrencyCap, RateLimit, shareOf } from './rate-limit.ts';
import { Replays } from './replay.ts';
import { onceClosed, type Room } from './room.ts';
import type { Stores } from './store.ts';
import { bodyChecks } from './validate.ts';

const roomId = Compile(RoomId);

/** The result of a post that was accepted, or that repeats an accepted one. */
type Posted = Exclude<Appended, { kind: 'nonce-reused' }>;

/** The state of a relay, which all routes share. */
export class Relay {
  readonly config: Config;
  readonly clock: Clock;
  readonly engine: Engine;
  readonly hub: Hub;
  readonly rate: RateLimit;
  readonly streams: ConcurrencyCap;
  readonly waiters: ConcurrencyCap;
  /** Limits the parked requests of a client in one room; the scope is the room. */
  readonly roomWaiters: ConcurrencyCap;
  /** Limits the names that a client keeps in the presence of one room; the scope is the room. */
  readonly roomListeners: ConcurrencyCap;
  /** Limits the bytes of a client's requests and answers that are in flight. */
  readonly inFlightBytes: ConcurrencyCap;
  readonly bodies: ReturnType<typeof bodyChecks>;
  readonly identities: Identities;
  readonly auth: Auth;
  readonly claims: Claims;
  readonly dms: Dms;
  readonly directory: Directory;
  readonly startedAt: number;
  /** Counters since the start: posts by outcome, and HTTP answers by status class. */
  readonly counts = {
    posts: { accepted: 0, duplicate: 0, refused: 0 },
    answers: { '2xx': 0, '3xx': 0, '4xx': 0, '5xx': 0 },
  };
  readonly addresses: Addresses;
  readonly connections: Connections;

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
      page: (room, position) => answerOf(room, position, limits.page_messages, clock.wall()),
      offer: (room, claimant, last) => this.claims.offer(room, claimant, last),
    });
    this.rate = new RateLimit(limits, clock);
    this.streams = new ConcurrencyCap(limits.address_streams);
    this.waiters = new ConcurrencyCap(limits.address_waiters);
    this.roomWaiters = shareOf(limits.room_waiters, limits);
    this.roomListeners = shareOf(limits.room_listeners, limits);
    this.inFlightBytes = new ConcurrencyCap(limits.answer_bytes);
    this.bodies = bodyChecks(limits, timings);
    const { identities, profiles, held } = stores;
    this.identities = new Identities({ limits, clock, store: identities, held: held.identities });
    this.auth = new Auth(
      this.identities,
      new Replays(limits, timings.clock_tolerance_ms, clock),
      config.publicUrls,
    );
    this.claims = new Claims(this.hub, this.engine, clock);
    this.dms = new Dms(limits, timings, clock);
    this.directory = new Directory({ limits, timings, clock, store: profiles, held: held.profiles });
    this.startedAt = clock.wall();
    this.addresses = addressesBehind(config.trustedProxies);
    const { addresses } = this;
    this.connections = new Connections({ limits, timings, clock, addresses });
  }

  /** Who sent a request, for limits and caps. */
  clientOf(request: IncomingMessage): Client {
    return this.addresses.clientOf(request);
  }

  get limits(): RelayLimits {
    return this.config.limits;
  }

  readonly countAnswer = (status: number): void => {
    const kind = `${Math.floor(status / 100)}xx`;
    if (kind in this.counts.answers) this.counts.answers[kind as keyof typeof this.counts.answers]++;
  };

  /** @throws {RequestProblem} bad-room-id. @see ROOM-1 */
  checkRoomId(id: string): string {
    if (!roomId.Check(id)) throw new RequestProblem('bad-room-id');
    return id;
  }

  /**
   * Accept a message for a room; creates the room if it does not exist.
   * @param read returns the parsed body; called when the rate limit has admitted the post.
   * @throws {RequestProblem} when the rate limit, validation, the signature, or the room refuses the message.
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
    const room = this.hub.enter(id, client);
    const { log } = room;
    const wasLocked = log.locked;
    try {
      const admit = () => this.auth.admitMessage(draft, log.locked, client);
      const appended = await this.engine.append(log, draft, client, admit);
      if (appended.kind === 'nonce-reused') throw new RequestProblem('nonce-reused');
      if (appended.kind === 'accepted') {
        if (log.locked && !wasLocked) room.notices.push(JSON.stringify({ type: 'locked' }));
        this.hub.touch(room);
        this.hub.markDirty(room);
        this.hub.evictOverBudget();
      }
      return appended;
    } catch (error) {
      if (isNew) this.hub.removeIfEmpty(room);
      throw error;
    }
  }

  /**
   * Send the status and headers of a parked request, whose body follows later. The request counts as parked until its
   * response is closed, so that answers that the client does not read are limited too.
   * @param room null for a request that belongs to no room (an inbox).
   * @throws {RequestProblem} rate-limited.
   */
  parkIn(room: Room | null, client: Client, reply: FastifyReply): void {
    if (room !== null && room.parked >= this.limits.room_waiters)
      throw new RequestProblem('rate-limited', { retryAfter: 5 });
    const release = this.waiters.take(client);
    let releaseRoom: (() => void) | undefined;
    try {
      if (room !== null) releaseRoom = this.roomWaiters.take(client, 1, `${room.id} `);
    } catch (error) {
      release();
      throw error;
    }
    reply.hijack();
    onceClosed(reply.raw, () => {
      release();
      releaseRoom?.();
    });
    reply.raw.writeHead(200, PARKED_HEADERS);
  }

  sweep(): void {
    this.hub.sweep();
    this.connections.sweep();
    this.rate.sweep();
    this.auth.replays.sweep();
    this.dms.sweep();
    this.directory.sweep();
  }
}
