import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { openapiDocument } from '@bot2bot/schemas';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { bin, start as startProcess, type Started } from './process.ts';

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

async function start(...flags: string[]): Promise<Started> {
  const relay = await startProcess(flags);
  children.push(relay.child);
  return relay;
}

async function run(
  flags: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn('node', [bin, ...flags], { env: { ...process.env, ...env } });
  children.push(child);
  let [out, err] = ['', ''];
  child.stdout.on('data', (text: Buffer) => (out += text.toString()));
  child.stderr.on('data', (text: Buffer) => (err += text.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

let nonces = 0;
async function post(
  url: string,
  room: string,
  over: Record<string, unknown> = {},
): Promise<{ id: string; seq: number }> {
  const nonce = Buffer.alloc(24);
  nonce.writeUInt32BE(nonces++);
  const body = JSON.stringify({
    ciphertext: 'c2VjcmV0',
    nonce: nonce.toString('base64'),
    sender: 'label-of-mine',
    ...over,
  });
  const answer = await fetch(`${url}/api/rooms/${room}/messages`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body,
  });
  expect(answer.status).toBe(200);
  return (await answer.json()) as { id: string; seq: number };
}

type Frame = { type: string; seq?: number; epoch?: string; reset?: boolean; last_seq?: number };

/** An SSE client that records all events. */
async function events(
  url: string,
  headers: Record<string, string> = {},
): Promise<{
  frames: Frame[];
  lastId: () => string;
  until: (type: string) => Promise<Frame>;
  ended: Promise<unknown>;
  incoming: IncomingMessage;
}> {
  const outgoing = request(url, { headers });
  outgoing.end();
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  const frames: Frame[] = [];
  let text = '';
  let id = '';
  let wake = () => undefined as void;
  incoming.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    const parts = text.split('\n\n');
    text = parts.pop() ?? '';
    for (const part of parts) {
      id = /^id: (.*)$/m.exec(part)?.[1] ?? id;
      const data = /^data: (.*)$/m.exec(part)?.[1];
      if (data !== undefined) frames.push(JSON.parse(data) as Frame);
    }
    wake();
  });
  incoming.on('error', () => undefined);
  return {
    frames,
    incoming,
    lastId: () => id,
    // If the relay is killed, the body ends with an error.
    ended: new Promise((resolve) => incoming.on('close', resolve)),
    until: async (type) => {
      for (;;) {
        const frame = frames.find((known) => known.type === type);
        if (frame !== undefined) return frame;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}

async function socket(url: string): Promise<{ ready: Frame; closed: Promise<[number]>; ws: WebSocket }> {
  const ws = new WebSocket(url.replace('http', 'ws'));
  const closed = once(ws, 'close') as Promise<[number]>;
  const ready = await new Promise<Frame>((resolve) =>
    ws.on('message', (data) => {
      const frame = JSON.parse((data as Buffer).toString()) as Frame;
      if (frame.type === 'ready') resolve(frame);
    }),
  );
  return { ready, closed, ws };
}

describe('bot2bot-relay', () => {
  it('--help lists every flag and has examples', async () => {
    const { code, out } = await run(['--help']);
    expect(code).toBe(0);
    expect(out).toContain('Examples:');
    for (const flag of ['--port', '--room-burst', '--ttl-min-ms', '--subscriber-bytes'])
      expect(out).toContain(flag);
  });

  it.each([
    [['--no-such']],
    [['--port', 'http']],
    [['--port', '70000']],
    [['--room-burst', '0']],
    [['--room-burst', '1.5']],
    [['--log-level', 'loud']],
    [['stray']],
  ])('%j is refused with exit 2 and says what to do', async (flags) => {
    const { code, err } = await run(flags);
    expect(code).toBe(2);
    expect(err).toContain('--help');
  });

  it('prints an error when its port is in use', async () => {
    const { url } = await start();
    const { code, err } = await run(['--port', new URL(url).port]);
    expect(code).toBe(1);
    expect(err).toContain('is in use');
  });

  it('takes PORT and HOST from the environment', async () => {
    const child = spawn('node', [bin], { env: { ...process.env, PORT: '0', HOST: '127.0.0.1' } });
    children.push(child);
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    expect(line.toString()).toMatch(/^bot2bot-relay listening on http:\/\/127\.0\.0\.1:\d+\n$/);
  });

  it('serves the generated document, and a page that loads nothing from other origins', async () => {
    const { url } = await start();
    const document: unknown = await (await fetch(`${url}/api/openapi.json`)).json();
    expect(document).toEqual({ ...openapiDocument(), servers: [{ url }] });
    const page = await (await fetch(`${url}/api/docs`)).text();
    const assets = [...page.matchAll(/(?:src|href)="([^"]+)"/g)]
      .map((match) => match[1] ?? '')
      .filter((asset) => !asset.startsWith('data:'));
    expect(assets.length).toBeGreaterThan(0);
    for (const path of assets) {
      const at = new URL(path, `${url}/api/docs`);
      expect(at.origin).toBe(url);
      const asset = await fetch(at);
      expect({ path, status: asset.status }).toEqual({ path, status: 200 });
      if (path.endsWith('.css')) expect(await asset.text()).not.toMatch(/url\(\s*["']?https?:/);
    }
  });

  it('logs no path, label or ciphertext, even at level debug', async () => {
    const { url, child, said } = await start('--log-level', 'debug');
    await post(url, 'room-of-mine');
    await fetch(`${url}/api/rooms/room-of-mine/transcript?after=1`);
    await fetch(`${url}/api/rooms/x/status`);
    const raw = connect(Number(new URL(url).port), '127.0.0.1');
    raw.resume();
    raw.end('GET /api/rooms/room-of-mine/%zz HTTP/9.9\r\n\r\n');
    await once(raw, 'close');
    const gone = once(child, 'close');
    child.kill('SIGTERM');
    await gone;
    const { out, err } = said();
    expect(err).not.toBe('');
    for (const secret of ['room-of-mine', 'label-of-mine', 'c2VjcmV0'])
      expect(out + err).not.toContain(secret);
  });

  it('SIGTERM disconnects all clients, and the process ends within two seconds', async () => {
    const { url, child } = await start();
    const { seq } = await post(url, 'leaving');
    const sse = await events(`${url}/api/rooms/leaving/events`);
    const ws = await socket(`${url}/api/rooms/leaving/ws`);
    await sse.until('ready');
    const parked = fetch(`${url}/api/rooms/leaving/wait?after=${seq}&timeout=60`);
    await expect
      .poll(
        async () =>
          ((await (await fetch(`${url}/api/rooms/leaving/status`)).json()) as { idle_seconds: number })
            .idle_seconds,
      )
      .toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const exit = once(child, 'exit');
    const at = performance.now();
    child.kill('SIGTERM');
    expect(await (await parked).json()).toMatchObject({ messages: [], last_seq: seq });
    expect((await ws.closed)[0]).toBe(1012);
    await sse.ended;
    expect((await exit)[0]).toBe(0);
    expect(performance.now() - at).toBeLessThan(2_500);
  });

  it('READ-12: killed and restarted under open clients, it sends each of them a reset', async () => {
    const first = await start();
    const port = new URL(first.url).port;
    const { seq } = await post(first.url, 'restarted');
    const sse = await events(`${first.url}/api/rooms/restarted/events`);
    const ws = await socket(`${first.url}/api/rooms/restarted/ws`);
    const epoch = (await sse.until('ready')).epoch ?? '';
    const parked = fetch(`${first.url}/api/rooms/restarted/wait?after=${seq}&epoch=${epoch}&timeout=60`).then(
      () => 'answered',
      () => 'broken off',
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    first.child.kill('SIGKILL');
    await sse.ended;
    await ws.closed;
    expect(await parked).toBe('broken off');

    const second = await start('--port', port);
    const gone = (await (
      await fetch(`${second.url}/api/rooms/restarted/wait?after=${seq}&epoch=${epoch}`)
    ).json()) as Frame;
    expect(gone).toMatchObject({ exists: false, reset: true });
    const again = await events(`${second.url}/api/rooms/restarted/events`, { 'Last-Event-ID': sse.lastId() });
    const ready = await again.until('ready');
    expect(ready.reset).toBe(true);
    expect(ready.epoch).not.toBe(epoch);
    expect(
      (await socket(`${second.url}/api/rooms/restarted/ws?after=${seq}&epoch=${epoch}`)).ready,
    ).toMatchObject({ reset: true, epoch: ready.epoch });
    const waiting = fetch(`${second.url}/api/rooms/restarted/wait?after=${seq}&epoch=${epoch}&timeout=20`);
    const fresh = await post(second.url, 'restarted');
    expect(await (await waiting).json()).toMatchObject({
      reset: true,
      epoch: ready.epoch,
      messages: [{ seq: fresh.seq }],
    });
    expect(fresh.seq).toBeGreaterThan(seq);
    again.incoming.destroy();
  });

  it('STREAM-24: a stalled reader resumes from the log without loss, and uses a bounded buffer', async () => {
    const { url } = await start('--subscriber-bytes', '65536');
    const slow = connect(Number(new URL(url).port), '127.0.0.1');
    slow.write('GET /api/rooms/stalled/events HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(slow, 'data');
    slow.pause();
    const seqs: number[] = [];
    for (let i = 0; i < 150; i++)
      seqs.push((await post(url, 'stalled', { ciphertext: 'A'.repeat(131_072) })).seq);
    let text = '';
    slow.on('data', (chunk: Buffer) => (text += chunk.toString()));
    slow.resume();
    await expect.poll(() => text.includes(`"seq":${seqs.at(-1)}`), { timeout: 10_000 }).toBe(true);
    slow.destroy();
    const seen = [...text.matchAll(/"seq":(\d+)/g)].map((match) => Number(match[1]));
    expect(seen).toEqual(seqs);
  });
});
