/** The behaviour of each call of a Room when the relay or the network fails. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { Http } from '../src/wire/http.ts';
import { createRoomUrl, parseRoomUrl, Room, seal, type ReadEvent, type RoomEvent } from '../src/index.ts';
import { RELAY, start, type Started } from './relay.ts';

const closing: (() => void)[] = [];
let relay: Started;
beforeAll(async () => {
  relay = await start(RELAY, '--port', '0', '--buffer-messages', '10');
});
afterAll(async () => {
  for (const close of closing) close();
  await relay.stop();
});

async function listen(handler: RequestListener): Promise<string> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function member(url: string, name: string, options = {}): Room {
  const room = new Room(url, { name, WebSocket: null, ...options });
  closing.push(() => room.close());
  return room;
}

const CALLS: Record<string, (room: Room, signal?: AbortSignal) => Promise<unknown>> = {
  send: (room, signal) => room.send('x', signal === undefined ? {} : { signal }),
  stream: (room, signal) => room.stream(signal === undefined ? {} : { signal }).next(),
  poll: (room, signal) => room.poll(signal === undefined ? {} : { signal }),
  history: (room, signal) => room.history(signal === undefined ? {} : { signal }),
  status: (room, signal) => room.status(signal === undefined ? {} : { signal }),
  listening: (room, signal) => room.listening(signal === undefined ? {} : { signal }),
};

describe.each(Object.entries(CALLS))('%s', (name, call) => {
  it.each([
    ['does not begin', false],
    ['stands still', true],
  ])('ends with the reason of its signal when an answer %s', async (_, begun) => {
    const asked: string[] = [];
    let heard = () => undefined as void;
    const arrived = new Promise<void>((resolve) => (heard = resolve));
    const base = await listen((request, response) => {
      asked.push(request.url ?? '');
      if (begun)
        response
          .writeHead(200, { 'Content-Type': name === 'stream' ? 'text/event-stream' : 'application/json' })
          .write(name === 'stream' ? ':\n\n' : '{"messages":[');
      heard();
    });
    const room = member(createRoomUrl(base), 'a');
    const reason = new Error('enough');
    const stop = new AbortController();
    const ended = expect(call(room, stop.signal)).rejects.toBe(reason);
    await arrived;
    stop.abort(reason);
    await ended;
    const before = asked.length;
    await expect(call(room, AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(asked.length).toBe(before);
  });

  it('ends when the room is closed, and is refused afterwards', async () => {
    let heard = () => undefined as void;
    const arrived = new Promise<void>((resolve) => (heard = resolve));
    const room = member(createRoomUrl(await listen(() => heard())), 'a');
    const ended =
      name === 'stream'
        ? expect(call(room)).resolves.toEqual({ done: true, value: undefined })
        : expect(call(room)).rejects.toMatchObject({ code: 'closed' });
    await arrived;
    room.close();
    await ended;
    await expect(call(room)).rejects.toMatchObject({ code: 'closed', definite: true });
  });
});

describe('send', () => {
  it('MSG-23: retries with identical bytes, at most a minute after the first attempt', async () => {
    vi.useFakeTimers();
    try {
      const bodies: unknown[] = [];
      const times: number[] = [];
      const dead = (_: string, init: RequestInit) => {
        bodies.push(init.body);
        times.push(performance.now());
        // Every second attempt hangs until its time-out.
        return bodies.length % 2 === 1
          ? Promise.reject(new TypeError('fetch failed'))
          : new Promise<Response>((_resolve, reject) =>
              init.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error)),
            );
      };
      const room = member(createRoomUrl(relay.url), 'a', { fetch: dead });
      const failed = expect(room.send('x')).rejects.toMatchObject({ code: 'network', definite: false });
      const begun = performance.now();
      await vi.advanceTimersByTimeAsync(60_000);
      await failed;
      expect(new Set(bodies).size).toBe(1);
      expect(bodies.length).toBeGreaterThan(2);
      expect(Math.max(...times) - begun).toBeLessThanOrEqual(60_000);
    } finally {
      vi.useRealTimers();
    }
  });

  it('MSG-20: waits when it is rate-limited, and every text arrives once', async () => {
    const slow = await start(RELAY, '--port', '0', '--room-burst', '4', '--room-rate', '4');
    closing.push(() => void slow.stop());
    const url = createRoomUrl(slow.url);
    const sent = Array.from({ length: 9 }, (_, i) => `text ${i}`);
    await Promise.all(sent.map((text) => member(url, 'a').send(text)));
    const { events } = await member(url, 'b').history();
    expect(events.length).toBe(sent.length);
    expect(new Set(texts(events))).toEqual(new Set(sent));
  });

  it('an answer whose body stalls is abandoned', async () => {
    const base = await listen((_, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' }).write('{"ok":');
    });
    const http = new Http(base, undefined, { room: 'room' });
    const { signal } = new AbortController();
    const asked = http.json(
      { method: 'GET', operation: 'probeRoom', signal, timeoutMs: 200 },
      (value): value is string => typeof value === 'string',
    );
    await expect(asked).rejects.toMatchObject({ code: 'network', definite: false });
  });

  it('a Retry-After larger than a timer supports does not become a wait of zero', async () => {
    const base = await listen((_, response) =>
      response.writeHead(503, { 'Retry-After': '99999999999' }).end('{"error":"later"}'),
    );
    const { value } = await member(createRoomUrl(base), 'a').stream().next();
    expect(value).toEqual({ type: 'interrupted', code: 'http-503', retryInMs: 2 ** 31 - 1 });
  });
});

/** The events up to and including the first for which `last` is true. */
async function take(room: Room, last: (event: RoomEvent) => boolean, options = {}): Promise<RoomEvent[]> {
  const events: RoomEvent[] = [];
  for await (const event of room.stream(options)) {
    events.push(event);
    if (last(event)) break;
  }
  return events;
}
const isReady = ({ type }: RoomEvent) => type === 'ready';
const texts = (events: readonly (RoomEvent | ReadEvent)[]) =>
  events.flatMap((event) => (event.type === 'message' ? [event.text] : []));

describe('reading', () => {
  it('falls back from a WebSocket that does not connect to server-sent events', async () => {
    class Blocked extends WebSocket {
      constructor(url: string) {
        super(url.replace(/\/ws\b/, '/nowhere'));
      }
    }
    const url = createRoomUrl(relay.url);
    await member(url, 'b').send('here');
    const events = await take(member(url, 'a', { WebSocket: Blocked }), isReady);
    expect(events.map(({ type }) => type)).toEqual(['interrupted', 'interrupted', 'message', 'ready']);
  });

  it('READ-10, READ-16: poll reports a gap, and a recreated room', async () => {
    const first = await start(RELAY, '--port', '0', '--buffer-messages', '3');
    const url = createRoomUrl(first.url);
    const [reader, writer] = [member(url, 'reader'), member(url, 'writer')];
    const { seq } = await writer.send('one');
    expect(texts(await reader.poll())).toEqual(['one']);
    for (const text of ['two', 'three', 'four', 'five', 'six']) await writer.send(text);
    const gap = await reader.poll();
    expect(gap[0]).toEqual({ type: 'gap', from: seq + 1, to: seq + 2 });
    expect(texts(gap)).toEqual(['four', 'five', 'six']);
    await first.stop();
    const second = await start(RELAY, '--port', first.port, '--buffer-messages', '3');
    closing.push(() => void second.stop());
    await writer.send('seven');
    const events = await reader.poll();
    expect(events.map(({ type }) => type)).toEqual(['reset', 'message']);
    expect(texts(events)).toEqual(['seven']);
  });

  it('SEAL-13: an own message is recognized by its nonce, whatever its label', async () => {
    const held: object[] = [];
    const base = await listen((request, response) => {
      if (request.method !== 'POST') {
        response.end(JSON.stringify({ messages: held, last_seq: held.length }));
        return;
      }
      let body = '';
      request.on('data', (data: Buffer) => (body += data.toString()));
      request.on('end', () => {
        const seq = held.length + 1;
        const id = `m_0000000${seq}`;
        const posted = JSON.parse(body) as object;
        held.push({ ...posted, seq, id, ts: 1, sender: 'another', sender_verified: true });
        response.end(JSON.stringify({ ok: true, id, seq }));
      });
    });
    const room = member(createRoomUrl(base), 'me');
    await room.send('mine');
    expect((await room.history()).events).toMatchObject([{ text: 'mine', sender: 'another', own: true }]);
    const stranger = new Room(`${base}/room/${room.roomId}#k=${'A'.repeat(43)}`, { name: 'another' });
    expect((await stranger.history()).events).toMatchObject([{ type: 'unopened' }]);
  });

  it('includeSelf of a stream overrides that of its room', async () => {
    const url = createRoomUrl(relay.url);
    const hidden = member(url, 'me');
    const shown = member(url, 'me', { includeSelf: true });
    await hidden.send('mine');
    await member(url, 'you').send('yours');
    expect(texts(await take(hidden, isReady))).toEqual(['yours']);
    expect(texts(await take(hidden, isReady, { includeSelf: true }))).toEqual(['mine', 'yours']);
    expect(texts(await take(shown, isReady))).toEqual(['mine', 'yours']);
    expect(texts(await take(shown, isReady, { includeSelf: false }))).toEqual(['yours']);
  });

  it('SEAL-11: a malformed message is reported once, and skipped', async () => {
    const key = new Uint8Array(32);
    const good = { id: 'm_00000001', sender: 'a', sender_verified: false, ts: 1, ...seal(key, 'good') };
    const held = [
      { ...good, seq: 1 },
      { seq: 2, sender: 'a', ciphertext: 7 },
    ];
    const asked: number[] = [];
    const base = await listen((request, response) => {
      const after = Number(new URL(request.url ?? '', 'http://x').searchParams.get('after'));
      asked.push(after);
      const answer = () =>
        response.end(JSON.stringify({ messages: held.filter(({ seq }) => seq > after), last_seq: 2 }));
      if (after < 2) answer();
      else setTimeout(answer, 1_000);
    });
    const room = member(`${base}/room/ROOM#k=${'A'.repeat(43)}`, 'me');
    expect(await room.poll({ timeoutMs: 1_000 })).toMatchObject([
      { type: 'message', text: 'good' },
      { type: 'unopened', seq: 2, reason: 'malformed' },
    ]);
    expect(await room.poll({ timeoutMs: 1_000 })).toEqual([]);
    expect(asked.slice(0, 2)).toEqual([0, 2]);
  });

  it('reports presence, renames and the lock of the room', async () => {
    const frames = [
      { type: 'ready', roomId: 'x', size: 1, participants: [] },
      { type: 'presence', size: 2, names: ['b'], participants: [{ name: 'b', last_seen_ms_ago: 5 }] },
      { type: 'rename', from: 'b', to: 'c' },
      { type: 'rename', from: 7, to: 'c' },
      { type: 'locked' },
    ];
    const base = await listen((_, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.write(frames.map((frame) => `data: ${JSON.stringify(frame)}\n\n`).join(''));
    });
    expect(await take(member(createRoomUrl(base), 'a'), ({ type }) => type === 'locked')).toEqual([
      { type: 'ready', size: 1, participants: [] },
      { type: 'presence', size: 2, participants: [{ name: 'b', lastSeenMsAgo: 5 }] },
      { type: 'rename', from: 'b', to: 'c' },
      { type: 'locked' },
    ]);
  });

  it('the warning for an agent without a name goes to stderr', () => {
    const said = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    try {
      const { name } = new Room(createRoomUrl(relay.url));
      expect(said.mock.calls).toEqual([[expect.stringContaining(name)]]);
      expect(JSON.stringify(said.mock.calls)).not.toContain(parseRoomUrl(createRoomUrl(relay.url)).base);
    } finally {
      said.mockRestore();
    }
  });
});
