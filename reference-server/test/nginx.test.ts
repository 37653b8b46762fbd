/** The relay behind a real nginx, with the configurations of `examples/`. */
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { runInNewContext } from 'node:vm';
import { ROUTES } from '@bot2bot/schemas';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { agentNamed, register, signedCall } from './agent.ts';
import { freePort, startNginx, type Nginx } from './nginx.ts';
import { figure, start, stop, type Started } from './process.ts';
import { needs } from '../../scripts/needs.ts';

beforeAll(() => needs('nginx'));

const BURST = 40;
const sealed = { ciphertext: 'uXW9z0hP0m1jV5m3yq0l4cF0b2Zt8w==', nonce: 'oY0tq3l1cT5f7mQzX9a2bL4kW8dVrE6s' };
/** Time within which an event must arrive: more means that nginx buffers it. */
const AT_ONCE_MS = 2_000;

interface Behind {
  readonly nginx: Nginx;
  readonly relay: Started;
  /** The base URL under which clients reach the relay. */
  readonly base: string;
}

async function behind(
  example: 'nginx.conf' | 'nginx-prefix.conf',
  flags: readonly string[] = [],
  changes: Readonly<Record<string, string>> = {},
): Promise<Behind> {
  const port = await freePort();
  const base = `http://127.0.0.1:${port}${example === 'nginx-prefix.conf' ? '/relay' : ''}`;
  const relay = await start(['--trusted-proxies', 'loopback', '--public-url', base, ...flags]);
  return { nginx: await startNginx(example, port, relay.url, changes), relay, base };
}

async function end({ nginx, relay }: Behind): Promise<void> {
  await nginx.stop();
  await stop(relay, 'SIGKILL');
}

const post = (base: string, room: string, sender = 'me', nonce = sealed.nonce) =>
  fetch(`${base}/api/rooms/${room}/messages`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ sender, ...sealed, nonce }),
  });

const seqOf = async (posted: Response) => ((await posted.json()) as { seq: number }).seq;

/** Post from another loopback address. @returns the status. */
function postFrom(localAddress: string, base: string, room: string, forwarded: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json', 'X-Forwarded-For': forwarded };
    const outgoing = request(`${base}/api/rooms/${room}/messages`, { method: 'POST', headers, localAddress });
    outgoing.on('response', (answer) => answer.resume().on('end', () => resolve(answer.statusCode ?? 0)));
    outgoing.on('error', reject);
    outgoing.end(JSON.stringify({ sender: 'me', ...sealed }));
  });
}

describe.each(['nginx.conf', 'nginx-prefix.conf'] as const)('behind %s', (example) => {
  let site: Behind;
  beforeAll(async () => {
    site = await behind(example, [
      '--address-burst',
      String(BURST),
      '--address-rate',
      '1',
      '--metrics-port',
      '0',
    ]);
  });
  afterAll(() => end(site));

  it('a post is accepted and read back', async () => {
    expect((await post(site.base, 'NGINXPOST')).status).toBe(200);
    const page: unknown = await (await fetch(`${site.base}/api/rooms/NGINXPOST/transcript`)).json();
    expect(page).toMatchObject({ messages: [sealed] });
  });

  it('an event is forwarded at once', async () => {
    const answer = await fetch(`${site.base}/api/rooms/NGINXSSE/events`);
    const reader = (answer.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream()).getReader();
    let seen = '';
    const until = async (text: string) => {
      while (!seen.includes(text)) seen += (await reader.read()).value ?? '';
    };
    await until('ready');
    const sent = performance.now();
    await post(site.base, 'NGINXSSE');
    await until(sealed.ciphertext);
    expect(performance.now() - sent).toBeLessThan(AT_ONCE_MS);
    await reader.cancel();
  });

  it('a WebSocket opens and receives', async () => {
    const socket = new WebSocket(`${site.base.replace('http', 'ws')}/api/rooms/NGINXWS/ws`);
    const frames: string[] = [];
    socket.on('message', (data: Buffer) => frames.push(data.toString()));
    await once(socket, 'message');
    await post(site.base, 'NGINXWS');
    while (!frames.some((frame) => frame.includes(sealed.ciphertext))) await once(socket, 'message');
    socket.terminate();
  });

  it('a wait parks and is answered', async () => {
    const seq = await seqOf(await post(site.base, 'NGINXWAIT'));
    const waiting = fetch(`${site.base}/api/rooms/NGINXWAIT/wait?after=${seq}&timeout=60`);
    while ((await figure(site.relay, 'waiters')) === 0) await new Promise(setImmediate);
    const sent = performance.now();
    await post(site.base, 'NGINXWAIT', 'another', 'A'.repeat(32));
    expect(await (await waiting).json()).toMatchObject({ messages: [{ sender: 'another' }] });
    expect(performance.now() - sent).toBeLessThan(AT_ONCE_MS);
  });

  it('clients are identified by their address, whatever X-Forwarded-For they send', async () => {
    const statuses: number[] = [];
    // More than the burst, since tokens come back during the loop.
    while (statuses.length < 5 * BURST && !statuses.includes(429))
      statuses.push(await postFrom('127.0.0.2', site.base, 'NGINXADDR', `198.51.100.${statuses.length}`));
    expect(statuses[0]).toBe(200);
    expect(statuses.at(-1)).toBe(429);
    expect(await postFrom('127.0.0.3', site.base, 'NGINXADDR', '127.0.0.2')).toBe(200);
  });

  it.each(['', '/'])('the API page at its path followed by "%s" loads its assets', async (slash) => {
    const at = `${site.base}${ROUTES.docs.path}${slash}`;
    const html = await (await fetch(at)).text();
    const loaded = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link = '']) => link);
    const links = loaded.filter((link) => !link.startsWith('data:')).map((link) => new URL(link, at).href);
    expect(links).toHaveLength(3);
    const scripts = new Map<string, string>();
    for (const link of links) {
      const answer = await fetch(link);
      expect([link, answer.status]).toEqual([link, 200]);
      scripts.set(link, await answer.text());
    }
    const start = links.find((link) => link.endsWith('/start.js')) ?? '';
    let url = '';
    runInNewContext(scripts.get(start) ?? '', {
      URL,
      document: { currentScript: { src: start } },
      SwaggerUIBundle: (options: { url: string }) => (url = options.url),
    });
    const document: unknown = await (await fetch(url)).json();
    expect(document).toMatchObject({ openapi: '3.1.1', servers: [{ url: site.base }] });
  });

  it('a request is signed with the path that its client sees', async () => {
    const agent = agentNamed(`nginx-${example === 'nginx.conf' ? 'plain' : 'prefix'}`);
    expect((await register(site.base, agent)).status).toBe(201);
    const { origin, pathname } = new URL(site.base);
    const target = `${pathname.replace(/\/$/, '')}/api/dm/${agent.handle}/inbox/wait?after=0&timeout=1`;
    expect((await signedCall(origin, agent, 'GET', target)).status).toBe(200);
  });

  it('path and query arrive unchanged', async () => {
    const echo = createServer((incoming, answer) => answer.end(incoming.url)).listen(0, '127.0.0.1');
    await once(echo, 'listening');
    const { port } = echo.address() as AddressInfo;
    const before = await startNginx(example, await freePort(), `http://127.0.0.1:${port}`);
    onTestFinished(async () => {
      await before.stop();
      echo.close();
      echo.closeAllConnections();
    });
    const path = '/api/rooms/A%2fB//c%41/%7Ex/wait?after=%31&x=a+b%20c&&y';
    const prefix = new URL(site.base).pathname.replace(/\/$/, '');
    const said = await new Promise<string>((resolve, reject) => {
      const { host } = new URL(before.origin);
      const [hostname = '', at = ''] = host.split(':');
      const outgoing = request({ hostname, port: at, path: prefix + path }, (answer) => {
        let text = '';
        answer.on('data', (piece: Buffer) => (text += piece.toString())).on('end', () => resolve(text));
      });
      outgoing.on('error', reject).end();
    });
    expect(said).toBe(path);
  });
});

describe('behind nginx.conf, the behaviour of the relay', () => {
  it('a body that is too large is answered 413, every time', async () => {
    const site = await behind('nginx.conf', ['--address-burst', '1000']);
    try {
      const body = JSON.stringify({ sender: 'me', ...sealed, ciphertext: 'A'.repeat(300 * 1024) });
      const statuses: number[] = [];
      for (let i = 0; i < 50; i++) {
        const answer = await fetch(`${site.base}/api/rooms/NGINXLARGE/messages`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body,
        });
        await answer.arrayBuffer();
        statuses.push(answer.status);
      }
      expect(statuses).toEqual(Array<number>(50).fill(413));
    } finally {
      await end(site);
    }
  });

  it('a wait longer than the time-out of the proxy is answered', async () => {
    const patience = { 'proxy_read_timeout 120s;': 'proxy_read_timeout 2s;' };
    const site = await behind('nginx.conf', ['--keepalive-ms', '500'], patience);
    try {
      const seq = await seqOf(await post(site.base, 'NGINXLONG'));
      const answer = await fetch(`${site.base}/api/rooms/NGINXLONG/wait?after=${seq}&timeout=6`);
      expect(answer.status).toBe(200);
      expect(await answer.json()).toMatchObject({ messages: [] });
    } finally {
      await end(site);
    }
  });
});
