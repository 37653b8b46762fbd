/** Sockets and requests of an attack, from loopback addresses that the honest client does not use. */
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';

export interface Request {
  /** Local address; the attacker's first address if absent. */
  readonly from?: string;
  readonly method?: string;
  readonly path: string;
  /** A string is sent unchanged, any other value as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  /** 0: no answer. */
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

/** A raw connection that neither reads nor closes by itself. */
export class Peer {
  readonly socket: Socket;
  /** The first characters that it has read. */
  text = '';
  /** Number of bytes that it has read. */
  bytes = 0;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => undefined);
  }

  send(data: string | Buffer): void {
    if (this.socket.writable) this.socket.write(data);
  }

  /** Start to read; keep the first `most` characters. */
  read(most = 4_096): this {
    this.socket.on('data', (data: Buffer) => {
      this.bytes += data.length;
      if (this.text.length < most) this.text += data.toString('latin1').slice(0, most - this.text.length);
    });
    return this;
  }

  /** Wait for the first bytes, at most `ms`, or until the connection ends. @returns what has arrived. */
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

  /** @param net third octet of its addresses, `127.0.<net>.<n>`. */
  constructor(port: number, net: number) {
    this.#port = port;
    this.#net = `127.0.${net}`;
  }

  /** @param index from 0 to 199. */
  address(index = 0): string {
    return `${this.#net}.${index + 2}`;
  }

  /** An address that no attack uses, to act as another client. */
  get other(): string {
    return `${this.#net}.254`;
  }

  /** Connect; if the connection is refused or reset, the returned Peer is destroyed. */
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

  /** Destroy all connections. */
  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Destroy all connections and refuse new ones. */
  close(): void {
    this.#closed = true;
    this.destroyAll();
    this.#agent.destroy();
  }
}
