import { IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Timings } from '@bot2bot/schemas';
import { clientAt, type Addresses } from './address.ts';
import type { Clock } from './clock.ts';
import type { RelayLimits } from './config.ts';
import { rawAnswer, RequestProblem } from './problem.ts';
import { shareOf, type ConcurrencyCap } from './rate-limit.ts';
import { streamAt } from './target.ts';

/** After its last answer, the client has this long to close the connection before the relay does. */
const LINGER_MS = 2_000;
/** Requests that a connection may have sent ahead of their answers. */
const PIPELINED = 32;

/** Told to connections over the share of their address; made once, since whoever floods makes many. */
const OVER_SHARE = Buffer.from(rawAnswer(new RequestProblem('rate-limited', { retryAfter: 5 })));

/** What is known of a connection. */
interface Connection {
  readonly release: () => void;
  /** Answers that it waits for, in order, and for all but the first what begins to answer. */
  readonly pending: Map<ServerResponse, () => void>;
  /** Bytes that its client had taken when that was last seen to change, and when. */
  taken: number;
  takenAt: number;
}

const connections = new WeakMap<Socket, Connection>();

/**
 * A request that knows whether its connection ends to be one of HTTP with it. What opens a stream takes the connection
 * over, as an upgrade would, so that no parser or answer of HTTP is in the stream's way; and who has sent too much ahead
 * is not even read on. An offer to upgrade to anything else is ignored.
 */
export class Incoming extends IncomingMessage {
  #isLast: boolean | undefined;

  get upgrade(): boolean {
    return (this.#isLast ??= this.isAhead || this.#isStream());
  }

  /** More requests than it may have sent wait on its connection. */
  get isAhead(): boolean {
    return (connections.get(this.socket)?.pending.size ?? 0) >= PIPELINED;
  }

  /** The parser's own opinion, which looks at the headers alone. */
  set upgrade(_offered: boolean) {}

  #isStream(): boolean {
    if (this.method !== 'GET') return false;
    const stream = streamAt(this.url ?? '');
    if (stream === null || connections.get(this.socket)?.pending.size !== 0) return false;
    return stream.operation === 'streamEvents' || this.headers.upgrade?.toLowerCase() === 'websocket';
  }
}

/** All connections to the relay: limits how many a client may have, and closes those that are finished or stalled. */
export class Connections {
  readonly #timings: Timings;
  readonly #clock: Clock;
  readonly #addresses: Addresses;
  readonly #shares: ConcurrencyCap;
  readonly #open = new Set<Socket>();
  readonly #most: number;

  constructor(given: { limits: RelayLimits; timings: Timings; clock: Clock; addresses: Addresses }) {
    this.#timings = given.timings;
    this.#clock = given.clock;
    this.#addresses = given.addresses;
    this.#most = given.limits.connections;
    this.#shares = shareOf(this.#most, given.limits);
  }

  get size(): number {
    return this.#open.size;
  }

  /** Accept a connection, unless its client has its share. Those of a trusted proxy are not limited: many clients share it. */
  admit(socket: Socket): void {
    if (this.#open.size >= this.#most) {
      socket.destroy();
      return;
    }
    let release = () => undefined as void;
    try {
      if (!this.#addresses.isProxy(socket)) release = this.#shares.take(clientAt(socket.remoteAddress));
    } catch (error) {
      if (!(error instanceof RequestProblem)) throw error;
      socket.on('error', () => socket.destroy());
      socket.write(OVER_SHARE);
      socket.destroySoon();
      return;
    }
    const connection = {
      release,
      pending: new Map<ServerResponse, () => void>(),
      taken: 0,
      takenAt: this.#clock.mono(),
    };
    connections.set(socket, connection);
    this.#open.add(socket);
    socket.on('close', () => {
      this.#open.delete(socket);
      release();
    });
  }

  /**
   * Note a request.
   * @param answer begins to answer it: now, or when those before it on its connection are answered, so that a connection
   * has no more than one at work, however much it sends at once.
   */
  begin({ socket }: IncomingMessage, response: ServerResponse, answer: () => void): void {
    const pending = connections.get(socket)?.pending;
    if (pending === undefined) return;
    pending.set(response, answer);
    response.on('close', () => {
      pending.delete(response);
      const [next] = pending.values();
      // On a connection that ends nobody would get the answer, nor would what it holds be given back.
      if (!socket.destroyed && !socket.writableEnded) next?.();
    });
    if (pending.size === 1) answer();
  }

  /** Answer with a problem and end the connection; `sweep` closes it if the client does not. */
  refuse(socket: Socket, problem: RequestProblem): void {
    const pending = [...(connections.get(socket)?.pending.keys() ?? [])];
    const inOrder = pending.length === 0 || (pending.length === 1 && pending[0]?.headersSent === false);
    if (socket.writable && inOrder) socket.end(rawAnswer(problem));
    else socket.destroy();
  }

  /** Close connections that are ended, and those whose client does not read what it was sent. */
  sweep(): void {
    const now = this.#clock.mono();
    for (const socket of this.#open) {
      const connection = connections.get(socket);
      if (connection === undefined) continue;
      const unsent = socket.writableLength;
      const taken = socket.bytesWritten - unsent;
      const idle = unsent === 0 && !socket.writableEnded;
      if (idle || taken !== connection.taken) {
        connection.taken = taken;
        connection.takenAt = now;
      } else if (now - connection.takenAt > (unsent === 0 ? LINGER_MS : this.#timings.stalled_ms))
        socket.destroy();
    }
  }

  destroyAll(): void {
    for (const socket of this.#open) socket.destroy();
  }
}
