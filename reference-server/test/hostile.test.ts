/** The claims of chapter 09 about load: hostile input and hostile readers against a relay process. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, mkdtempSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathOf, PostBody, ROUTES, type Component, type Route } from '@bot2bot/schemas';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { figure, residentMiB, start, stop, type Started } from './process.ts';
import { needs } from '../../scripts/needs.ts';

const started: Started[] = [];
afterEach(async () => {
  for (const relay of started.splice(0)) await stop(relay, 'SIGKILL');
});
async function relayWith(...flags: string[]): Promise<Started> {
  const relay = await start([...flags, '--metrics-port', '0']);
  started.push(relay);
  return relay;
}

const MANY = '1000000000';
const NO_RATES = ['--room-burst', MANY, '--room-rate', MANY, '--address-burst', MANY, '--address-rate', MANY];
const CASES = 20_000;
const SEED = 20_261_124;

const agent = new Agent({ keepAlive: true, maxSockets: 32 });

/** Send a request with exactly these bytes as its body. @returns the status; 0 without an answer. */
function send(
  url: string,
  method: string,
  path: string,
  body?: string,
  type = 'application/json',
  authorization = '',
  from = '127.0.0.1',
): Promise<number> {
  return new Promise((resolve) => {
    const { port } = new URL(url);
    const headers = {
      ...(body === undefined ? {} : { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) }),
      ...(authorization === '' ? {} : { Authorization: authorization }),
    };
    const outgoing = request(
      { host: '127.0.0.1', port, method, path, headers, agent, localAddress: from },
      (incoming) => {
        incoming.resume().on('end', () => resolve(incoming.statusCode ?? 0));
      },
    );
    outgoing.on('error', () => resolve(0));
    outgoing.end(body);
  });
}

const sealed = (chars = 8) => ({
  ciphertext: 'A'.repeat(chars),
  nonce: randomBytes(24).toString('base64'),
});

/** Values at the boundaries of the schemas. */
const edge = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    1,
    0.5,
    1e300,
    29_999,
    30_000,
    '',
    'AAAA',
    'AB==',
    'a b',
    '\0',
    '\u{1F600}',
  ),
  fc.constantFrom<unknown>(
    [],
    {},
    ['AAAA'],
    { toString: 1 },
    'x'.repeat(65),
    'A'.repeat(1_025),
    '__proto__',
    '-'.repeat(32),
  ),
  fc.string({ maxLength: 40 }),
  fc.jsonValue({ maxDepth: 2 }),
);
const ODD_FIELDS = ['__proto__', 'constructor', 'type', 'seq'];
/** A valid body with up to three of its fields changed, or text that is almost JSON. */
const nearMissOf = (bodies: readonly Component[]) =>
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc
        .constantFrom(...bodies)
        .chain((schema) => {
          const { properties } = schema as { properties?: Record<string, unknown> };
          const fields = [...Object.keys(properties ?? {}), ...ODD_FIELDS];
          return fc.tuple(
            fc.constant(schema),
            fc.array(fc.tuple(fc.constantFrom(...fields), edge, fc.boolean()), { maxLength: 3 }),
          );
        })
        .map(([schema, changes]) => {
          const [example] = (schema as { examples?: Record<string, unknown>[] }).examples ?? [];
          const body: Record<string, unknown> = { ...example, ...(schema === PostBody ? sealed() : {}) };
          for (const [field, value, remove] of changes) {
            if (remove) delete body[field];
            else
              Object.defineProperty(body, field, {
                value,
                enumerable: true,
                configurable: true,
                writable: true,
              });
          }
          return JSON.stringify(body);
        }),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.nat(60), fc.constantFrom('', '"', '}', '{', ',', '\\', '\u0000', '[', '\ud83d'))
        .map(([at, mark]) => {
          const text = JSON.stringify(sealed());
          return text.slice(0, at) + mark + text.slice(at + 1);
        }),
    },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 80 }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        '[]',
        'null',
        '7',
        '""',
        '{}',
        '['.repeat(5_000),
        `{"a":${'['.repeat(2_000)}`,
      ),
    },
  );
const odd = fc.oneof(
  fc.constantFrom(
    '0',
    '-1',
    '1e9',
    'NaN',
    '',
    '9'.repeat(40),
    '%00',
    '%zz',
    '..',
    '💥',
    "'",
    '1&after=2',
    '1;2',
  ),
  fc.string({ maxLength: 20 }),
);
const room = fc.oneof(
  fc.constantFrom(
    'abcd',
    'x'.repeat(64),
    'x'.repeat(65),
    'abc',
    '%2e%2e',
    '..',
    'a%00bc',
    '',
    'ab cd',
    'ü'.repeat(4),
  ),
  fc.string({ maxLength: 70 }),
);
const operations = Object.keys(ROUTES).filter(
  (name) => !['docs', 'openapi'].includes(name),
) as (keyof typeof ROUTES)[];
const BODIES = Object.values<Route>(ROUTES).flatMap(({ body }) => (body === undefined ? [] : [body]));
const names = ['unknown', ...Object.values<Route>(ROUTES).flatMap(({ query }) => Object.keys(query ?? {}))];
/** `Authorization` headers, valid and invalid. */
const authorization = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom('Bot2Bot', 'bot2bot', 'Bearer', 'Bot2Bot v=2,', 'Bot2Bot v=3,'), odd, odd)
      .map(([scheme, ts, n]) =>
        `${scheme} ts=${ts},n=${n},sig=${'A'.repeat(86)}==`.replaceAll(/[^ -~]/g, '?'),
      ),
  },
);

const httpCase = fc.record({
  operation: fc.constantFrom(...operations),
  method: fc.oneof(
    { weight: 4, arbitrary: fc.constant('') },
    { weight: 1, arbitrary: fc.constantFrom('PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'POST', 'GET') },
  ),
  room,
  query: fc.array(fc.tuple(fc.constantFrom(...names), odd), { maxLength: 3 }),
  body: nearMissOf(BODIES),
  authorization,
  type: fc.constantFrom(
    'application/json',
    'application/json',
    'text/plain',
    'application/json; charset=x',
    '',
  ),
});

/** Percent-encode the characters that Node's client refuses in a path. */
function escaped(path: string): string {
  return path.replaceAll(/[^!-~]/gu, (char) => encodeURIComponent(Buffer.from(char).toString()));
}

/** Whether the relay answers a text frame: not if it has a `type`, since then it is not a message. */
function isAnswered(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value !== 'object' || value === null || !Object.hasOwn(value, 'type');
  } catch {
    return true;
  }
}

describe('hostile input', () => {
  it('20 000 malformed requests: no 5xx, no crash, no hang, memory flat', async () => {
    const relay = await relayWith(
      ...NO_RATES,
      '--wait-max-ms',
      '1000',
      '--wait-default-ms',
      '1000',
      '--wait-min-ms',
      '1',
    );
    const cases = fc.sample(httpCase, { seed: SEED, numRuns: CASES });
    const statuses = new Map<number, number>();
    const worst: string[] = [];
    const half = { memory: 0 };
    let next = 0;
    const worker = async () => {
      for (let i = next++; i < cases.length; i = next++) {
        const one = cases[i];
        if (one === undefined) return;
        if (i === CASES / 2) half.memory = residentMiB(relay);
        const route = ROUTES[one.operation];
        // A GET would open a stream that stays open: use another method.
        const opens = route.answers === 'sse' || route.answers === 'websocket';
        const method =
          one.method === '' || (opens && one.method === 'GET') ? (opens ? 'POST' : route.method) : one.method;
        const query = one.query.map(([name, value]) => `${name}=${value}`).join('&');
        const path = escaped(`${pathOf(one.operation, one.room, one.room)}?${query}`);
        const status = await send(
          relay.url,
          method,
          path,
          method === 'GET' ? undefined : one.body,
          one.type,
          one.authorization,
        );
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status >= 500 || status === 0)
          worst.push(`${status} ${method} ${path} ${one.body.slice(0, 200)}`);
      }
    };
    await Promise.all(Array.from({ length: 32 }, worker));
    expect(worst.slice(0, 5)).toEqual([]);
    expect([...statuses.values()].reduce((a, b) => a + b, 0)).toBe(CASES);
    expect(statuses.get(400)).toBeGreaterThan(CASES / 10);
    expect((statuses.get(429) ?? 0) / CASES).toBeLessThan(0.01);
    expect(await send(relay.url, 'GET', ROUTES.health.path)).toBe(200);
    expect(residentMiB(relay) - half.memory).toBeLessThan(64);
  });

  it('20 000 malformed WebSocket frames: each refused is answered, the connection lives, memory flat', async () => {
    const relay = await relayWith(...NO_RATES);
    const frames = fc.sample(nearMissOf([PostBody]), { seed: SEED + 1, numRuns: CASES });
    const ws = new WebSocket(`${relay.url.replace('http', 'ws')}${pathOf('openSocket', 'frames')}`);
    const codes = new Map<number, number>();
    const got = { sent: 0, error: 0 };
    ws.on('message', (data) => {
      const frame = JSON.parse((data as Buffer).toString()) as { type: string; code?: number };
      if (frame.type === 'sent') got.sent++;
      if (frame.type !== 'error') return;
      got.error++;
      codes.set(frame.code ?? 0, (codes.get(frame.code ?? 0) ?? 0) + 1);
    });
    await once(ws, 'open');
    let before = 0;
    for (const [i, text] of frames.entries()) {
      ws.send(i % 10 === 9 ? Buffer.from(text) : text, { binary: i % 10 === 9 });
      if (i % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      if (i === CASES / 2) before = residentMiB(relay);
    }
    const nonce = randomBytes(24).toString('base64');
    ws.send(JSON.stringify({ ciphertext: 'AAAA', nonce }));
    const answered = frames.filter((text, i) => i % 10 === 9 || isAnswered(text)).length;
    expect(answered).toBeGreaterThan(CASES / 4);
    await expect.poll(() => got.sent + got.error, { timeout: 30_000 }).toBe(answered + 1);
    expect(ws.readyState).toBe(WebSocket.OPEN);
    expect([...codes.keys()].filter((code) => code < 400 || code > 499)).toEqual([]);
    expect((codes.get(429) ?? 0) / CASES).toBeLessThan(0.01);
    expect(residentMiB(relay) - before).toBeLessThan(64);
    ws.terminate();
  });

  it('a request that arrives too slowly is abandoned, and its connection closed', async () => {
    const relay = await relayWith('--header-ms', '500', '--request-ms', '900');
    const port = Number(new URL(relay.url).port);
    const dribble = async (head: string) => {
      const socket = connect(port, '127.0.0.1');
      socket.write(head);
      const drip = setInterval(() => socket.writable && socket.write('x'), 100);
      let text = '';
      socket.on('data', (data: Buffer) => (text += data.toString())).on('error', () => undefined);
      await once(socket, 'close');
      clearInterval(drip);
      return text;
    };
    expect(await dribble('GET /api/health HTTP/1.1\r\nX-A: ')).toContain('HTTP/1.1 408');
    const post = `POST ${pathOf('postMessage', 'slow')} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`;
    expect(await dribble(post)).toContain('HTTP/1.1 408');
  });
});

/** An SSE client that has stopped reading after the headers. */
async function stalled(url: string, id: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(`GET ${pathOf('streamEvents', id)} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await once(socket, 'data');
  socket.pause();
  return socket;
}

describe('hostile readers and writers', () => {
  it(
    '1 000 stalled readers of 128 KiB messages: memory inside the budget, honest readers lose nothing',
    { timeout: 120_000 },
    async () => {
      const relayBytes = 64 << 20;
      const relay = await relayWith(
        ...NO_RATES,
        '--address-streams',
        '2000',
        '--relay-bytes',
        String(relayBytes),
        '--room-bytes',
        String(32 << 20),
      );
      const resting = residentMiB(relay);
      const stuck: Socket[] = [];
      for (let i = 0; i < 1_000; i += 50)
        stuck.push(...(await Promise.all(Array.from({ length: 50 }, () => stalled(relay.url, 'stalled')))));
      const honest = await Promise.all(
        Array.from({ length: 5 }, async () => {
          const ws = new WebSocket(`${relay.url.replace('http', 'ws')}${pathOf('openSocket', 'stalled')}`);
          const seqs: { seq: number; ms: number }[] = [];
          ws.on('message', (data) => {
            const text = (data as Buffer).toString();
            if (!text.startsWith('{"type":"message"')) return;
            const { seq, sender } = JSON.parse(text) as { seq: number; sender: string };
            seqs.push({ seq, ms: performance.now() - Number(sender) });
          });
          await once(ws, 'open');
          return { ws, seqs };
        }),
      );
      const posts = 300;
      let peak = 0;
      for (let i = 0; i < posts; i++) {
        const body = JSON.stringify({ ...sealed(131_072), sender: String(performance.now()) });
        expect(await send(relay.url, 'POST', pathOf('postMessage', 'stalled'), body)).toBe(200);
        if (i % 10 === 0) peak = Math.max(peak, residentMiB(relay));
      }
      for (const { seqs } of honest) {
        await expect.poll(() => seqs.length, { timeout: 20_000 }).toBe(posts);
        expect(seqs.every(({ seq }, at) => at === 0 || seq === (seqs[at - 1]?.seq ?? 0) + 1)).toBe(true);
      }
      const times = honest.flatMap(({ seqs }) => seqs.map(({ ms }) => ms)).sort((a, b) => a - b);
      peak = Math.max(peak, residentMiB(relay));
      const declared = (relayBytes + 1_005 * (64 << 10)) / (1 << 20);
      process.stdout.write(
        `1000 stalled readers: ${Math.round(resting)} MiB before, at most ${Math.round(peak)} MiB, of ${Math.round(declared)} MiB declared; honest p99 ${Math.round(times[Math.floor(times.length * 0.99)] ?? 0)} ms\n`,
      );
      expect(await figure(relay, 'buffered_bytes')).toBeLessThanOrEqual(relayBytes);
      expect(peak - resting).toBeLessThan(declared + 64);
      for (const socket of stuck) socket.destroy();
      for (const { ws } of honest) ws.terminate();
    },
  );

  it('a stalled reader is cut, and resumes without loss', async () => {
    const relay = await relayWith(...NO_RATES, '--stalled-ms', '500');
    const socket = await stalled(relay.url, 'cut-off');
    const seqs: number[] = [];
    for (let i = 0; i < 400; i++) {
      const answer = await fetch(relay.url + pathOf('postMessage', 'cut-off'), {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(sealed(131_072)),
      });
      seqs.push(((await answer.json()) as { seq: number }).seq);
    }
    await expect.poll(() => figure(relay, 'streams_cut_total'), { timeout: 10_000 }).toBe(1);
    let text = '';
    socket.on('data', (data: Buffer) => (text += data.toString())).resume();
    await once(socket, 'close');
    const had = [...text.matchAll(/\n\n(?=id: )|"seq":(\d+)[^]*?\n\n/g)].flatMap(([, seq]) =>
      seq === undefined ? [] : [Number(seq)],
    );
    expect(had.length).toBeLessThan(400);
    const after = had.at(-1) ?? 0;
    const rest: number[] = [];
    for (let cursor = after, more = true; more;) {
      const page = (await (
        await fetch(`${relay.url}${pathOf('readTranscript', 'cut-off')}?after=${cursor}&limit=500`)
      ).json()) as {
        messages: { seq: number }[];
        has_more: boolean;
        next_after: number;
        gap?: unknown;
      };
      expect(page.gap).toBeUndefined();
      rest.push(...page.messages.map(({ seq }) => seq));
      [cursor, more] = [page.next_after, page.has_more];
    }
    expect([...had, ...rest]).toEqual(seqs);
  });

  it(
    "64 rooms flooded to their budget do not evict another address's messages",
    { timeout: 120_000 },
    async () => {
      const relayBytes = 64 << 20;
      const relay = await relayWith(
        ...NO_RATES,
        '--relay-bytes',
        String(relayBytes),
        '--room-bytes',
        String(4 << 20),
      );
      const quiet = pathOf('postMessage', 'quiet');
      for (let i = 0; i < 100; i++)
        await send(relay.url, 'POST', quiet, JSON.stringify(sealed(1_024)), undefined, '', '127.0.0.2');
      const flood = async (id: string) => {
        for (let i = 0; i < 40; i++)
          expect(
            await send(relay.url, 'POST', pathOf('postMessage', id), JSON.stringify(sealed(131_072))),
          ).toBe(200);
      };
      await Promise.all(Array.from({ length: 64 }, (_, i) => flood(`flooded-${i}`)));
      expect(await figure(relay, 'buffered_bytes')).toBeLessThanOrEqual(relayBytes);
      expect(await figure(relay, 'messages_evicted_total')).toBeGreaterThan(0);
      const page = (await (
        await fetch(`${relay.url}${pathOf('readTranscript', 'quiet')}?limit=500`)
      ).json()) as { messages: unknown[] };
      expect(page.messages.length).toBe(100);
      const first = (await (
        await fetch(`${relay.url}${pathOf('readTranscript', 'flooded-1')}?after=1`)
      ).json()) as { gap: { to: number }; oldest_seq: number };
      expect(first.gap.to).toBe(first.oldest_seq - 1);
    },
  );

  it('behind a trusted proxy clients are told apart; without one they cannot say who they are', async () => {
    const flags = ['--room-burst', '3', '--room-rate', '1'];
    const proxied = await relayWith(...flags, '--trusted-proxies', 'loopback');
    const direct = await relayWith(...flags);
    const post = async (relay: Started, client: string) =>
      (
        await fetch(relay.url + pathOf('postMessage', 'proxied'), {
          method: 'POST',
          headers: { 'Content-Type': 'application/json', 'X-Forwarded-For': client },
          body: JSON.stringify(sealed()),
        })
      ).status;
    const six = async (relay: Started, client: (i: number) => string) => {
      const statuses: number[] = [];
      for (let i = 0; i < 6; i++) statuses.push(await post(relay, client(i)));
      return statuses.filter((status) => status === 429).length;
    };
    expect(await six(proxied, (i) => `203.0.113.${i}`)).toBe(0);
    expect(await six(proxied, () => '203.0.113.77')).toBeGreaterThan(0);
    expect(await six(proxied, (i) => `2001:db8:1:2::${i}`)).toBeGreaterThan(0);
    expect(await six(proxied, (i) => `2001:db8:9:${i}::1`)).toBe(0);
    expect(await six(direct, (i) => `203.0.113.${i}`)).toBeGreaterThan(0);
    // A port does not make another client, and an invalid address does not identify one.
    expect(await six(proxied, (i) => `203.0.113.78:${4_000 + i}`)).toBeGreaterThan(0);
    expect(await six(proxied, (i) => `[2001:db8:7::1]:${4_000 + i}`)).toBeGreaterThan(0);
    expect(await six(proxied, (i) => `nobody-${i}`)).toBeGreaterThan(0);
    // All addresses of an IPv6 /48 together get no more than four clients do.
    expect(await six(proxied, (i) => `2001:db8:${0xa + i}::1`)).toBe(0);
    let refused = 0;
    for (let i = 0; i < 20; i++)
      if ((await post(proxied, `2001:db8:33:${(i * 0x100).toString(16)}::1`)) === 429) refused++;
    expect(refused).toBeGreaterThan(0);
  });
});

describe('what the relay does not disclose', () => {
  it('the relay writes nothing to disk', async () => {
    needs('strace');
    const trace = join(mkdtempSync(join(tmpdir(), 'bot2bot-trace-')), 'trace.txt');
    const relay = await start([], ['strace', '-D', '-f', '-qq', '-e', 'trace=file,desc', '-o', trace]);
    const ws = new WebSocket(`${relay.url.replace('http', 'ws')}${pathOf('openSocket', 'traced')}`);
    await once(ws, 'open');
    for (let i = 0; i < 50; i++)
      expect(
        await send(relay.url, 'POST', pathOf('postMessage', 'traced'), JSON.stringify(sealed(4_096))),
      ).toBe(200);
    expect(await send(relay.url, 'GET', pathOf('readTranscript', 'traced'))).toBe(200);
    ws.terminate();
    await stop(relay);
    const lines = readFileSync(trace, 'utf8').split('\n');
    expect(lines.some((line) => line.includes('openat('))).toBe(true);
    const changing = lines.filter((line) =>
      /^\d+ +(?:open\w*\(.*O_(?:WRONLY|RDWR|CREAT)|creat|mkdir|rename|unlink|link|symlink|f?chmod|f?truncate)/.test(
        line,
      ),
    );
    expect(changing.filter((line) => !/"\/(?:dev|proc)\//.test(line))).toEqual([]);
  });

  it('no log line holds a fragment, a key, a label or a ciphertext', async () => {
    const relay = await relayWith('--log-level', 'debug', '--room-burst', '3');
    const secrets = ['label-of-mine', 'c2VjcmV0', 'room-of-mine', 'fragment-of-mine', 'name-of-mine'];
    const body = JSON.stringify({ ...sealed(), ciphertext: 'c2VjcmV0', sender: 'label-of-mine' });
    const path = pathOf('postMessage', 'room-of-mine');
    for (let i = 0; i < 6; i++) await send(relay.url, 'POST', path, body);
    await send(relay.url, 'POST', path, `${body}broken`);
    await send(
      relay.url,
      'GET',
      `${pathOf('readTranscript', 'room-of-mine')}?after=fragment-of-mine#k=fragment-of-mine`,
    );
    await send(relay.url, 'GET', `/room/room-of-mine#k=fragment-of-mine`);
    const ws = new WebSocket(
      `${relay.url.replace('http', 'ws')}${pathOf('openSocket', 'room-of-mine')}?name=name-of-mine`,
    );
    await once(ws, 'open');
    ws.send(`{"ciphertext":"c2VjcmV0","nonce":1,"sender":"label-of-mine"`);
    ws.send('x'.repeat(300_000));
    await once(ws, 'close');
    const raw = connect(Number(new URL(relay.url).port), '127.0.0.1');
    raw.resume().end('GET /api/rooms/room-of-mine/%zz?name-of-mine HTTP/9.9\r\n\r\n');
    await once(raw, 'close');
    await stop(relay);
    const { out, err } = relay.said();
    expect(err).not.toBe('');
    for (const secret of secrets) expect(out + err).not.toContain(secret);
  });
});
