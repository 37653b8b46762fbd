import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import {
  Bot2BotError,
  createRoomUrl,
  parseRoomUrl,
  Room,
  seal,
  type Fetch,
  type RoomEvent,
  type RoomOptions,
} from '../src/index.ts';
import { proxy } from './proxy.ts';
import { RELAY, start, TINY, type Started } from './relay.ts';

const quiet = (): void => undefined;
/** Options that make a stream use each transport. */
const TRANSPORTS: Record<'sse' | 'ws' | 'poll', RoomOptions> = {
  sse: { WebSocket: null },
  ws: { WebSocket: WebSocket as never },
  poll: {
    WebSocket: null,
    fetch: (input, init) =>
      input.includes('/events')
        ? Promise.resolve(new Response('<p>no', { status: 200 }))
        : fetch(input, init),
  },
};
type Transport = keyof typeof TRANSPORTS;
const EVERY = Object.keys(TRANSPORTS) as Transport[];

const closing: (() => void)[] = [];
afterAll(() => {
  for (const close of closing) close();
});

/** A reader that runs in the background and records its events. */
function reading(url: string, options: RoomOptions, after?: number) {
  const room = new Room(url, { name: 'reader', ...options });
  closing.push(() => room.close());
  const events: RoomEvent[] = [];
  let wake = quiet;
  const done = (async () => {
    for await (const event of room.stream(after === undefined ? {} : { after })) {
      events.push(event);
      wake();
    }
  })();
  done.catch(() => wake());
  const until = async (test: (events: readonly RoomEvent[]) => boolean): Promise<void> => {
    while (!test(events)) await new Promise<void>((resolve) => (wake = resolve));
  };
  const texts = () => events.flatMap((event) => (event.type === 'message' ? [event.text] : []));
  return { room, events, texts, until, done };
}

function writing(url: string, name = 'writer'): Room {
  const room = new Room(url, { name });
  closing.push(() => room.close());
  return room;
}

async function listen(handler: RequestListener): Promise<{ url: string; server: Server }> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

/** Post a body as another client. */
async function post(url: string, body: unknown): Promise<void> {
  const { base, roomId } = parseRoomUrl(url);
  const answer = await fetch(`${base}/api/rooms/${roomId}/messages`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  expect(answer.status).toBe(200);
}

describe.each([
  ['the reference relay', RELAY],
  ['tiny-relay, which is only compat', TINY],
])('against %s', (_, script) => {
  let relay: Started;
  beforeAll(async () => {
    relay = await start(script, '--port', '0');
  });
  afterAll(() => relay.stop());

  it.each(EVERY)('%s: every message once, in order, byte for byte', async (transport) => {
    const url = createRoomUrl(relay.url);
    const writer = writing(url);
    const texts = [
      '',
      ' line1\nline2\r\n',
      '\uFEFFmark',
      '\u{1F600}',
      '{"bot2bot":true}',
      'x'.repeat(98_288),
    ];
    for (const text of texts.slice(0, 3)) await writer.send(text);
    const reader = reading(url, TRANSPORTS[transport]);
    await reader.until((events) => events.some(({ type }) => type === 'ready'));
    for (const text of texts.slice(3)) await writer.send(text);
    await reader.until(() => reader.texts().length >= texts.length);
    expect(reader.texts()).toEqual(texts);
    reader.room.close();
    await reader.done;
  });

  it.each(EVERY)(
    '%s: with connections cut repeatedly, nothing is lost or delivered twice',
    async (transport) => {
      const wire = await proxy(relay.url);
      closing.push(() => wire.close());
      const direct = createRoomUrl(relay.url);
      const reader = reading(direct.replace(relay.url, wire.url), TRANSPORTS[transport]);
      await reader.until((events) => events.some(({ type }) => type === 'ready'));
      const writer = writing(direct);
      const sent = Array.from({ length: 120 }, (__, i) => `text ${i}`);
      for (const [i, text] of sent.entries()) {
        await writer.send(text);
        if (i % 40 === 20) wire.cut();
      }
      await reader.until(() => reader.texts().includes('text 119'));
      expect(reader.texts()).toEqual(sent);
      expect(reader.events.some(({ type }) => type === 'interrupted')).toBe(true);
      reader.room.close();
    },
  );

  /**
   * The events of a reader whose relay restarts between two messages.
   * @param knows whether the reader gets answers of the new relay before the second message is posted.
   */
  async function acrossRestart(transport: Transport, knows: boolean): Promise<readonly RoomEvent[]> {
    const first = await start(script, '--port', '0');
    const wire = await proxy(first.url);
    closing.push(() => wire.close());
    const direct = createRoomUrl(first.url);
    const reader = reading(direct.replace(first.url, wire.url), TRANSPORTS[transport]);
    const writer = writing(direct);
    await reader.until((events) => events.some(({ type }) => type === 'ready'));
    await writer.send('before');
    await reader.until(() => reader.texts().includes('before'));
    wire.swallow = !knows;
    await first.stop();
    const second = await start(script, '--port', first.port);
    closing.push(() => void second.stop());
    if (knows) await reader.until((events) => events.some(({ type }) => type === 'reset'));
    await writer.send('after');
    wire.swallow = false;
    await reader.until(() => reader.texts().includes('after'));
    expect(reader.texts()).toEqual(['before', 'after']);
    reader.room.close();
    return reader.events;
  }

  it.each(EVERY)('READ-16: %s: continues after a restart, and reports it', async (transport) => {
    const events = await acrossRestart(transport, false);
    // Without an epoch, a restart is not visible if seqs keep rising; but then no message may be missing either.
    const told = events.findIndex(({ type }) => type === 'reset');
    if (script === RELAY) expect(events.slice(told).some(({ type }) => type === 'message')).toBe(true);
    expect(events.filter(({ type }) => type === 'reset').length).toBe(script === RELAY ? 1 : 0);
  });

  it.each(EVERY)('READ-16: %s: reports once that the room is gone', async (transport) => {
    const events = await acrossRestart(transport, true);
    expect(events.filter(({ type }) => type === 'reset').length).toBe(1);
  });

  it('MSG-23: retries with identical bytes when an answer is lost', async () => {
    const wire = await proxy(relay.url);
    closing.push(() => wire.close());
    const direct = createRoomUrl(relay.url);
    const writer = writing(direct.replace(relay.url, wire.url));
    wire.swallow = true;
    setTimeout(() => (wire.swallow = false), 600);
    const { seq } = await writer.send('once');
    expect(seq).toBeGreaterThan(0);
    const bodies = wire
      .sent()
      .toString()
      .split('POST ')
      .slice(1)
      .map((text) => text.split('\r\n\r\n')[1]);
    expect(bodies.length).toBeGreaterThan(1);
    expect(new Set(bodies).size).toBe(1);
    const reader = reading(direct, TRANSPORTS.sse);
    await writing(direct).send('end');
    await reader.until(() => reader.texts().includes('end'));
    expect(reader.texts()).toEqual(['once', 'end']);
    reader.room.close();
  });

  it('poll, history, status and listening', async () => {
    const url = createRoomUrl(relay.url);
    const [ada, bob] = [writing(url, 'ada'), writing(url, 'bob')];
    expect(await ada.status()).toMatchObject({ exists: false });
    expect(await ada.listening()).toBe(false);
    expect(await ada.poll({ timeoutMs: 1_000 })).toEqual([]);
    await bob.send('one');
    const second = await bob.send('two', { ttlMs: 60_000 });
    expect(await ada.poll()).toMatchObject([
      { text: 'one', sender: 'bob', own: false, ttlMs: null },
      { text: 'two', ttlMs: 60_000, seq: second.seq },
    ]);
    const [events] = await Promise.all([
      ada.poll(),
      bob.poll({ timeoutMs: 1_000 }),
      bob.send('three', { replyTo: second.id }),
    ]);
    expect(events).toMatchObject([{ text: 'three', replyTo: second.id }]);
    const page = await bob.history({ limit: 2 });
    expect(page.events).toMatchObject([{ text: 'one', own: true }, { text: 'two' }]);
    expect((await bob.history({ after: page.nextAfter })).events).toMatchObject([{ text: 'three' }]);
    expect(await ada.listening()).toBe(true);
    expect(await ada.status()).toMatchObject({ exists: true, participants: 1, recentCount: 3 });
  });
});

describe('Room', () => {
  let relay: Started;
  beforeAll(async () => {
    relay = await start(RELAY, '--port', '0', '--buffer-messages', '100');
  });
  afterAll(() => relay.stop());

  it('SEAL-4: nothing that is sent contains the key, the fragment or the text, in any encoding', async () => {
    const wire = await proxy(relay.url);
    closing.push(() => wire.close());
    const url = createRoomUrl(wire.url);
    const key = Buffer.from(parseRoomUrl(url).key);
    const text = 'a text that nobody else shall read';
    const writer = writing(url);
    const spoken: string[] = [];
    class Recorded extends WebSocket {
      override send(data: string): void {
        spoken.push(data);
        super.send(data);
      }
    }
    const readers = [TRANSPORTS.sse, TRANSPORTS.poll, { WebSocket: Recorded as never }].map((options) =>
      reading(url, options),
    );
    await writer.send(text);
    for (const { until, texts } of readers) await until(() => texts().includes(text));
    await writer.poll({ timeoutMs: 1_000 });
    await writer.status();
    await writer.listening();
    for (const { room } of readers) room.close();
    const sent = wire.sent();
    expect(sent.includes('/api/rooms/')).toBe(true);
    const plain = Buffer.from(text);
    for (const secret of [key, plain])
      for (const form of [
        secret,
        secret.toString('base64url').slice(0, 40),
        secret.toString('base64').slice(0, 40),
        secret.toString('hex'),
        encodeURIComponent(secret.toString('base64')).slice(0, 40),
      ])
        expect(sent.includes(form)).toBe(false);
    expect(sent.includes('#k=')).toBe(false);
    // Frames on a WebSocket are masked, so they are compared here before masking.
    expect(spoken).toEqual(['{"type":"hello","name":"reader"}']);
  });

  it('SEAL-11: a message that cannot be decrypted is reported, and later ones are delivered', async () => {
    const url = createRoomUrl(relay.url);
    const { key } = parseRoomUrl(url);
    await post(url, { sender: 'other', ...seal(new Uint8Array(32), 'under another key') });
    await post(url, { sender: 'other', ...seal(key, 'fine') });
    const reader = reading(url, TRANSPORTS.sse);
    await reader.until(() => reader.texts().includes('fine'));
    expect(reader.events.filter(({ type }) => type === 'message' || type === 'unopened')).toMatchObject([
      { type: 'unopened', reason: 'sealed', sender: 'other' },
      { type: 'message', text: 'fine' },
    ]);
    reader.room.close();
  });

  it('MSG-24, CORE-17: repeated frames are delivered once, and unknown ones are ignored', async () => {
    const [url, key] = ['x', new Uint8Array(32)];
    const message = (seq: number, text: string) => ({
      seq,
      id: `m_0000000${seq}`,
      sender: 'a',
      sender_verified: true,
      ts: 1,
      more: [1],
      ...seal(key, text),
    });
    const one = message(1, 'one');
    const lies: unknown[] = [one, one, { ...one, seq: 2 }, { seq: 3 }, message(4, 'two')];
    const { url: base } = await listen((request, response) => {
      if (!request.url?.includes('/events')) return void response.writeHead(404).end('{}');
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      for (const json of lies)
        response.write(`data: ${JSON.stringify({ type: 'message', ...(json as object) })}\n\n`);
      response.write('data: {"type":"ready","roomId":"x","size":1,"participants":[{"name":7},null]}\n\n');
      response.write('data: {"type":"weather"}\n\ndata: not json\n\ndata: [1]\n\n');
    });
    const room = `${base}/room/lies#k=${'A'.repeat(43)}`;
    const reader = reading(room, TRANSPORTS.sse);
    await reader.until((events) => events.some(({ type }) => type === 'ready'));
    expect(url).toBe('x');
    expect(reader.events.map((event) => (event.type === 'message' ? event.text : event.type))).toEqual([
      'one',
      'unopened',
      'two',
      'ready',
    ]);
    reader.room.close();
  });

  it('READ-10: messages that were evicted meanwhile are reported', async () => {
    const url = createRoomUrl(relay.url);
    const writer = writing(url);
    const { seq } = await writer.send('had');
    for (let i = 0; i < 130; i++) await writer.send(`text ${i}`);
    for (const transport of EVERY) {
      const reader = reading(url, TRANSPORTS[transport], seq);
      await reader.until((events) => events.some(({ type }) => type === 'ready'));
      await reader.until(() => reader.texts().includes('text 129'));
      expect(reader.events.filter(({ type }) => type === 'gap')).toEqual([
        { type: 'gap', from: seq + 1, to: seq + 30 },
      ]);
      expect(reader.texts().length).toBe(100);
      reader.room.close();
    }
  });

  it('SEAL-13: own messages are hidden unless includeSelf is set', async () => {
    const url = createRoomUrl(relay.url);
    const room = writing(url, 'me');
    await room.send('mine');
    await writing(url, 'you').send('yours');
    expect(await room.poll()).toMatchObject([{ text: 'yours', own: false }]);
    const all = new Room(url, { name: 'me', includeSelf: true });
    expect(await all.poll()).toMatchObject([
      { text: 'mine', own: true },
      { text: 'yours', own: false },
    ]);
  });

  it('SEAL-13: an agent without a name gets a random one, and a warning', () => {
    const said: string[] = [];
    const url = createRoomUrl(relay.url);
    const names = Array.from({ length: 20 }, () => new Room(url, { warn: (text) => said.push(text) }).name);
    expect(new Set(names).size).toBe(20);
    for (const name of names) expect(name).toMatch(/^agent-[0-9a-f]{6}$/);
    expect(said.length).toBe(20);
    expect(said[0]).toContain(names[0]);
    for (const name of ['', 'two words', 'n'.repeat(65)])
      expect(() => new Room(url, { name })).toThrow(RangeError);
  });

  it('a redirect to another origin is not followed', async () => {
    const asked: string[] = [];
    const other = await listen((request, response) => {
      asked.push(request.url ?? '');
      response.end('{}');
    });
    const { url } = await listen((request, response) =>
      response.writeHead(307, { Location: other.url + (request.url ?? '') }).end(),
    );
    const room = new Room(createRoomUrl(url), { name: 'a' });
    await expect(room.status()).rejects.toThrow(Bot2BotError);
    const signal = AbortSignal.timeout(500);
    await expect(room.send('x', { signal })).rejects.toThrow();
    expect(asked).toEqual([]);
  });

  it('a refusal is thrown at once, with its code, and contains no secret', async () => {
    const room = writing(createRoomUrl(relay.url));
    const error = await room.send('x', { ttlMs: 5 }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Bot2BotError);
    expect(error).toMatchObject({ code: 'bad-ttl', status: 400, definite: true });
    expect(String(error)).not.toContain(room.roomId);
  });

  it('a stream fails if no transport works, instead of waiting', async () => {
    const { url } = await listen((_, response) => response.writeHead(403).end('{"error":"no"}'));
    const reader = reading(createRoomUrl(url), TRANSPORTS.sse);
    await expect(reader.done).rejects.toMatchObject({ code: 'http-403' });
  });

  it.each(EVERY)('%s: an abort and a close end a stream at once', async (transport) => {
    const url = createRoomUrl(relay.url);
    const room = new Room(url, { name: 'a', ...TRANSPORTS[transport] });
    const stop = new AbortController();
    const aborted = (async () => {
      for await (const event of room.stream({ signal: stop.signal }))
        if (event.type === 'ready') stop.abort();
    })();
    await expect(aborted).rejects.toThrow(/abort/i);
    for await (const event of room.stream()) if (event.type === 'ready') room.close();
    await expect(room.send('x')).rejects.toMatchObject({ code: 'closed', definite: true });
    await expect.poll(async () => (await new Room(url, { name: 'b' }).status()).participants).toBe(0);
  });

  it('an unreachable relay is retried, and an abort ends the wait', async () => {
    const dead: Fetch = () => Promise.reject(new TypeError('fetch failed'));
    const room = new Room(createRoomUrl(relay.url), { name: 'a', fetch: dead, WebSocket: null });
    await expect(room.send('x', { signal: AbortSignal.timeout(400) })).rejects.toThrow(/timeout/i);
    const codes: string[] = [];
    for await (const event of room.stream()) {
      if (event.type === 'interrupted') codes.push(event.code);
      if (codes.length === 3) break;
    }
    expect(codes).toEqual(['network', 'network', 'network']);
  });
});
