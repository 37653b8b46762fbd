/** The connections to a target: their reuse, and the rates that the suite keeps to. */
import dns from 'node:dns';
import { Agent, createServer, request, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { DEFAULT_LIMITS } from '@bot2bot/schemas';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { startProxy } from '../mutants/proxy.ts';
import { Pacer } from '../src/drive/pacer.ts';
import { Wire } from '../src/drive/wire.ts';
import { listen } from './suite.ts';

describe('a request on a connection that the server closed while it was idle', () => {
  /** A server that closes each connection at its second request, and records all requests. */
  function closingServer(): { server: Server; asked: string[] } {
    const asked: string[] = [];
    const seen = new WeakSet<Socket>();
    const server = createServer((req, res) => {
      if (seen.has(req.socket)) {
        req.socket.destroy();
        return;
      }
      seen.add(req.socket);
      asked.push(req.method ?? '');
      req.resume().on('end', () => res.end('{}'));
    });
    return { server, asked };
  }

  it('is repeated on a new connection', async () => {
    const { server, asked } = closingServer();
    const { url, close } = await listen(server);
    const wire = new Wire(url);
    const statuses: number[] = [];
    for (const method of ['GET', 'GET', 'POST', 'POST'])
      statuses.push((await wire.http({ method, path: '/', timeoutMs: 2_000 })).status);
    wire.close();
    close();
    expect(statuses).toEqual([200, 200, 200, 200]);
    expect(asked).toEqual(['GET', 'GET', 'POST', 'POST']);
  });

  it('is what the suite meets behind a proxy that closes idle connections without saying so', async () => {
    const ports: number[] = [];
    const { url, close } = await listen(createServer((_, res) => res.end('{}')));
    const proxy = await startProxy(url, { idleMs: 2_000 });
    const agent = new Agent({ keepAlive: true });
    const ask = () =>
      new Promise<boolean>((resolve, reject) => {
        const asked = request(proxy.url, { agent }, (answer) => {
          expect(answer.headers).not.toHaveProperty('keep-alive');
          ports.push(asked.socket?.localPort ?? 0);
          answer.resume().on('end', () => setImmediate(resolve, asked.reusedSocket));
        });
        asked.on('error', reject).end();
      });
    const reused = [await ask(), await ask()];
    await expect.poll(() => Object.keys(agent.freeSockets).length, { timeout: 10_000 }).toBe(0);
    reused.push(await ask());
    expect(reused).toEqual([false, true, false]);
    expect(new Set(ports).size).toBe(2);
    agent.destroy();
    await proxy.stop();
    close();
  });

  it('is a failure of the relay if the connection was new, or if part of the answer had arrived', async () => {
    let count = 0;
    const closing = await listen(createServer((req) => (count++, req.socket.destroy())));
    const wire = new Wire(closing.url);
    expect(await wire.http({ method: 'GET', path: '/', timeoutMs: 2_000 })).toMatchObject({
      status: 0,
      error: 'ECONNRESET',
    });
    expect(count).toBe(1);
    let half = 0;
    const cutting = await listen(
      createServer((_, res) => {
        if (half++ === 0) res.end('{}');
        else res.writeHead(200, { 'Content-Length': '9' }).write('{', () => res.destroy());
      }),
    );
    const other = new Wire(cutting.url);
    await other.http({ method: 'GET', path: '/', timeoutMs: 2_000 });
    expect((await other.http({ method: 'GET', path: '/', timeoutMs: 2_000 })).status).toBe(0);
    expect(half).toBe(2);
    for (const each of [wire, other]) each.close();
    for (const each of [closing, cutting]) each.close();
  });
});

describe('the rates of a target', () => {
  afterEach(() => vi.useRealTimers());

  it('apply to the suite as to one client: connections keep to the family of the first one', async () => {
    const { url, close } = await listen(createServer((_, res) => res.setHeader('Connection', 'close').end()));
    const lookups = vi.spyOn(dns, 'lookup');
    const wire = new Wire(url.replace('127.0.0.1', 'localhost'));
    for (let i = 0; i < 2; i++) await wire.http({ method: 'GET', path: '/', timeoutMs: 2_000 });
    const families = lookups.mock.calls.map(([, options]) => (options as { family?: number }).family ?? 0);
    lookups.mockRestore();
    wire.close();
    close();
    expect(families).toEqual([0, 4]);
  });

  it('leave nothing for other cases after a flood, until the buckets have been refilled', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const pacer = new Pacer({ ...DEFAULT_LIMITS, room_rate: 10, address_rate: 20 });
    const { signal } = new AbortController();
    const msOf = async (room: string) => {
      const from = performance.now();
      const written = pacer.write(room, signal).then(() => performance.now() - from);
      await vi.advanceTimersByTimeAsync(1_000);
      return written;
    };
    expect(await msOf('flooded')).toBe(0);
    pacer.flooded('flooded');
    // The suite uses 0.8 of a rate: a token takes 125 ms in a room, and 62.5 ms of the address (timers round down).
    expect(await msOf('flooded')).toBe(125);
    pacer.flooded('flooded');
    expect(await msOf('other')).toBe(62);
  });
});
