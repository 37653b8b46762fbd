/** Sockets and requests of an attack, from loopback addresses that no honest client has. */
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';

export interface Request {
  /** Local address; the attacker's first if absent. */
  readonly from?: string;
  readonly method?: string;
  readonly path: string;
  /** Sent as it is when it is a text, else as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  /** 0: the relay gave none. */
  readonly status: number;
  readonly text: string;
}

export function fieldsOf({ text }: Answer): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}

/** A connection that does as it likes: it neither reads nor closes unless it is told to. */
export class Peer {
  readonly socket: Socket;
  /** Start of what it has read. */
  text = '';
  /** Bytes that it has read. */
  bytes = 0;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => undefined);
  }

  send(data: string | Buffer): void {
    if (this.socket.writable) this.socket.write(data);
  }

  /** Read from now on; `most` characters of it are kept. */
  read(most = 4_096): this {
    this.socket.on('data', (data: Buffer) => {
      this.bytes += data.length;
      if (this.text.length < most) this.text += data.toString('latin1').slice(0, most - this.text.length);
    });
    return this;
  }

  /** Resolves with the first bytes that come; with none after `ms`, an end or a close. */
  async first(ms: number): Promise<string> {
    if (this.text === '' && !this.socket.destroyed) {
      const signal = AbortSignal.timeout(ms);
      await Promise.race([
        once(this.socket, 'data', { signal }),
        once(this.socket, 'end', { signal }),
        once(this.socket, 'close', { signal }),
      ]).catch(() => undefined);
    }
    return this.text;
  }
}

export class Attacker {
  readonly #port: number;
  readonly #net: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 });
  readonly #sockets = new Set<Socket>();
  #closed = false;

  /** @param net third number of its addresses, `127.0.<net>.<n>`. */
  constructor(port: number, net: number) {
    this.#port = port;
    this.#net = `127.0.${net}`;
  }

  /** @param index from 0 to 199. */
  address(index = 0): string {
    return `${this.#net}.${index + 2}`;
  }

  /** An address of someone else, who has nothing yet. */
  get other(): string {
    return `${this.#net}.254`;
  }

  /** Connect; a connection that is refused or reset is a Peer that is destroyed. */
  async open(from = this.address()): Promise<Peer> {
    const socket = connect({
      port: this.#port,
      host: '127.0.0.1',
      localAddress: from,
      allowHalfOpen: true,
    });
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    if (this.#closed) socket.destroy();
    const peer = new Peer(socket);
    await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => undefined);
    return peer;
  }

  ask({ from = this.address(), method = 'GET', path, body, headers = {} }: Request): Promise<Answer> {
    const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
    return new Promise((resolve) => {
      if (this.#closed) {
        resolve({ status: 0, text: '' });
        return;
      }
      const all = {
        ...(text === undefined
          ? {}
          : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) }),
        ...headers,
      };
      const options = { host: '127.0.0.1', port: this.#port, localAddress: from, agent: this.#agent };
      const outgoing = request({ ...options, method, path, headers: all }, (incoming) => {
        const parts: Buffer[] = [];
        const done = () =>
          resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(parts).toString() });
        incoming.on('data', (part: Buffer) => parts.push(part)).on('close', done);
      });
      outgoing.on('error', () => resolve({ status: 0, text: '' }));
      outgoing.end(text);
    });
  }

  /** Let go of all connections. */
  letGo(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Let go of everything, for good. */
  close(): void {
    this.#closed = true;
    this.letGo();
    this.#agent.destroy();
  }
}
