import { Claims, type Claim, type ClaimOptions, type ClaimRef } from './claims.ts';
import { Bot2BotError } from '../wire/errors.ts';
import type { MessageEvent, ReadEvent, RoomEvent } from './events.ts';
import type { Fetch } from '../wire/http.ts';
import type { Identity } from '../agents/identity.ts';
import type { Member } from './member.ts';
import { Keyring, type Pin, type Pins } from '../agents/pins.ts';
import { post, type SendOptions, type Sent } from './post.ts';
import { Position } from './position.ts';
import { fetchPage, fetchStatus, type RoomStatus } from './read-requests.ts';
import { Recent } from './recent.ts';
import { Relay } from '../wire/relay.ts';
import { sleep } from '../wire/retry.ts';
import { parseRoomUrl } from './room-url.ts';
import { follow, missingRoomDelayMs } from './stream.ts';
import type { WebSocketConstructor } from '../wire/transports.ts';
import { work, type Handler, type WorkOptions } from './work.ts';
import { HelloFrame, Ok, TIMINGS } from '../wire/wire.gen.ts';

export interface RoomOptions {
  /**
   * How others see you: 1 to 64 letters, digits or `@._-`, and no other member's. Without it one is made and a warning
   * is written. @see SEAL-13
   */
  readonly name?: string;
  /** Signs what is sent, and claims. Registered before (`register`). Its handle is the name where none is given. */
  readonly identity?: Identity;
  /** Where the keys of others are kept; without it they are forgotten with this object. @see ID-9 */
  readonly pins?: Pins;
  /** Yield your own messages too; false when absent. */
  readonly includeSelf?: boolean;
  /** A WebSocket where the platform has none, such as that of the package `ws`. `null`: use none. */
  readonly WebSocket?: WebSocketConstructor | null;
  /** In place of the platform's `fetch`. */
  readonly fetch?: Fetch;
  /** In place of `console.warn`. */
  readonly warn?: (text: string) => void;
}

/** One page of what the room holds. */
export interface History {
  /** Own messages included. */
  readonly events: readonly ReadEvent[];
  /** Give it as `after` to go on. */
  readonly nextAfter: number;
  readonly hasMore: boolean;
}

const ANSWER_MS = 30_000;

/** @throws {RangeError} for what is no name. */
function nameOf(given: string | undefined, warn: (text: string) => void): string {
  if (given !== undefined) {
    if (!HelloFrame({ type: 'hello', name: given }))
      throw new RangeError('a name has 1 to 64 letters, digits or @ . _ - and no spaces');
    return given;
  }
  const bytes = crypto.getRandomValues(new Uint8Array(3));
  const name = `agent-${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
  warn(`bot2bot: no name was given; this agent calls itself ${name}. Give each agent a name of its own.`);
  return name;
}

/**
 * A room, as a member sees it. It contacts the origin of its URL alone and touches no file.
 *
 *     const room = new Room(url, { name: 'ada' });
 *     await room.send('hello');
 *     for await (const event of room.stream()) if (event.type === 'message') console.log(event.text);
 */
export class Room {
  readonly name: string;
  readonly roomId: string;
  /** Relay of the room, without a `/` at its end. */
  readonly base: string;
  readonly #options: RoomOptions;
  readonly #member: Member;
  readonly #claims: Claims | null;
  readonly #closing = new AbortController();
  readonly #pollPosition: Position;

  /**
   * Nothing is sent yet.
   * @param url of the room, with its key.
   * @throws {RangeError} for what is no room URL (SEAL-2, SEAL-3) or no name.
   */
  constructor(url: string, options: RoomOptions = {}) {
    const { base, roomId, key } = parseRoomUrl(url);
    this.base = base;
    this.roomId = roomId;
    this.#options = options;
    const {
      identity = null,
      pins = new Map<string, Pin>(),
      fetch,
      warn = (said) => console.warn(said),
    } = options;
    this.name = nameOf(options.name ?? identity?.toString(), warn);
    const relay = new Relay(base, fetch, { room: roomId });
    const keys = new Keyring(relay, pins);
    const { name } = this;
    this.#member = { relay, roomId, key, name, identity, sent: new Recent(), keys, warn };
    this.#claims = identity === null ? null : new Claims(this.#member, identity);
    this.#pollPosition = new Position(this.#member, 0, options.includeSelf ?? false);
  }

  /** Ends with the caller's signal and with the room. */
  #signal(given: AbortSignal | undefined): AbortSignal {
    if (this.#closing.signal.aborted)
      throw new Bot2BotError('closed', 'the room was closed', { definite: true });
    return given === undefined ? this.#closing.signal : AbortSignal.any([this.#closing.signal, given]);
  }

  /**
   * Send one text to everyone in the room, signed where the room has an identity.
   * An answer that got lost is asked for again with identical bytes, so that the room holds the message once.
   * @throws {RangeError} for a text that is too long or no UTF-8; {Bot2BotError} when it was refused, or when the relay
   * was out of reach for a minute: `definite` tells whether it may have been accepted.
   * @see MSG-14 MSG-23
   */
  async send(text: string, options: SendOptions = {}): Promise<Sent> {
    const signal = this.#signal(options.signal);
    return post(this.#member, text, options, signal);
  }

  /**
   * Follow the room: what it holds above `after`, then what comes, until `signal` aborts or the room is closed.
   * Interruptions are bridged from the same place; nothing is yielded twice.
   * @throws the signal's reason; {Bot2BotError} when the relay refuses for good.
   */
  async *stream(
    options: { after?: number; includeSelf?: boolean; signal?: AbortSignal } = {},
  ): AsyncGenerator<RoomEvent, void, void> {
    const platform = (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket;
    const { WebSocket: given = platform ?? null, includeSelf = false } = this.#options;
    const position = new Position(this.#member, options.after ?? 0, options.includeSelf ?? includeSelf);
    const signal = this.#signal(options.signal);
    yield* follow(this.#member, position, { socket: given, closing: this.#closing.signal, signal });
  }

  /**
   * Wait for what comes next, once: for agents that work in turns. Each call goes on where the last one ended.
   * @param options `timeoutMs` from 1 000 to 90 000; 30 000 when absent.
   * @returns what came; empty when nothing did.
   * @throws {Bot2BotError}
   */
  async poll(options: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<ReadEvent[]> {
    const signal = this.#signal(options.signal);
    const until = performance.now() + (options.timeoutMs ?? TIMINGS.wait_default_ms);
    const position = this.#pollPosition;
    for (let unknown = 0; ;) {
      const left = until - performance.now();
      const timeout = Math.max(1, Math.round(left / 1000));
      const { events, exists } = await fetchPage(
        this.#member,
        position,
        'waitForMessages',
        { timeout },
        signal,
      );
      if (events.length > 0 || performance.now() >= until) return events;
      const pause = exists ? 0 : missingRoomDelayMs(unknown++);
      await sleep(Math.min(pause, Math.max(0, until - performance.now())), signal);
    }
  }

  /**
   * Read a page of what the room holds, own messages included. It moves no other position.
   * @param options `after` a seq, 0 when absent; `limit` from 1 to 500, 100 when absent.
   */
  async history(options: { after?: number; limit?: number; signal?: AbortSignal } = {}): Promise<History> {
    const signal = this.#signal(options.signal);
    const position = new Position(this.#member, options.after ?? 0, true);
    const { events, hasMore } = await fetchPage(
      this.#member,
      position,
      'readTranscript',
      { limit: options.limit ?? 100 },
      signal,
    );
    return { events, nextAfter: position.after, hasMore };
  }

  /** Look at the room without joining it. */
  async status(options: { signal?: AbortSignal } = {}): Promise<RoomStatus> {
    return fetchStatus(this.#member, this.#signal(options.signal));
  }

  /**
   * Stay in presence for a minute without a connection.
   * @returns false when the room does not exist.
   */
  async listening(options: { signal?: AbortSignal } = {}): Promise<boolean> {
    const signal = this.#signal(options.signal);
    const body = JSON.stringify({ name: this.name });
    try {
      await this.#member.relay.http.json(
        { method: 'POST', operation: 'announceListening', body, signal, timeoutMs: ANSWER_MS },
        Ok,
      );
      return true;
    } catch (error) {
      if (error instanceof Bot2BotError && error.status === 404) return false;
      throw error;
    }
  }

  #claiming(): Claims {
    if (this.#claims === null) throw new TypeError('claims need an identity');
    return this.#claims;
  }

  /**
   * Take the next message for the identity's handle, wherever its last process stopped. Own messages and what is no
   * message for an agent are acked on the way.
   * @returns null when none came within `timeoutMs`.
   * @throws {Bot2BotError} unknown-handle for an identity that is not registered, among others.
   * @see CLAIM-3 CLAIM-6 CLAIM-31
   */
  async claim(options: ClaimOptions = {}): Promise<Claim | null> {
    return this.#claiming().claim(options, this.#signal(options.signal));
  }

  /**
   * The message has been dealt with: it is never claimed again.
   * @throws {Bot2BotError} claim-gone: too late, it is granted again.
   * @see CLAIM-15 CLAIM-5
   */
  async ack(
    claim: ClaimRef,
    options: { signal?: AbortSignal } = {},
  ): Promise<{ advanced: boolean; cursor: number }> {
    return this.#claiming().ack(claim, this.#signal(options.signal));
  }

  /**
   * Let the lease end later.
   * @param leaseMs from now; 60 000 when absent.
   * @throws {Bot2BotError} claim-gone.
   * @see CLAIM-21
   */
  async renew(claim: Claim, leaseMs?: number, options: { signal?: AbortSignal } = {}): Promise<void> {
    return this.#claiming().renew(claim, leaseMs, this.#signal(options.signal));
  }

  /** Give the message back, to be claimed again at once. @returns false when it was no longer held. @see CLAIM-22 */
  async release(claim: Pick<Claim, 'claimId'>, options: { signal?: AbortSignal } = {}): Promise<boolean> {
    return this.#claiming().release(claim, this.#signal(options.signal));
  }

  /**
   * Claim and ack in one: simple, but a message is lost when its reader dies with it.
   * @returns null when none came within `timeoutMs`.
   */
  async nextTask(options: ClaimOptions = {}): Promise<MessageEvent | null> {
    const claim = await this.claim(options);
    if (claim === null) return null;
    await this.ack(claim, options);
    return claim.event;
  }

  /**
   * Deal with messages one by one, until `signal` aborts or the room is closed: claim, handle, ack. The lease is renewed
   * while the handler runs. What it throws at is given back and offered again, after a pause that grows.
   * @throws the signal's reason; {Bot2BotError} when the relay refuses for good.
   */
  async work(handler: Handler, options: WorkOptions = {}): Promise<void> {
    const signal = this.#signal(options.signal);
    const closing = this.#closing.signal;
    try {
      await work(this.#claiming(), handler, options, { signal, closing, warn: this.#member.warn });
    } catch (error) {
      if (!closing.aborted) throw error;
    }
  }

  /** End every stream and request of this object. The room itself lives on. */
  close(): void {
    this.#closing.abort(new Bot2BotError('closed', 'the room was closed'));
  }
}
