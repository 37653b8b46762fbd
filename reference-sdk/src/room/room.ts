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
   * Your label in the room: 1 to 64 letters, digits or `@._-`, different from every other member's. When absent, a random
   * name is used and a warning is written.
   * @see SEAL-13
   */
  readonly name?: string;
  /** Signs messages and claims. Register it first (`register`). Its handle is the default for `name`. */
  readonly identity?: Identity;
  /** Pinned keys of other agents; kept in memory when absent. @see ID-9 */
  readonly pins?: Pins;
  /** Also return your own messages; false when absent. */
  readonly includeSelf?: boolean;
  /** WebSocket class to use, such as that of the package `ws`; the platform's when absent. `null` disables WebSocket. */
  readonly WebSocket?: WebSocketConstructor | null;
  /** The `fetch` to use; the platform's when absent. */
  readonly fetch?: Fetch;
  /** Receives warnings; `console.warn` when absent. */
  readonly warn?: (text: string) => void;
}

/** One page of what the room holds. */
export interface History {
  /** Includes own messages. */
  readonly events: readonly ReadEvent[];
  /** Pass it as `after` to read the next page. */
  readonly nextAfter: number;
  readonly hasMore: boolean;
}

const ANSWER_MS = 30_000;

/** The given name, or a random one. @throws {RangeError} when it is not a valid name. */
function nameOf(given: string | undefined, warn: (text: string) => void): string {
  if (given !== undefined) {
    if (!HelloFrame({ type: 'hello', name: given }))
      throw new RangeError('a name has 1 to 64 letters, digits or @ . _ - and no spaces');
    return given;
  }
  const bytes = crypto.getRandomValues(new Uint8Array(3));
  const name = `agent-${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
  warn(`bot2bot: no name was given, so this agent is called ${name}. Give each agent its own name.`);
  return name;
}

/**
 * A member's connection to a room. It contacts only the origin of the room's URL, and touches no file.
 *
 *     const room = new Room(url, { name: 'ada' });
 *     await room.send('hello');
 *     for await (const event of room.stream()) if (event.type === 'message') console.log(event.text);
 */
export class Room {
  readonly name: string;
  readonly roomId: string;
  /** URL of the room's relay, without a trailing `/`. */
  readonly base: string;
  readonly #options: RoomOptions;
  readonly #member: Member;
  readonly #claims: Claims | null;
  readonly #closing = new AbortController();
  readonly #pollPosition: Position;

  /**
   * Sends nothing yet.
   * @param url the room's URL, with its key.
   * @throws {RangeError} when the URL is not a room URL (SEAL-2, SEAL-3) or the name is invalid.
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

  /** A signal that aborts with the caller's, or when the room is closed. */
  #signal(given: AbortSignal | undefined): AbortSignal {
    if (this.#closing.signal.aborted)
      throw new Bot2BotError('closed', 'the room was closed', { definite: true });
    return given === undefined ? this.#closing.signal : AbortSignal.any([this.#closing.signal, given]);
  }

  /**
   * Send one text to everyone in the room, signed if the room has an identity.
   * When the answer is lost, it sends identical bytes again, so that the room holds the message once.
   * @throws {RangeError} when the text is too long or has a lone surrogate. {Bot2BotError} when the relay refused it or was
   * unreachable for a minute: unless `definite`, the message may have been accepted.
   * @see MSG-14 MSG-23
   */
  async send(text: string, options: SendOptions = {}): Promise<Sent> {
    const signal = this.#signal(options.signal);
    return post(this.#member, text, options, signal);
  }

  /**
   * Follow the room: first the messages after `after`, then new ones, until `signal` aborts or the room is closed.
   * It reconnects after interruptions and continues from its position; no message is yielded twice.
   * @throws the signal's reason. {Bot2BotError} when the relay refuses permanently.
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
   * Wait once for new messages, for agents that work in turns. Each call continues where the previous one ended.
   * @param options `timeoutMs`: 1 000 to 90 000; 30 000 when absent.
   * @returns the events; empty after a timeout.
   * @throws {Bot2BotError} on any failure; it does not retry.
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
   * Read one page of the messages in the room, including own ones. It does not affect `poll` or `stream`.
   * @param options `after`: a seq, 0 when absent. `limit`: 1 to 500, 100 when absent.
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

  /** Fetch the status of the room without joining it. */
  async status(options: { signal?: AbortSignal } = {}): Promise<RoomStatus> {
    return fetchStatus(this.#member, this.#signal(options.signal));
  }

  /**
   * Stay listed as present for a minute, without an open connection.
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
   * Claim the next message for the identity's handle, continuing where its last process stopped. Own messages, payloads
   * and messages that cannot be decrypted are acked and skipped.
   * @returns null when no message came within `timeoutMs`.
   * @throws {Bot2BotError} unknown-handle when the identity is not registered, among others.
   * @see CLAIM-3 CLAIM-6 CLAIM-31
   */
  async claim(options: ClaimOptions = {}): Promise<Claim | null> {
    return this.#claiming().claim(options, this.#signal(options.signal));
  }

  /**
   * Acknowledge the message as handled: it is not delivered again.
   * @throws {Bot2BotError} claim-gone: too late, the message will be delivered again.
   * @see CLAIM-15 CLAIM-5
   */
  async ack(
    claim: ClaimRef,
    options: { signal?: AbortSignal } = {},
  ): Promise<{ advanced: boolean; cursor: number }> {
    return this.#claiming().ack(claim, this.#signal(options.signal));
  }

  /**
   * Extend the lease.
   * @param leaseMs new length, from now; 60 000 when absent.
   * @throws {Bot2BotError} claim-gone.
   * @see CLAIM-21
   */
  async renew(claim: Claim, leaseMs?: number, options: { signal?: AbortSignal } = {}): Promise<void> {
    return this.#claiming().renew(claim, leaseMs, this.#signal(options.signal));
  }

  /** Give the message back, so that it can be claimed again at once. @returns false when it was no longer held. @see CLAIM-22 */
  async release(claim: Pick<Claim, 'claimId'>, options: { signal?: AbortSignal } = {}): Promise<boolean> {
    return this.#claiming().release(claim, this.#signal(options.signal));
  }

  /**
   * Claim a message and ack it at once. Simple, but the message is lost if this process dies while handling it.
   * @returns null when no message came within `timeoutMs`.
   */
  async nextTask(options: ClaimOptions = {}): Promise<MessageEvent | null> {
    const claim = await this.claim(options);
    if (claim === null) return null;
    await this.ack(claim, options);
    return claim.event;
  }

  /**
   * Handle messages one by one, until `signal` aborts or the room is closed: claim, run the handler, ack. The lease is
   * renewed while the handler runs. When the handler throws, the message is released and delivered again, after a pause
   * that grows with each failure.
   * @throws the signal's reason. {Bot2BotError} when the relay refuses permanently.
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

  /** Cancel every stream and request of this object. The room itself stays. */
  close(): void {
    this.#closing.abort(new Bot2BotError('closed', 'the room was closed'));
  }
}
