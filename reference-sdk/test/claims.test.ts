/** Identities, signed messages and claims, against the reference relay. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  Bot2BotError,
  createRoomUrl,
  Identity,
  lookUpIdentity,
  register,
  Room,
  type Fetch,
  type MessageEvent,
  type Pin,
  type ReadEvent,
  type RoomOptions,
} from '../src/index.ts';
import { proxy } from './proxy.ts';
import { RELAY, start, type Started } from './relay.ts';

let relay: Started;
const closing: (() => void)[] = [];
beforeAll(async () => {
  relay = await start(RELAY, '--port', '0');
});
afterAll(async () => {
  for (const close of closing) close();
  await relay.stop();
});

let made = 0;
async function registered(): Promise<Identity> {
  const identity = Identity.create(`agent-${++made}`);
  await register(relay.url, identity);
  return identity;
}
function joined(url: string, options: RoomOptions): Room {
  const room = new Room(url, { warn: () => undefined, ...options });
  closing.push(() => room.close());
  return room;
}
const messages = (events: readonly ReadEvent[]) =>
  events.filter((event): event is MessageEvent => event.type === 'message');

/** A proxy in front of the relay that changes each answer with `change`. @returns its URL. */
async function changingProxy(change: (path: string, text: string) => string): Promise<string> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = 'GET', url = '/', headers } = request;
      const body = method === 'GET' ? {} : { body: Buffer.concat(chunks) };
      const { authorization = '' } = headers;
      fetch(relay.url + url, {
        method,
        headers: { 'Content-Type': 'application/json', ...(authorization === '' ? {} : { authorization }) },
        ...body,
      })
        .then(async (answer) => {
          response.writeHead(answer.status, { 'Content-Type': 'application/json' });
          response.end(change(url, await answer.text()));
        })
        .catch(() => response.destroy());
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('registration', () => {
  it('ID-4: repeated for the same identity, changes nothing; another key is refused', async () => {
    const identity = Identity.create('first-come');
    const first = await register(relay.url, identity, { meta: { bio: 'a line' } });
    expect(await register(relay.url, identity)).toEqual(first);
    await expect(register(relay.url, Identity.create('first-come'))).rejects.toMatchObject({
      code: 'handle-taken',
      definite: true,
    });
    await expect(register(relay.url, Identity.create('admin'))).rejects.toMatchObject({
      code: 'handle-reserved',
    });
    expect(await lookUpIdentity(relay.url, '@First-Come')).toMatchObject({
      ...identity.toJSON(),
      bio: 'a line',
    });
    await expect(lookUpIdentity(relay.url, 'nobody')).rejects.toMatchObject({ code: 'unknown-handle' });
  });

  it('retries when an answer is lost', async () => {
    const wire = await proxy(relay.url);
    closing.push(() => wire.close());
    wire.swallow = true;
    setTimeout(() => (wire.swallow = false), 400);
    const identity = Identity.create('lost-answer');
    expect(await register(wire.url, identity)).toMatchObject({ handle: 'lost-answer' });
  });

  it('ID-9: a key other than the first one seen is an error', async () => {
    const identity = await registered();
    const pins = new Map<string, Pin>();
    await lookUpIdentity(relay.url, identity.handle, { pins });
    const other = Identity.create(identity.handle);
    const url = await changingProxy((path, text) =>
      path.startsWith('/api/identity/') ? text.replace(identity.signPub, other.signPub) : text,
    );
    await expect(lookUpIdentity(url, identity.handle, { pins })).rejects.toMatchObject({
      code: 'key-changed',
    });
    expect(pins.get(identity.handle)?.signPub).toBe(identity.signPub);
  });

  it('detects a local clock that is wrong by an hour, and corrects for it', async () => {
    const { now } = Date;
    Date.now = () => now.call(Date) + 3_600_000;
    try {
      const identity = await registered();
      const room = joined(createRoomUrl(relay.url), { identity });
      await room.send('hello', { signedOnly: true });
      expect(await room.claim({ timeoutMs: 1_000 })).toBeNull();
    } finally {
      Date.now = now;
    }
  });
});

describe('signed messages', () => {
  it('SIGN-10: the recipient verifies by itself, and reports who signed', async () => {
    const identity = await registered();
    const url = createRoomUrl(relay.url);
    const [ada, bob] = [joined(url, { identity }), joined(url, { name: 'bob' })];
    expect(ada.name).toBe(`@${identity.handle}`);
    const { id } = await ada.send('signed', { ttlMs: 60_000 });
    await ada.send('answer', { replyTo: id });
    await bob.send('plain');
    await joined(url, { name: `@${identity.handle}` }).send('pretended');
    const { events } = await bob.history();
    expect(messages(events).map(({ text, signedBy, signature }) => ({ text, signedBy, signature }))).toEqual([
      { text: 'signed', signedBy: identity.handle, signature: 'verified' },
      { text: 'answer', signedBy: identity.handle, signature: 'verified' },
      { text: 'plain', signedBy: null, signature: 'none' },
      { text: 'pretended', signedBy: null, signature: 'downgraded' },
    ]);
    expect(messages((await ada.history()).events).map(({ own }) => own)).toEqual([true, true, false, false]);
  });

  it('detects what a relay changes: TTL, ciphertext, reply, handle, a removed signature', async () => {
    const identity = await registered();
    const other = await registered();
    const direct = createRoomUrl(relay.url);
    const ada = joined(direct, { identity });
    await ada.send('one', { ttlMs: 60_000, replyTo: 'some-message' });
    const lies: Record<string, (message: Record<string, unknown>) => void> = {
      none: () => undefined,
      ttl: (message) => (message['ttl_ms'] = 120_000),
      'no ttl': (message) => delete message['ttl_ms'],
      reply: (message) => (message['reply_to'] = 'other-message'),
      locked: (message) => (message['signed_only'] = true),
      time: (message) => (message['sender_ts'] = Number(message['sender_ts']) + 1),
      handle: (message) => (message['sender_handle'] = other.handle),
      stripped: (message) => delete message['sender_sig2'],
      unsigned: (message) => {
        for (const name of ['sender_handle', 'sender_ts', 'sender_nonce', 'sender_sig', 'sender_sig2'])
          delete message[name];
      },
    };
    const pins = new Map<string, Pin>();
    const told: Record<string, unknown> = {};
    for (const [name, lie] of Object.entries(lies)) {
      const url = await changingProxy((path, text) => {
        if (!path.includes('/transcript')) return text;
        const page = JSON.parse(text) as { messages: Record<string, unknown>[] };
        for (const message of page.messages) lie(message);
        return JSON.stringify(page);
      });
      const { events } = await joined(direct.replace(relay.url, url), { pins }).history();
      told[name] = messages(events).map(({ signature, signedBy }) => [signature, signedBy]);
    }
    expect(told).toEqual({
      none: [['verified', identity.handle]],
      ttl: [['invalid', null]],
      'no ttl': [['invalid', null]],
      reply: [['invalid', null]],
      locked: [['invalid', null]],
      time: [['invalid', null]],
      handle: [['invalid', null]],
      stripped: [['downgraded', null]],
      unsigned: [['downgraded', null]],
    });
  });

  it('ID-9: reports a changed key, and never shows its messages as signed', async () => {
    const identity = await registered();
    const usurper = Identity.create(identity.handle);
    const url = createRoomUrl(relay.url);
    await joined(url, { identity }).send('one');
    const kept: Pin = { signPub: usurper.signPub, boxPub: usurper.boxPub, sig2: false };
    const { events } = await joined(url, { pins: new Map([[identity.handle, kept]]) }).history();
    expect(events).toMatchObject([
      { type: 'key-changed', handle: identity.handle },
      { type: 'message', text: 'one', signedBy: null, signature: 'key-changed' },
    ]);
  });

  it('SIGN-7: a signed message locks a room; then only signed ones are accepted', async () => {
    const identity = await registered();
    const url = createRoomUrl(relay.url);
    await joined(url, { identity }).send('locked', { signedOnly: true });
    expect(await joined(url, {}).status()).toMatchObject({ signedOnly: true });
    await expect(joined(url, {}).send('plain')).rejects.toMatchObject({
      code: 'signed-only',
      definite: true,
    });
    await expect(joined(url, {}).send('plain', { signedOnly: true })).rejects.toThrow(TypeError);
  });

  it('SIGN-4: retries with identical bytes when an answer is lost', async () => {
    const identity = await registered();
    const wire = await proxy(relay.url);
    closing.push(() => wire.close());
    const direct = createRoomUrl(relay.url);
    const ada = joined(direct.replace(relay.url, wire.url), { identity });
    wire.swallow = true;
    setTimeout(() => (wire.swallow = false), 600);
    await ada.send('once');
    const bodies = wire.sent().toString().split('POST ').slice(1);
    expect(bodies.length).toBeGreaterThan(1);
    expect(new Set(bodies.map((text) => text.split('\r\n\r\n')[1])).size).toBe(1);
    const { events } = await joined(direct, {}).history();
    expect(messages(events)).toMatchObject([{ text: 'once', signature: 'verified' }]);
  });
});

describe('signed requests', () => {
  const watched =
    (seen: string[], answer?: (url: string) => Response | undefined): Fetch =>
    async (input, init) => {
      const { authorization = '' } = Object.fromEntries(new Headers(init.headers).entries());
      if (authorization !== '') seen.push(authorization);
      return answer?.(input) ?? fetch(input, init);
    };

  it('REQ-7: are signed in the second form without a query before; each attempt is signed anew', async () => {
    const seen: string[] = [];
    const room = joined(createRoomUrl(relay.url), { identity: await registered(), fetch: watched(seen) });
    await room.claim({ timeoutMs: 1_000 });
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.every((header) => header.startsWith('Bot2Bot v=2,ts='))).toBe(true);
    expect(new Set(seen.map((header) => /,n=([^,]+),/.exec(header)?.[1])).size).toBe(seen.length);
  });

  it('fall back to the first form for a compat relay, but not for a hardened one', async () => {
    const identity = await registered();
    for (const hardened of [false, true]) {
      const seen: string[] = [];
      const refuse = (url: string) => {
        if (url.endsWith('/.well-known/bot2bot') && !hardened) return new Response('no', { status: 404 });
        if (url.includes('/claim') && seen.at(-1)?.startsWith('Bot2Bot v=2') === true)
          return new Response('{"error":"bad signature"}', { status: 401 });
        return undefined;
      };
      const room = joined(createRoomUrl(relay.url), { identity, fetch: watched(seen, refuse) });
      const claim = room.claim({ timeoutMs: 1_000 });
      if (hardened) await expect(claim).rejects.toMatchObject({ status: 401 });
      else expect(await claim).toBeNull();
      expect(seen.some((header) => !header.startsWith('Bot2Bot v=2'))).toBe(!hardened);
      if (!hardened) expect(seen.filter((header) => header.startsWith('Bot2Bot v=2')).length).toBe(1);
    }
  });
});

describe('claims', () => {
  it('CLAIM-2 CLAIM-7: claim and ack; a released or expired claim delivers the message again', async () => {
    const identity = await registered();
    const url = createRoomUrl(relay.url);
    const worker = joined(url, { identity });
    expect(await worker.claim({ timeoutMs: 1_000 })).toBeNull();
    const asker = joined(url, { name: 'asker' });
    await asker.send('first');
    const one = await worker.claim();
    expect(one).toMatchObject({
      event: { text: 'first', sender: 'asker' },
      delivery: 1,
      resumed: false,
      cursor: 0,
    });
    if (one === null) return;
    expect(one.leaseRemainingMs).toBeGreaterThan(55_000);
    // Another process of the same handle.
    expect(await joined(url, { identity }).claim()).toMatchObject({ claimId: one.claimId, resumed: true });
    expect(await worker.release(one)).toBe(true);
    expect(await worker.release(one)).toBe(false);
    await expect(worker.ack(one)).rejects.toMatchObject({ code: 'claim-gone', definite: true });
    await expect(worker.renew(one)).rejects.toMatchObject({ code: 'claim-gone' });
    const two = await worker.claim({ leaseMs: 1_000 });
    expect(two).toMatchObject({ delivery: 2 });
    if (two === null) return;
    await worker.renew(two, 2_000);
    expect(two.leaseRemainingMs).toBeGreaterThan(1_500);
    const three = await new Promise((resolve) => setTimeout(resolve, 2_100)).then(() => worker.claim());
    expect(three).toMatchObject({ delivery: 3, event: { text: 'first' } });
    if (three === null) return;
    expect(await worker.ack(three)).toEqual({ advanced: true, cursor: three.seq });
    expect(await worker.ack(three)).toEqual({ advanced: false, cursor: three.seq });
    expect(await worker.claim({ timeoutMs: 1_000 })).toBeNull();
    await expect(joined(url, {}).claim()).rejects.toThrow(TypeError);
  });

  it('CLAIM-31: own messages, payloads and messages that cannot be decrypted are acked and not returned', async () => {
    const identity = await registered();
    const url = createRoomUrl(relay.url);
    const other = url.replace(/#k=.*/, createRoomUrl(relay.url).replace(/.*(?=#k=)/, ''));
    const worker = joined(url, { identity, name: 'worker' });
    const asker = joined(url, { name: 'asker' });
    await worker.send('own');
    await asker.send('{"bot2bot_react_v1":true,"target_id":"m","emoji":"x","op":"add"}');
    await joined(other, {}).send('sealed');
    await asker.send('{"bot2bot_text_v1":true,"text":"for you"}');
    const unopened: unknown[] = [];
    const task = await worker.nextTask({ onUnopened: (event) => unopened.push(event.reason) });
    expect([task?.text, unopened]).toEqual(['for you', ['sealed']]);
    expect(await worker.nextTask({ timeoutMs: 1_000 })).toBeNull();
  });

  it('CLAIM-14: a message from another sender that uses the handle as its label is delivered', async () => {
    const identity = await registered();
    const url = createRoomUrl(relay.url);
    await joined(url, { name: `@${identity.handle}` }).send('still a task');
    expect(await joined(url, { identity }).nextTask()).toMatchObject({
      text: 'still a task',
      signedBy: null,
    });
  });

  it('CLAIM-32: a recreated room is reported', async () => {
    const own = await start(RELAY, '--port', '0');
    const url = createRoomUrl(own.url);
    const identity = Identity.create('survivor');
    await register(own.url, identity);
    const [worker, asker] = [joined(url, { identity }), joined(url, { name: 'asker' })];
    await asker.send('before');
    expect((await worker.nextTask())?.text).toBe('before');
    await own.stop();
    const again = await start(RELAY, '--port', own.port);
    closing.push(() => void again.stop());
    await register(again.url, identity);
    await asker.send('after');
    let resets = 0;
    expect((await worker.nextTask({ onReset: () => resets++ }))?.text).toBe('after');
    expect(resets).toBe(1);
  });
});

/** A `fetch` that makes the reference relay look like one at level compat. */
const compat =
  (change: (answer: Record<string, unknown>) => unknown = () => undefined): Fetch =>
  async (input, init) => {
    if (/claim\/(?:renew|release)/.test(input)) return new Response('no such path', { status: 404 });
    const answer = await fetch(input, init);
    if (!/\/claim\?/.test(input) || !answer.ok) return answer;
    const json = (await answer.json()) as Record<string, unknown>;
    for (const name of ['lease_remaining_ms', 'delivery', 'resumed', 'epoch', 'oldest_seq'])
      delete json[name];
    change(json);
    return new Response(JSON.stringify(json));
  };

describe('relays at compat', () => {
  it('CLAIM-30: if the relay does not report the lease, it counts from the first answer with that claim', async () => {
    const identity = await registered();
    const url = createRoomUrl(relay.url);
    await joined(url, { name: 'asker' }).send('task');
    const worker = joined(url, { identity, fetch: compat() });
    const [one, two] = [await worker.claim(), await worker.claim({ leaseMs: 300_000 })];
    expect(one?.claimId).toBe(two?.claimId);
    expect(one).toMatchObject({ delivery: null, resumed: false, deadline: two?.deadline });
    expect(one?.leaseRemainingMs).toBeGreaterThan(55_000);
    expect(one?.leaseRemainingMs).toBeLessThanOrEqual(60_000);
    expect(await worker.release({ claimId: one?.claimId ?? '' })).toBe(false);
    expect(await worker.ack(two ?? { claimId: '', seq: 0 })).toMatchObject({ advanced: true });
  });

  it('CLAIM-30: a lease that cannot be renewed aborts its handler, and nothing is acked', async () => {
    const identity = await registered();
    const url = createRoomUrl(relay.url);
    await joined(url, { name: 'asker' }).send('task');
    const worker = joined(url, { identity, fetch: compat((json) => (json['lease_remaining_ms'] = 1_000)) });
    const from = performance.now();
    let took = 0;
    await worker.work(async (event, { signal }) => {
      if (took > 0) return worker.close();
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      took = performance.now() - from;
    });
    expect(took).toBeGreaterThan(900);
    expect(took).toBeLessThan(5_000);
    expect(await joined(url, { identity }).claim()).toMatchObject({ event: { text: 'task' } });
  });
});

it('a received message is not lost when the call is aborted while a key is fetched', async () => {
  const identity = await registered();
  const url = createRoomUrl(relay.url);
  const writer = joined(url, { identity });
  for (const text of ['one', 'two']) await writer.send(text);
  const stop = new AbortController();
  const stuck: Fetch = (input, init) => {
    if (!input.includes('/api/identity/')) return fetch(input, init);
    return new Promise((_, reject) => {
      init.signal?.addEventListener('abort', () => reject(new Error('aborted')));
      stop.abort(new Error('enough'));
    });
  };
  const reader = joined(url, { name: 'reader', fetch: stuck });
  const events = messages(await reader.poll({ signal: stop.signal }));
  expect(events.map(({ text, signature, signedBy }) => [text, signature, signedBy])).toEqual([
    ['one', 'unchecked', null],
    ['two', 'unchecked', null],
  ]);
});

describe('work', () => {
  it('handles each message once, in order, renewing the lease while it runs', async () => {
    const identity = await registered();
    const url = createRoomUrl(relay.url);
    const asker = joined(url, { name: 'asker' });
    for (const text of ['slow', 'second']) await asker.send(text);
    const stop = new AbortController();
    const seen: unknown[] = [];
    const worker = joined(url, { identity });
    const working = worker.work(
      async ({ text }, { claim, signal }) => {
        if (text === 'slow') await new Promise((resolve) => setTimeout(resolve, 2_500));
        seen.push([text, claim.delivery, signal.aborted]);
        if (text === 'second') stop.abort(new Error('enough'));
      },
      { leaseMs: 1_000, signal: stop.signal },
    );
    await expect(working).rejects.toThrow('enough');
    expect(seen).toEqual([
      ['slow', 1, false],
      ['second', 1, false],
    ]);
    // The message in progress at the time of the stop was acked.
    expect(await joined(url, { identity }).claim({ timeoutMs: 1_000 })).toBeNull();
  });

  it('a handler that throws gets the message again, after a pause', async () => {
    const identity = await registered();
    const url = createRoomUrl(relay.url);
    await joined(url, { name: 'asker' }).send('poison');
    const tries: number[] = [];
    const worker = joined(url, { identity });
    const from = performance.now();
    await worker.work((event, { claim }) => {
      tries.push(claim.delivery ?? 0);
      if (tries.length < 3) throw new Error('not now');
      // A close during the handling of a message leaves the message unacked.
      worker.close();
    });
    expect(tries).toEqual([1, 2, 3]);
    expect(performance.now() - from).toBeGreaterThan(1_000);
  });

  it('CLAIM-30: a lease that is lost aborts the handler, and nothing is acked', async () => {
    const identity = await registered();
    const url = createRoomUrl(relay.url);
    await joined(url, { name: 'asker' }).send('task');
    const thief = joined(url, { identity });
    const worker = joined(url, { identity });
    let reason: unknown;
    const stop = new AbortController();
    const working = worker.work(
      async (event, { claim, signal }) => {
        if (claim.delivery !== 1) return stop.abort(new Error('enough'));
        await thief.release(claim);
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        reason = signal.reason;
      },
      { leaseMs: 3_000, signal: stop.signal },
    );
    await expect(working).rejects.toThrow('enough');
    expect(reason).toMatchObject({ code: 'claim-gone' });
  });

  it('CLAIM-4: a worker that is killed while it handles a message loses nothing', async () => {
    const identity = await registered();
    const url = createRoomUrl(relay.url);
    const asker = joined(url, { name: 'asker' });
    for (const text of ['one', 'two', 'three']) await asker.send(text);
    const secrets = identity.exportSecrets();
    const worker = (stands: boolean): ReturnType<typeof spawn> => {
      const child = spawn('node', ['--import', 'tsx', join(import.meta.dirname, 'worker.ts')], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      child.stdin?.end(JSON.stringify({ url, secrets, stands }));
      return child;
    };
    const first = worker(true);
    const [line] = (await once(first.stdout ?? first, 'data')) as [Buffer];
    expect(line.toString()).toBe('one\n');
    first.kill('SIGKILL');
    const second = worker(false);
    let out = '';
    second.stdout?.on('data', (text: Buffer) => (out += text.toString()));
    await once(second, 'exit');
    expect(out).toBe('one\ntwo\nthree\n');
  });
});

it('failures are Bot2BotError with a code: an unregistered identity', async () => {
  const room = joined(createRoomUrl(relay.url), { identity: Identity.create('unheard-of') });
  await expect(room.claim()).rejects.toMatchObject({ code: 'unknown-handle' });
  await expect(room.send('text')).rejects.toBeInstanceOf(Bot2BotError);
});
