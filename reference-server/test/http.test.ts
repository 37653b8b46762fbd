/** Unusual but valid HTTP that clients, proxies and libraries send, and invalid HTTP. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { LIMITS, pathOf, PROBLEM_MEDIA_TYPE, ROUTES, type Route } from '@bot2bot/schemas';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { figure, start, stop, type Started } from './process.ts';

let relay: Started;
const KEEPALIVE_MS = 300;
beforeAll(async () => {
  relay = await start([
    '--metrics-port',
    '0',
    '--keepalive-ms',
    String(KEEPALIVE_MS),
    '--header-ms',
    '1000',
    '--request-ms',
    '1500',
  ]);
});
afterAll(() => stop(relay));

const sealed = () => JSON.stringify({ ciphertext: 'AAAA', nonce: randomBytes(24).toString('base64') });

/** A raw connection. */
class Wire {
  readonly socket: Socket;
  text = '';

  constructor(to: Started = relay) {
    this.socket = connect(Number(new URL(to.url).port), '127.0.0.1');
    this.socket.setEncoding('latin1').on('data', (data: string) => (this.text += data));
    this.socket.on('error', () => undefined);
  }

  write(...lines: string[]): this {
    this.socket.write(lines.join('\r\n'));
    return this;
  }

  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.text);
      if (found !== null) return found;
      if (this.socket.closed) throw new Error(`closed after ${JSON.stringify(this.text)}`);
      await Promise.race([once(this.socket, 'data'), once(this.socket, 'close')]);
    }
  }

  /** All bytes until the relay closes the connection. */
  async rest(): Promise<string> {
    if (!this.socket.closed) await once(this.socket, 'close');
    return this.text;
  }
}

/** Send a request on a connection of its own. @returns the answer. */
async function ask(
  head: string,
  body: string | Buffer = '',
  headers: readonly string[] = [],
): Promise<string> {
  const wire = new Wire();
  const length = body.length === 0 ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
  wire.write(`${head} HTTP/1.1`, 'Host: x', 'Connection: close', ...headers, ...length, '', '');
  if (body.length > 0) wire.socket.write(body);
  return wire.rest();
}

const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
const headerOf = (answer: string, name: string) =>
  new RegExp(`^${name}: (.*)\r$`, 'im').exec(answer.split('\r\n\r\n', 1)[0] + '\r\n')?.[1];
const bodyOf = (answer: string) => answer.slice(answer.indexOf('\r\n\r\n') + 4);

/** Expect a problem document with the headers that every error has, whichever layer produced it. */
function expectProblem(answer: string, status: number): void {
  expect({ answer, status: statusOf(answer) }).toMatchObject({ status });
  expect(headerOf(answer, 'content-type')).toContain(PROBLEM_MEDIA_TYPE);
  expect(headerOf(answer, 'access-control-allow-origin')).toBe('*');
  expect(headerOf(answer, 'cache-control')).toContain('no-store');
  expect(JSON.parse(bodyOf(answer))).toMatchObject({ status, error: expect.any(String) as string });
}

async function post(room: string): Promise<number> {
  const answer = await fetch(relay.url + pathOf('postMessage', room), { method: 'POST', body: sealed() });
  return ((await answer.json()) as { seq: number }).seq;
}

describe('event streams', () => {
  it('come as chunks, one per event, with data: first, and with headers against buffering', async () => {
    const seq = await post('chunks');
    const wire = new Wire().write(`GET ${pathOf('streamEvents', 'chunks')} HTTP/1.1`, 'Host: x', '', '');
    await wire.until(/"type":"presence"/);
    expect(headerOf(wire.text, 'transfer-encoding')).toBe('chunked');
    expect(headerOf(wire.text, 'cache-control')).toBe('no-store, no-transform');
    expect(headerOf(wire.text, 'x-accel-buffering')).toBe('no');
    let rest = bodyOf(wire.text);
    const types: string[] = [];
    while (rest !== '') {
      const [head = ''] = rest.split('\r\n', 1);
      const size = Number.parseInt(head, 16);
      const event = rest.slice(head.length + 2, head.length + 2 + size);
      expect(event).toMatch(/^data: .*\n(?:id: [\w-]+:\d+\n)?\n$/);
      types.push((JSON.parse(event.slice(6, event.indexOf('\n'))) as { type: string }).type);
      rest = rest.slice(head.length + size + 4);
    }
    expect(types).toEqual(['message', 'ready', 'presence']);
    expect(wire.text).toContain(`"seq":${seq}`);
    wire.socket.destroy();
  });

  it('are sent without chunks to HTTP/1.0 clients', async () => {
    await post('older');
    const wire = new Wire().write(`GET ${pathOf('streamEvents', 'older')} HTTP/1.0`, '', '');
    await wire.until(/"type":"presence"/);
    expect(headerOf(wire.text, 'transfer-encoding')).toBeUndefined();
    expect(bodyOf(wire.text)).toMatch(/^data: \{"type":"message".*\nid: .*\n\ndata: \{"type":"ready"/);
    await wire.until(/\n:\n\n/);
    wire.socket.destroy();
  });

  it('ignore everything that the client sends on their connection', async () => {
    const wire = new Wire().write(
      `GET ${pathOf('streamEvents', 'deaf')} HTTP/1.1`,
      'Host: x',
      '',
      'GARBAGE\r\n\r\nGET /api/health HTTP/1.1\r\nHost: x\r\n\r\n',
    );
    await wire.until(/"type":"presence"/);
    wire.write('MORE GARBAGE\r\n\r\n');
    await wire.until(/3\r\n:\n\n\r\n/);
    expect(wire.text.match(/HTTP\/1\.1/g)?.length).toBe(1);
    wire.socket.destroy();
  });
});

describe('upgrades', () => {
  it('an offer to upgrade to HTTP/2 is ignored, also with a body, and the connection remains usable', async () => {
    const offer = [
      'Host: x',
      'Connection: Upgrade, HTTP2-Settings',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABk',
    ];
    const wire = new Wire().write('GET /api/health HTTP/1.1', ...offer, '', '');
    await wire.until(/"ok":true/);
    const body = sealed();
    wire.text = '';
    wire.write(
      `POST ${pathOf('postMessage', 'http2')} HTTP/1.1`,
      ...offer,
      `Content-Length: ${body.length}`,
      '',
      body,
    );
    await wire.until(/"seq":/);
    wire.text = '';
    wire.write('GET /api/health HTTP/1.1', 'Host: x', 'Connection: close', '', '');
    expect(statusOf(await wire.rest())).toBe(200);
  });

  it.each([
    ['a bad room id', '/api/rooms/a/ws', [], 400],
    ['another path', '/api/health', ['Upgrade: websocket', 'Connection: Upgrade'], 200],
    ['no key', '/api/rooms/nokey/ws', [], 400],
  ])('a socket that is refused is told why: %s', async (_what, path, headers, status) => {
    const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];
    const answer = await ask(`GET ${path}`, '', headers.length > 0 ? headers : upgrade);
    if (status === 200) expect(statusOf(answer)).toBe(200);
    else expectProblem(answer, status);
    expect(await (await fetch(`${relay.url}/api/rooms/nokey/status`)).json()).toMatchObject({
      exists: false,
    });
  });
});

describe('methods', () => {
  const known = Object.values<Route>(ROUTES);
  const pathFor = (path: string) => path.replaceAll('{room}', 'methods').replaceAll(/\{\w+\}/g, 'nobody');

  it('HEAD is GET without the body', async () => {
    for (const { method, path, answers } of known.filter((route) => route.method === 'GET')) {
      expect(method).toBe('GET');
      if (answers === 'websocket') continue;
      const target = `${pathFor(path)}?timeout=1`;
      const answer = await ask(`HEAD ${target}`);
      expect({ target, body: bodyOf(answer) }).toEqual({ target, body: '' });
      if (answers === 'sse') expect(headerOf(answer, 'content-type')).toContain('text/event-stream');
      else expect(statusOf(answer)).toBe(statusOf(await ask(`GET ${target}`)));
    }
    const seq = await post('headed');
    const parking = performance.now();
    expect(statusOf(await ask(`HEAD ${pathOf('waitForMessages', 'headed')}?after=${seq}&timeout=60`))).toBe(
      200,
    );
    expect(performance.now() - parking).toBeLessThan(30_000);
  });

  it('a path that supports other methods is answered 405 with an Allow header', async () => {
    for (const { path } of known) {
      // A path may also match an operation on an agent whose handle is the last segment.
      const matching = known.filter((route) =>
        new RegExp(`^${route.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path),
      );
      const served = new Set(matching.map((route) => route.method as string));
      if (served.has('GET')) served.add('HEAD');
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND']) {
        if (served.has(method)) continue;
        const answer = await ask(`${method} ${pathFor(path)}`);
        expect({ method, path, status: statusOf(answer) }).toEqual({ method, path, status: 405 });
        expectProblem(answer, 405);
        const allowed = headerOf(answer, 'allow')?.split(', ').sort();
        expect({ method, path, allowed }).toEqual({ method, path, allowed: [...served, 'OPTIONS'].sort() });
      }
    }
    expectProblem(await ask('PUT /api/nothing'), 404);
    expectProblem(await ask('CONNECT x:80'), 404);
  });

  it('a preflight is answered for every path, with all methods and headers that clients use', async () => {
    for (const path of [...known.map((route) => pathFor(route.path)), '*']) {
      const answer = await ask(`OPTIONS ${path}`);
      expect({ path, status: statusOf(answer) }).toEqual({ path, status: 204 });
      expect(headerOf(answer, 'access-control-allow-methods')).toContain('PUT, DELETE');
      expect(headerOf(answer, 'access-control-allow-headers')).toContain('Last-Event-ID, Cache-Control');
    }
  });
});

describe('bodies', () => {
  const target = `POST ${pathOf('postMessage', 'bodies')}`;
  it.each([
    ['none', []],
    ['text', ['Content-Type: text/plain;charset=UTF-8']],
    ['a form', ['Content-Type: application/x-www-form-urlencoded']],
    ['nonsense', ['Content-Type: ;;=']],
    ['empty', ['Content-Type: ']],
  ])('are JSON whatever their content type: %s', async (_what, headers) => {
    expect(statusOf(await ask(target, sealed(), headers))).toBe(200);
  });

  it('that are compressed are refused with 415', async () => {
    expectProblem(await ask(target, gzipSync(sealed()), ['Content-Encoding: gzip']), 415);
    expect(statusOf(await ask(target, sealed(), ['Content-Encoding: identity']))).toBe(200);
  });

  it('that are too long are answered 413 every time, whole or in chunks, while they are sent', async () => {
    const most = LIMITS.body_bytes.default;
    for (const size of [most + 1, 2 * most, 2 << 20])
      for (let i = 0; i < 5; i++) {
        expectProblem(await ask(target, 'x'.repeat(size)), 413);
        const chunked = `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n0\r\n\r\n`;
        const wire = new Wire().write(`${target} HTTP/1.1`, 'Host: x', 'Connection: close');
        wire.write('\r\nTransfer-Encoding: chunked', '', chunked);
        expectProblem(await wire.rest(), 413);
      }
  });

  it('that arrive byte by byte are accepted, and the bytes in flight of one address are limited', async () => {
    const narrow = await start(['--answer-bytes', String(100 << 10)]);
    try {
      const whole = async () => {
        const url = narrow.url + pathOf('postMessage', 'bodies');
        return (await fetch(url, { method: 'POST', body: 'x'.repeat(100_000) })).status;
      };
      const body = sealed();
      const slow = new Wire(narrow).write(
        `${target} HTTP/1.1`,
        'Host: x',
        `Content-Length: ${body.length}`,
        '',
        '',
      );
      slow.socket.setNoDelay(true);
      for (const byte of body) await new Promise((resolve) => slow.socket.write(byte, resolve));
      await slow.until(/"seq":/);
      slow.socket.destroy();
      expect(await whole()).toBe(400);
      const half = new Wire(narrow);
      half.write(`${target} HTTP/1.1`, 'Host: x', 'Content-Length: 100000', '', 'x'.repeat(70_000));
      await expect.poll(whole).toBe(429);
      half.socket.destroy();
      await expect.poll(whole).toBe(400);
    } finally {
      await stop(narrow);
    }
  });

  it('with Expect: 100-continue are requested, and other expectations are refused', async () => {
    const body = sealed();
    const wire = new Wire();
    wire.write(
      `${target} HTTP/1.1`,
      'Host: x',
      'Expect: 100-continue',
      `Content-Length: ${body.length}`,
      '',
      '',
    );
    await wire.until(/^HTTP\/1\.1 100 Continue\r\n\r\n/);
    wire.write(body);
    await wire.until(/"seq":/);
    wire.socket.destroy();
    expectProblem(await ask('GET /api/health', '', ['Expect: something']), 417);
  });
});

describe('targets', () => {
  it('name the same room in every form, on every transport, with the same headers', async () => {
    const room = 'targeted';
    const seq = await post(room);
    for (const base of [
      '/api/rooms/targeted',
      '/%61pi/rooms/t%61rgeted',
      `${relay.url}/api/rooms/targeted`,
    ]) {
      for (const [slash, what] of [
        ['', 'status'],
        ['/', 'status'],
        ['', 'transcript'],
        ['/', 'wait'],
      ] as const) {
        const answer = await ask(`GET ${base}/${what}${slash}`);
        expect({ base, what, status: statusOf(answer) }).toEqual({ base, what, status: 200 });
        expect(bodyOf(answer)).toContain(`"last_seq":${seq}`);
        expect(headerOf(answer, 'access-control-allow-origin')).toBe('*');
        expect(headerOf(answer, 'cache-control')).toBe('no-store');
      }
      const stream = new Wire().write(`GET ${base}/events HTTP/1.1`, 'Host: x', '', '');
      await stream.until(new RegExp(`"seq":${seq}[^]*"ready"`));
      stream.socket.destroy();
      const key = randomBytes(16).toString('base64');
      const socket = new Wire().write(
        `GET ${base}/ws HTTP/1.1`,
        'Host: x',
        'Connection: Upgrade',
        'Upgrade: WebSocket',
        'Sec-WebSocket-Version: 13',
        `Sec-WebSocket-Key: ${key}`,
        '',
        '',
      );
      await socket.until(new RegExp(`"seq":${seq}[^]*"ready"`));
      expect(statusOf(socket.text)).toBe(101);
      expect(headerOf(socket.text, 'access-control-allow-origin')).toBe('*');
      socket.socket.destroy();
    }
    for (const target of ['/api/rooms/%zz/status', '/api/rooms/a%2Fb/status', '/api/rooms/abc%0A/status'])
      expectProblem(await ask(`GET ${target}`), 400);
  });
});

describe('pipelined requests', () => {
  const wait = (room: string, seq: number) =>
    `GET ${pathOf('waitForMessages', room)}?after=${seq}&timeout=1 HTTP/1.1\r\nHost: x\r\n\r\n`;

  it('are answered in order', async () => {
    const seq = await post('ordered');
    const wire = new Wire().write(
      wait('ordered', seq) + 'GET /api/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    );
    const text = await wire.rest();
    expect(text.match(/HTTP\/1\.1 200/g)?.length).toBe(2);
    expect(text.indexOf('"messages":[]')).toBeLessThan(text.indexOf('"rooms":'));
    expect(text.indexOf('"messages":[]')).toBeGreaterThan(0);
  });

  it('a stream behind another request is refused in its turn, and the connection closes', async () => {
    const seq = await post('ordered');
    const wire = new Wire().write(
      `${wait('ordered', seq)}GET ${pathOf('streamEvents', 'ordered')} HTTP/1.1\r\nHost: x\r\n\r\n`,
    );
    const text = await wire.rest();
    const second = text.indexOf('HTTP/1.1 400');
    expect(second).toBeGreaterThan(text.indexOf('"messages":[]'));
    expectProblem(text.slice(second), 400);
  });

  it('garbage after a request does not corrupt its answer', async () => {
    const seq = await post('ordered');
    const wire = new Wire().write(`${wait('ordered', seq)}GARBAGE\r\n\r\n`);
    const text = await wire.rest();
    expect(text).not.toContain('400');
  });

  it('use no slot when their connection is gone before their turn', async () => {
    const narrow = await start(['--address-waiters', '2', '--metrics-port', '0']);
    try {
      const url = narrow.url + pathOf('postMessage', 'gone-before');
      const posted = (await (await fetch(url, { method: 'POST', body: sealed() })).json()) as { seq: number };
      const ahead = wait('gone-before', posted.seq).replace('timeout=1', 'timeout=60');
      for (let i = 0; i < 3; i++) {
        const wire = new Wire(narrow).write(ahead + ahead);
        await expect.poll(() => figure(narrow, 'waiters')).toBe(1);
        wire.socket.destroy();
        await expect.poll(() => figure(narrow, 'connections')).toBeLessThan(3);
        await expect.poll(() => figure(narrow, 'waiters')).toBe(0);
      }
      const last = await fetch(
        `${narrow.url}${pathOf('waitForMessages', 'gone-before')}?after=${posted.seq}&timeout=1`,
      );
      expect(last.status).toBe(200);
    } finally {
      await stop(narrow);
    }
  });

  it('are limited, and a client that sends more is disconnected', async () => {
    const seq = await post('ordered');
    const wire = new Wire().write(wait('ordered', seq).repeat(200));
    await wire.rest();
    expect(await (await fetch(`${relay.url}/api/health`)).json()).toMatchObject({ ok: true });
  });
});

describe('requests that the HTTP library refuses', () => {
  it.each([
    ['no HTTP', 'hello\r\n\r\n', 400],
    ['another version', 'GET / HTTP/9.9\r\n\r\n', 400],
    ['HTTP/2 with prior knowledge', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['a header without end', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
    ['a length that is none', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n', 400],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
    ['an unknown coding', 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: magic\r\n\r\n', 400],
    ['half a header', 'GET /api/health HTTP/1.1\r\nX-A: ', 408],
    ['half a body', 'POST /api/rooms/half/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{', 408],
  ])('is a problem with the headers of all others, and closes: %s', async (_what, bytes, status) => {
    const wire = new Wire().write(bytes);
    expectProblem(await wire.rest(), status);
  });
});

describe('connections', () => {
  it('WebSockets are pinged, and one that never answers is gone', { timeout: 30_000 }, async () => {
    const answering = new WebSocket(
      `${relay.url.replace('http', 'ws')}${pathOf('openSocket', 'pinged')}?name=a`,
    );
    let pings = 0;
    answering.on('ping', () => pings++);
    const silent = new WebSocket(
      `${relay.url.replace('http', 'ws')}${pathOf('openSocket', 'pinged')}?name=b`,
      { autoPong: false },
    );
    await Promise.all([once(answering, 'open'), once(silent, 'open')]);
    await once(silent, 'close');
    expect(answering.readyState).toBe(WebSocket.OPEN);
    expect(pings).toBeGreaterThan(1);
    const status = (await (await fetch(relay.url + pathOf('probeRoom', 'pinged'))).json()) as object;
    expect(status).toMatchObject({ participants: 1 });
    answering.terminate();
  });

  it('a message with too many fragments is refused', async () => {
    const url = `${relay.url.replace('http', 'ws')}${pathOf('openSocket', 'parts')}`;
    const few = new WebSocket(url);
    const sent = new Promise<void>((resolve) =>
      few.on('message', (data: Buffer) => data.toString().includes('"sent"') && resolve()),
    );
    await once(few, 'open');
    const text = sealed();
    few.send(text.slice(0, 5), { fin: false });
    few.send(text.slice(5, 9), { fin: false });
    few.send(text.slice(9), { fin: true });
    await sent;
    for (let i = 0; i < 200; i++) few.send('x', { fin: false });
    await once(few, 'close');
  });

  it('a parked request is sent whitespace from time to time, which JSON may begin with', async () => {
    const seq = await post('parked');
    const wire = new Wire().write(
      `GET ${pathOf('waitForMessages', 'parked')}?after=${seq}&timeout=2 HTTP/1.1`,
      'Host: x',
      'Connection: close',
      '',
      '',
    );
    const first = await wire.until(/\r\n\r\n1\r\n\n\r\n/);
    expect(first[0]).toBeDefined();
    const text = bodyOf(await wire.rest());
    const body = text.replaceAll(/[0-9a-f]+\r\n([^\r]*)\r\n/g, '$1');
    expect(body).toMatch(/^\n{3,}\{/);
    expect(JSON.parse(body.replace(/\s+$/, ''))).toMatchObject({ messages: [], last_seq: seq });
  });

  it('when there are too many rooms, a stream into a new one is refused, and uses no slot', async () => {
    const full = await start(['--rooms', '2', '--address-share', '1', '--metrics-port', '0']);
    try {
      for (const room of ['one-', 'two-'])
        await fetch(full.url + pathOf('postMessage', room), { method: 'POST', body: sealed() });
      const ws = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];
      const key = `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`;
      for (let i = 0; i < 3; i++) {
        const sse = new Wire(full).write(
          `GET ${pathOf('streamEvents', 'three')} HTTP/1.1`,
          'Host: x',
          '',
          '',
        );
        expectProblem(await sse.rest(), 503);
        const socket = new Wire(full).write(
          `GET ${pathOf('openSocket', 'three')} HTTP/1.1`,
          'Host: x',
          ...ws,
          key,
          '',
          '',
        );
        expectProblem(await socket.rest(), 503);
      }
      await expect.poll(() => figure(full, 'connections')).toBeLessThan(3);
      expect(full.said().err).not.toContain('three');
    } finally {
      await stop(full);
    }
  });
});
