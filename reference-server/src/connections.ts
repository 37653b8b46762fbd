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

/** The answer to a connection beyond its client's share; built once, since a flood needs it often. */
const OVER_SHARE = Buffer.from(rawAnswer(new RequestProblem('rate-limited', { retryAfter: 5 })));

/** The state of an open connection. */
interface Connection {
  readonly release: () => void;
  /** Responses that are not finished, in the order of their requests, each with the function that starts to handle it. */
  readonly pending: Map<ServerResponse, () => void>;
  /** Bytes that the socket had passed on to the system when that number last changed, and when that was. */
  flushed: number;
  flushedAt: number;
}

const connections = new WeakMap<Socket, Connection>();

/**
 * A request that reports itself to Node as an upgrade when HTTP parsing has to end on its connection: if it opens a stream,
 * which then uses the raw socket (event streams too); or if too many requests are pipelined. Offers to upgrade to any
 * other protocol are ignored.
 */
export class Incoming extends IncomingMessage {
  #isUpgrade: boolean | undefined;

  get upgrade(): boolean {
    return (this.#isUpgrade ??= this.hasTooManyPending || this.#isStream());
  }

  /** The connection already has as many unanswered requests as are allowed. */
  get hasTooManyPending(): boolean {
    return (connections.get(this.socket)?.pending.size ?? 0) >= PIPELINED;
  }

  /** Node's parser sets this from the headers; the value is ignored. */
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
  readonly #maxConnections: number;

  constructor(given: { limits: RelayLimits; timings: Timings; clock: Clock; addresses: Addresses }) {
    this.#timings = given.timings;
    this.#clock = given.clock;
    this.#addresses = given.addresses;
    this.#maxConnections = given.limits.connections;
    this.#shares = shareOf(this.#maxConnections, given.limits);
  }

  get size(): number {
    return this.#open.size;
  }

  /** Accept a connection unless its client is over its share. Trusted proxies have no such limit: many clients share them. */
  admit(socket: Socket): void {
    if (this.#open.size >= this.#maxConnections) {
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
      flushed: 0,
      flushedAt: this.#clock.mono(),
    };
    connections.set(socket, connection);
    this.#open.add(socket);
    socket.on('close', () => {
      this.#open.delete(socket);
      release();
    });
  }

  /**
   * Register a request, and handle it when all earlier requests of its connection are answered, so that a connection has
   * only one request in progress, however many are pipelined.
   * @param answer starts to handle the request.
   */
  begin({ socket }: IncomingMessage, response: ServerResponse, answer: () => void): void {
    const pending = connections.get(socket)?.pending;
    if (pending === undefined) return;
    pending.set(response, answer);
    response.on('close', () => {
      pending.delete(response);
      const [next] = pending.values();
      // On a connection that is closing, the answer could not be sent and would never release what it holds.
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

  /** Close connections that have ended, and those whose client has stopped reading. */
  sweep(): void {
    const now = this.#clock.mono();
    for (const socket of this.#open) {
      const connection = connections.get(socket);
      if (connection === undefined) continue;
      const unsent = socket.writableLength;
      const flushed = socket.bytesWritten - unsent;
      const idle = unsent === 0 && !socket.writableEnded;
      if (idle || flushed !== connection.flushed) {
        connection.flushed = flushed;
        connection.flushedAt = now;
      } else if (now - connection.flushedAt > (unsent === 0 ? LINGER_MS : this.#timings.stalled_ms))
        socket.destroy();
    }
  }

  destroyAll(): void {
    for (const socket of this.#open) socket.destroy();
  }
}
