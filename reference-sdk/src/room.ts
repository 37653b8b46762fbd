import { seal } from './crypto.ts';
import { Bot2BotError } from './errors.ts';
import type { Participant, ReadEvent, RoomEvent } from './events.ts';
import { Http, type Fetch } from './http.ts';
import { Reader, Recent } from './reader.ts';
import { parseRoomUrl } from './room-url.ts';
import { sseFrames, wsFrames, type Frame, type WebSocketConstructor } from './transports.ts';
import { HelloFrame, LIMITS, NoRoom, Ok, PostAnswer, StatusAnswer, TIMINGS } from './wire.gen.ts';

export interface RoomOptions {
  /**
   * How others see you: 1 to 64 letters, digits or `@._-`, and no other member's. Without it one is made and a warning
   * is written. @see SEAL-13
   */
  readonly name?: string;
  /** Yield your own messages too; false when absent. */
  readonly includeSelf?: boolean;
  /** A WebSocket where the platform has none, such as that of the package `ws`. `null`: use none. */
  readonly WebSocket?: WebSocketConstructor | null;
  /** In place of the platform's `fetch`. */
  readonly fetch?: Fetch;
  /** In place of `console.warn`. */
  readonly warn?: (text: string) => void;
}

export interface SendOptions {
  readonly replyTo?: string;
  /** Ms after which it is gone: 30 000 to 31 622 400 000; absent, never. */
  readonly ttlMs?: number;
  readonly signal?: AbortSignal;
}

export interface Sent {
  readonly id: string;
  readonly seq: number;
}

export interface RoomStatus {
  readonly exists: boolean;
  readonly participants: number;
  /** Messages that a newcomer would be shown. */
  readonly recentCount: number;
  readonly lastSeq: number;
  readonly ageSeconds: number;
  readonly idleSeconds: number;
  readonly signedOnly: boolean;
  /** Name of the room's lifetime; null when the relay tells none. @see READ-11 */
  readonly epoch: string | null;
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
const READY_MS = 20_000;
/** A transport that twice did not get as far as `ready` is given up for the next one. */
const MOST_FAILURES = 2;
const RETRY_FIRST_MS = 250;
const RETRY_MOST_MS = 15_000;
/** A room that does not exist is asked for again after this time, and then more rarely. @see ROOM-3 */
const UNKNOWN_FIRST_MS = 500;
const UNKNOWN_MOST_MS = 5_000;

interface Page {
  readonly messages: readonly unknown[];
  readonly exists?: boolean;
  readonly epoch?: string;
  readonly reset?: boolean;
  readonly gap?: unknown;
  readonly next_after?: number;
  readonly has_more?: boolean;
}

function isPage(value: unknown): value is Page {
  return typeof value === 'object' && value !== null && 'messages' in value && Array.isArray(value.messages);
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

/** Up to `most`, doubling, and spread so that many clients do not come back at once. */
function backoff(attempt: number, first: number, most: number): number {
  return Math.min(most, first * 2 ** Math.min(attempt, 16)) * (0.5 + Math.random() / 2);
}

function participantsOf(value: unknown): Participant[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((one: { name?: unknown; last_seen_ms_ago?: unknown } | null) =>
    typeof one?.name === 'string'
      ? [
          {
            name: one.name,
            lastSeenMsAgo: typeof one.last_seen_ms_ago === 'number' ? one.last_seen_ms_ago : null,
          },
        ]
      : [],
  );
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
  readonly #key: Uint8Array;
  readonly #http: Http;
  readonly #options: RoomOptions;
  readonly #sent = new Recent();
  readonly #closing = new AbortController();
  readonly #polled: Reader;

  /**
   * Nothing is sent yet.
   * @param url of the room, with its key.
   * @throws {RangeError} for what is no room URL (SEAL-2, SEAL-3) or no name.
   */
  constructor(url: string, options: RoomOptions = {}) {
    const { base, roomId, key } = parseRoomUrl(url);
    this.base = base;
    this.roomId = roomId;
    this.#key = key;
    this.#options = options;
    this.#http = new Http(base, roomId, options.fetch ?? ((input, init) => fetch(input, init)));
    this.name = this.#named(options.name);
    this.#polled = this.#reader(0, options.includeSelf ?? false);
  }

  #named(given: string | undefined): string {
    if (given !== undefined) {
      if (!HelloFrame({ type: 'hello', name: given }))
        throw new RangeError('a name has 1 to 64 letters, digits or @ . _ - and no spaces');
      return given;
    }
    const bytes = crypto.getRandomValues(new Uint8Array(3));
    const name = `agent-${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
    const warn = this.#options.warn ?? ((text: string) => console.warn(text));
    warn(`bot2bot: no name was given; this agent calls itself ${name}. Give each agent a name of its own.`);
    return name;
  }

  #reader(after: number, includeSelf: boolean): Reader {
    const isOwn = (nonce: string, sender: string) => this.#sent.has(nonce) || sender === this.name;
    return new Reader({ key: this.#key, after, isOwn, includeSelf });
  }

  /** Ends with the caller's signal and with the room. */
  #signal(given: AbortSignal | undefined): AbortSignal {
    if (this.#closing.signal.aborted)
      throw new Bot2BotError('closed', 'the room was closed', { definite: true });
    return given === undefined ? this.#closing.signal : AbortSignal.any([this.#closing.signal, given]);
  }

  /**
   * Send one text to everyone in the room.
   * An answer that got lost is asked for again with identical bytes, so that the room holds the message once.
   * @throws {RangeError} for a text that is too long or no UTF-8; {Bot2BotError} when it was refused, or when the relay
   * was out of reach for a minute: `definite` tells whether it may have been accepted.
   * @see MSG-14 MSG-23
   */
  async send(text: string, options: SendOptions = {}): Promise<Sent> {
    const signal = this.#signal(options.signal);
    const { replyTo, ttlMs } = options;
    const sealed = seal(this.#key, text);
    const body = JSON.stringify({
      sender: this.name,
      ...sealed,
      ...(ttlMs === undefined ? {} : { ttl_ms: ttlMs }),
      ...(replyTo === undefined ? {} : { reply_to: replyTo }),
    });
    this.#sent.add(sealed.nonce);
    const until = performance.now() + TIMINGS.dedup_ms;
    let unsure = false;
    for (let attempt = 0; ; attempt++) {
      try {
        const call = {
          method: 'POST',
          operation: 'postMessage',
          body,
          signal,
          // An attempt that is still on its way when the relay has forgotten the nonce would add a second message.
          timeoutMs: Math.max(1, Math.min(ANSWER_MS, until - performance.now())),
        } as const;
        const { id, seq } = await this.#http.json(call, PostAnswer);
        return { id, seq };
      } catch (error) {
        if (!(error instanceof Bot2BotError)) throw error;
        unsure ||= !error.definite;
        const wait = error.retryAfterMs ?? backoff(attempt, RETRY_FIRST_MS, RETRY_MOST_MS);
        if (!error.passing || performance.now() + wait > until) {
          const { code, message, status } = error;
          throw new Bot2BotError(code, message, { status, definite: !unsure, cause: error });
        }
        await sleep(wait, signal);
      }
    }
  }

  /**
   * Follow the room: what it holds above `after`, then what comes, until `signal` aborts or the room is closed.
   * Interruptions are bridged from the same place; nothing is yielded twice.
   * @throws the signal's reason; {Bot2BotError} when the relay refuses for good.
   */
  async *stream(
    options: { after?: number; includeSelf?: boolean; signal?: AbortSignal } = {},
  ): AsyncGenerator<RoomEvent, void, void> {
    const signal = this.#signal(options.signal);
    const reader = this.#reader(
      options.after ?? 0,
      options.includeSelf ?? this.#options.includeSelf ?? false,
    );
    const transports = this.#transports();
    let failures = 0;
    let attempt = 0;
    while (!this.#closing.signal.aborted) {
      let ready = false;
      try {
        if (attempt > 0 && (reader.epoch === null || transports[0] === 'ws'))
          yield* await this.#recall(reader, signal);
        for await (const event of this.#connection(transports[0] ?? 'poll', reader, signal)) {
          if (event.type === 'ready') {
            ready = true;
            attempt = failures = 0;
          }
          yield event;
        }
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        signal.throwIfAborted();
        if (!(error instanceof Bot2BotError)) throw error;
        // A WebSocket does not tell why it failed; the others tell apart what another transport would meet too.
        const avoidable = transports[0] === 'ws' || (error.code !== 'network' && error.retryAfterMs === null);
        if (!ready && avoidable) failures++;
        if (transports.length === 1 && !error.passing) throw error;
        if (failures >= MOST_FAILURES && transports.length > 1) {
          transports.shift();
          failures = 0;
        }
        const retryInMs = Math.round(error.retryAfterMs ?? backoff(attempt, RETRY_FIRST_MS, RETRY_MOST_MS));
        attempt++;
        yield { type: 'interrupted', code: error.code, retryInMs };
        try {
          await sleep(retryInMs, signal);
        } catch (reason) {
          if (this.#closing.signal.aborted) return;
          throw reason;
        }
      }
    }
  }

  #transports(): ('ws' | 'sse' | 'poll')[] {
    const platform = (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket;
    const socket = this.#options.WebSocket === undefined ? platform : this.#options.WebSocket;
    return socket === undefined || socket === null ? ['sse', 'poll'] : ['ws', 'sse', 'poll'];
  }

  /**
   * Ask whether the room is still the one that was left: where no epoch tells, and for a WebSocket, which would tell it
   * after the first messages.
   */
  async #recall(reader: Reader, signal: AbortSignal): Promise<ReadEvent[]> {
    if (!reader.placed) return [];
    const { exists, lastSeq, epoch } = await this.status({ signal });
    if (exists && epoch !== null) return reader.enter(epoch);
    return !exists || (lastSeq > 0 && lastSeq < reader.after) ? reader.lose() : [];
  }

  async *#connection(
    transport: 'ws' | 'sse' | 'poll',
    reader: Reader,
    signal: AbortSignal,
  ): AsyncGenerator<RoomEvent> {
    if (transport === 'poll') {
      yield* this.#polling(reader, signal);
      return;
    }
    const query = { after: reader.after, epoch: reader.epoch, name: this.name };
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), READY_MS);
    const connect = { http: this.#http, query, signal: AbortSignal.any([signal, late.signal]) };
    const socket = this.#options.WebSocket ?? (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket;
    const frames: AsyncGenerator<Frame | null> =
      transport === 'ws' && socket !== undefined
        ? wsFrames(connect, socket, JSON.stringify({ type: 'hello', name: this.name }))
        : sseFrames(connect);
    let live = false;
    let replayed = 0;
    const asked = reader.epoch;
    try {
      for await (const frame of frames) {
        if (frame === null) {
          const { lastSeq } = await this.status({ signal });
          if (lastSeq > reader.after) throw new Bot2BotError('network', 'the WebSocket stands still');
          continue;
        }
        const { json, id } = frame;
        if (json['type'] === 'message') {
          const epoch = id.includes(':') ? id.slice(0, id.indexOf(':')) : null;
          if (epoch !== null) yield* reader.enter(epoch);
          yield* reader.message(json, live || (asked === null && reader.epoch === null));
          if (!live) replayed = reader.after;
        } else if (json['type'] === 'ready') {
          clearTimeout(timer);
          const events = reader.stand(json);
          // Of a room that was made anew the replay has already been taken.
          if (reader.after === 0) reader.after = replayed;
          yield* events;
          live = true;
          yield { type: 'ready', ...presenceOf(json) };
        } else yield* other(json);
      }
    } catch (error) {
      signal.throwIfAborted();
      if (late.signal.aborted)
        throw new Bot2BotError('no-ready', `no ready within ${READY_MS} ms`, { cause: error });
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** A stream by long-poll, for where neither SSE nor WebSocket gets through. */
  async *#polling(reader: Reader, signal: AbortSignal): AsyncGenerator<RoomEvent> {
    for (let more = true; more;) {
      const page = await this.#page(reader, 'readTranscript', { limit: LIMITS.page_messages }, signal);
      yield* page.events;
      more = page.hasMore;
    }
    yield { type: 'ready', size: 0, participants: [] };
    const timeout = TIMINGS.wait_default_ms / 1000;
    for (let unknown = 0; ;) {
      const page = await this.#page(reader, 'waitForMessages', { timeout }, signal);
      yield* page.events;
      if (page.exists) unknown = 0;
      else await sleep(backoff(unknown++, UNKNOWN_FIRST_MS, UNKNOWN_MOST_MS), signal);
    }
  }

  async #page(
    reader: Reader,
    operation: 'waitForMessages' | 'readTranscript',
    query: { timeout?: number; limit?: number },
    signal: AbortSignal,
  ): Promise<{ events: ReadEvent[]; exists: boolean; hasMore: boolean }> {
    const timeoutMs = ANSWER_MS + (query.timeout ?? 0) * 1000;
    const full = { ...query, after: reader.after, epoch: reader.epoch };
    const page = await this.#http.json({ method: 'GET', operation, query: full, signal, timeoutMs }, isPage);
    if (page.exists === false) return { events: reader.lose(), exists: false, hasMore: false };
    const events = reader.stand(page);
    for (const message of page.messages) events.push(...reader.message(message, true));
    const { next_after: next } = page;
    if (typeof next === 'number' && next > reader.after) reader.after = next;
    return { events, exists: true, hasMore: page.has_more === true };
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
    const reader = this.#polled;
    for (let unknown = 0; ;) {
      const left = until - performance.now();
      const timeout = Math.max(1, Math.round(left / 1000));
      const { events, exists } = await this.#page(reader, 'waitForMessages', { timeout }, signal);
      if (events.length > 0 || performance.now() >= until) return events;
      const pause = exists ? 0 : backoff(unknown++, UNKNOWN_FIRST_MS, UNKNOWN_MOST_MS);
      await sleep(Math.min(pause, Math.max(0, until - performance.now())), signal);
    }
  }

  /**
   * Read a page of what the room holds, own messages included. It moves no other reader.
   * @param options `after` a seq, 0 when absent; `limit` from 1 to 500, 100 when absent.
   */
  async history(options: { after?: number; limit?: number; signal?: AbortSignal } = {}): Promise<History> {
    const signal = this.#signal(options.signal);
    const reader = this.#reader(options.after ?? 0, true);
    const { events, hasMore } = await this.#page(
      reader,
      'readTranscript',
      { limit: options.limit ?? 100 },
      signal,
    );
    return { events, nextAfter: reader.after, hasMore };
  }

  /** Look at the room without joining it. */
  async status(options: { signal?: AbortSignal } = {}): Promise<RoomStatus> {
    const signal = this.#signal(options.signal);
    const answer = await this.#http.json(
      { method: 'GET', operation: 'probeRoom', signal, timeoutMs: ANSWER_MS },
      (value): value is StatusAnswer | NoRoom => StatusAnswer(value) || NoRoom(value),
    );
    return {
      exists: answer.exists,
      participants: answer.exists ? answer.participants : 0,
      recentCount: answer.exists ? answer.recent_count : 0,
      lastSeq: answer.exists ? answer.last_seq : 0,
      ageSeconds: answer.exists ? answer.age_seconds : 0,
      idleSeconds: answer.exists ? answer.idle_seconds : 0,
      signedOnly: answer.exists && answer.signed_only,
      epoch: (answer.exists ? answer.epoch : undefined) ?? null,
    };
  }

  /**
   * Stay in presence for a minute without a connection.
   * @returns false when the room does not exist.
   */
  async listening(options: { signal?: AbortSignal } = {}): Promise<boolean> {
    const signal = this.#signal(options.signal);
    const body = JSON.stringify({ name: this.name });
    try {
      await this.#http.json(
        { method: 'POST', operation: 'announceListening', body, signal, timeoutMs: ANSWER_MS },
        Ok,
      );
      return true;
    } catch (error) {
      if (error instanceof Bot2BotError && error.status === 404) return false;
      throw error;
    }
  }

  /** End every stream and request of this object. The room itself lives on. */
  close(): void {
    this.#closing.abort(new Bot2BotError('closed', 'the room was closed'));
  }
}

function presenceOf(json: Readonly<Record<string, unknown>>): { size: number; participants: Participant[] } {
  const { size, participants } = json;
  return { size: typeof size === 'number' ? size : 0, participants: participantsOf(participants) };
}

/** Frames that are neither messages nor `ready`; those of a type that is not known are ignored. @see CORE-17 */
function* other(json: Readonly<Record<string, unknown>>): Generator<RoomEvent> {
  const { type, from, to } = json;
  if (type === 'presence') yield { type, ...presenceOf(json) };
  else if (type === 'locked') yield { type };
  else if (type === 'rename' && typeof from === 'string' && typeof to === 'string') yield { type, from, to };
}
