/** Variants of bodies that deployed clients send and the deployed relay accepts, beyond the schemas. */
import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createRelay, type RunningRelay } from '../src/index.ts';
import { RequestProblem } from '../src/problem.ts';
import { parseObject } from '../src/validate.ts';
import {
  agentNamed,
  call,
  dm,
  publication,
  register,
  registration,
  sealed,
  signedCall,
  signedMessage,
  type Answer,
  type TestAgent,
} from './agent.ts';

let relay: RunningRelay;
beforeAll(async () => {
  relay = await createRelay({ port: 0 });
});
afterAll(() => relay.close());

let made = 0;
const newRoom = () => `shapes-${made++}`;
async function registered(): Promise<TestAgent> {
  const agent = agentNamed(`shape-${made++}`);
  expect((await register(relay.url, agent)).status).toBe(201);
  return agent;
}
/** A handle with `@` and in upper case, as people write it. */
const upperCased = ({ handle }: TestAgent) => `@${handle.toUpperCase()}`;
const post = (room: string, body: unknown) => call(relay.url, 'POST', `/api/rooms/${room}/messages`, body);
const messagesOf = (answer: Answer) => answer.json['messages'] as Record<string, unknown>[];
const read = async (room: string) =>
  messagesOf(await call(relay.url, 'GET', `/api/rooms/${room}/transcript?limit=500`));

describe('a handle in a body, with @ and in upper case', () => {
  it('is registered without the @ and in lower case, which is the form that is signed', async () => {
    const agent = agentNamed(`shape-${made++}`);
    const answer = await call(relay.url, 'POST', '/api/identity/register', {
      ...registration(agent),
      handle: upperCased(agent),
    });
    expect(answer).toMatchObject({ status: 201, json: { handle: agent.handle } });
    const told = await call(relay.url, 'GET', `/api/identity/${agent.handle}`);
    expect(told.json).toMatchObject({ handle: agent.handle, sign_pub: agent.signPub });
  });

  it('signs a message, with both signatures', async () => {
    const [agent, room] = [await registered(), newRoom()];
    const body = { ...signedMessage(agent, room), sender_handle: upperCased(agent) };
    expect(await post(room, body)).toMatchObject({ status: 200 });
    expect(await read(room)).toMatchObject([
      { sender: `@${agent.handle}`, sender_handle: agent.handle, sender_verified: true },
    ]);
  });

  it('claims, renews, acks and releases', async () => {
    const [agent, room] = [await registered(), newRoom()];
    const at = (path: string, body: Record<string, unknown>) =>
      signedCall(relay.url, agent, 'POST', `/api/rooms/${room}/${path}`, {
        handle: upperCased(agent),
        ...body,
      });
    await post(room, sealed());
    const grant = await at('claim', {});
    expect(grant).toMatchObject({ status: 200, json: { delivery: 1 } });
    const { claim_id } = grant.json;
    expect(await at('claim/renew', { claim_id })).toMatchObject({ status: 200 });
    expect(await at('claim/release', { claim_id })).toMatchObject({ status: 200, json: { released: true } });
    const again = await at('claim', {});
    const { seq } = again.json['message'] as { seq: number };
    // The seq as a decimal string, which deployed clients take from their command line.
    const acked = await at('ack', { claim_id: again.json['claim_id'], seq: String(seq) });
    expect(acked).toMatchObject({ status: 200, json: { advanced: true, cursor: seq } });
  });

  it('sends a direct message and publishes a profile', async () => {
    const [from, to] = [await registered(), await registered()];
    const letter = { ...dm(to.handle, from), from_handle: upperCased(from) };
    expect(await call(relay.url, 'POST', `/api/dm/${to.handle}`, letter)).toMatchObject({ status: 200 });
    const inbox = await signedCall(relay.url, to, 'GET', `/api/dm/${to.handle}/inbox/wait?timeout=1`);
    expect(messagesOf(inbox)).toMatchObject([{ from_handle: from.handle, from_verified: true }]);
    const body = publication(from, { summary: 'Shouted' });
    const profile = { ...(body['profile'] as Record<string, unknown>), handle: upperCased(from) };
    const published = await call(relay.url, 'PUT', `/api/agents/${from.handle}/profile`, {
      ...body,
      profile,
    });
    expect(published).toMatchObject({ status: 201, json: { handle: from.handle } });
  });
});

describe('a claim', () => {
  it.each([
    ['a text', 'excluded'],
    ['an object', { 0: 'excluded' }],
    ['a number', 7],
    ['null', null],
  ])('excludes nobody with exclude_senders being %s', async (_, exclude_senders) => {
    const [agent, room] = [await registered(), newRoom()];
    await post(room, { ...sealed(), sender: 'excluded' });
    const body = { handle: agent.handle, exclude_senders };
    const answer = await signedCall(relay.url, agent, 'POST', `/api/rooms/${room}/claim?timeout=1`, body);
    expect(answer).toMatchObject({ status: 200, json: { message: { sender: 'excluded' } } });
  });

  it('excludes the first 256 labels of a list, whatever else is in it', async () => {
    const [agent, room] = [await registered(), newRoom()];
    for (const sender of ['first', 'label-255', 'label-256']) await post(room, { ...sealed(), sender });
    const labels = Array.from({ length: 300 }, (_, i) => `label-${i + 1}`);
    const exclude_senders = [null, 7, 'first', {}, ['label-256'], ...labels];
    const body = { handle: agent.handle, exclude_senders };
    const answer = await signedCall(relay.url, agent, 'POST', `/api/rooms/${room}/claim?timeout=1`, body);
    expect(answer).toMatchObject({ status: 200, json: { message: { sender: 'label-256' } } });
  });

  it.each(['', '1e3', '0x10', '-1', '12.0', ' 12', '9'.repeat(17)])(
    'is not acked with a seq of %j',
    async (seq) => {
      const agent = await registered();
      const body = { handle: agent.handle, claim_id: 'c_something', seq };
      const answer = await signedCall(relay.url, agent, 'POST', `/api/rooms/${newRoom()}/ack`, body);
      expect(answer.status).toBe(400);
      expect(answer.json['detail']).toContain('seq');
    },
  );
});

describe('a handle without a signature', () => {
  it('leaves a message unsigned, with the given label', async () => {
    const [agent, room] = [await registered(), newRoom()];
    for (const sender_handle of [agent.handle, 'nobody-at-all', 'no handle!', 7])
      expect(await post(room, { ...sealed(), sender: 'me', sender_handle })).toMatchObject({ status: 200 });
    for (const message of await read(room))
      expect(message).toMatchObject({ sender: 'me', sender_verified: false });
  });

  it('is refused with part of a signature', async () => {
    const [agent, room] = [await registered(), newRoom()];
    const whole = signedMessage(agent, room);
    for (const field of ['sender_ts', 'sender_nonce', 'sender_sig', 'sender_sig2']) {
      const { ciphertext, nonce, sender_handle, [field]: given } = whole;
      const answer = await post(room, { ciphertext, nonce, sender_handle, [field]: given });
      expect({ field, status: answer.status }).toEqual({ field, status: 401 });
    }
    const only = await post(room, { ...sealed(), sender_handle: agent.handle, signed_only: true });
    expect(only.status).toBe(400);
  });

  it('leaves a direct message anonymous', async () => {
    const [from, to] = [await registered(), await registered()];
    const letter = { ...dm(to.handle), from_handle: from.handle };
    expect(await call(relay.url, 'POST', `/api/dm/${to.handle}`, letter)).toMatchObject({ status: 200 });
    const inbox = await signedCall(relay.url, to, 'GET', `/api/dm/${to.handle}/inbox/wait?timeout=1`);
    expect(messagesOf(inbox)).toMatchObject([{ from_handle: null, from_verified: false }]);
  });
});

describe('a sender without a label', () => {
  const labels = [{}, { sender: '' }, { sender: null }];

  it('is called agent in a POST', async () => {
    const room = newRoom();
    for (const label of labels)
      expect(await post(room, { ...sealed(), ...label })).toMatchObject({ status: 200 });
    expect((await read(room)).map(({ sender }) => sender)).toEqual(['agent', 'agent', 'agent']);
  });

  it('is called user on a WebSocket', async () => {
    const room = newRoom();
    const socket = new WebSocket(`${relay.url.replace('http', 'ws')}/api/rooms/${room}/ws`);
    const senders = new Promise<unknown[]>((resolve, reject) => {
      const seen: unknown[] = [];
      socket.on('error', reject);
      socket.on('message', (data) => {
        const frame = JSON.parse((data as Buffer).toString()) as Record<string, unknown>;
        if (frame['type'] === 'error') reject(new Error(JSON.stringify(frame)));
        if (frame['type'] === 'message' && seen.push(frame['sender']) === labels.length + 1) resolve(seen);
      });
      socket.on('open', () => {
        for (const label of [...labels, { sender: 'me' }])
          socket.send(JSON.stringify({ ...sealed(), ...label }));
      });
    });
    expect(await senders).toEqual(['user', 'user', 'user', 'me']);
    socket.terminate();
  });
});

describe('listening', () => {
  const key = randomBytes(32).toString('base64url');
  it.each([
    ['null for a key', { name: 'sleeper', box_pub: null }, 'sleeper', undefined],
    ['a bad key', { name: 'sleeper', box_pub: 'bad' }, 'sleeper', undefined],
    ['a key that is a number', { name: 'sleeper', box_pub: 7 }, 'sleeper', undefined],
    ['a long name', { name: 'é'.repeat(70), box_pub: key }, 'é'.repeat(64), key],
  ])('is taken with %s', async (_, body, name, box_pub) => {
    const room = newRoom();
    await post(room, sealed());
    const answer = await call(relay.url, 'POST', `/api/rooms/${room}/listening`, body);
    expect(answer).toMatchObject({ status: 200, json: { ok: true } });
    const socket = new WebSocket(`${relay.url.replace('http', 'ws')}/api/rooms/${room}/ws`);
    const ready = await new Promise<Record<string, unknown>>((resolve, reject) => {
      socket.on('error', reject);
      socket.on('message', (data) => {
        const frame = JSON.parse((data as Buffer).toString()) as Record<string, unknown>;
        if (frame['type'] === 'ready') resolve(frame);
      });
    });
    socket.terminate();
    const sleepers = (ready['participants'] as { name: string; box_pub?: string }[]).filter(
      (participant) => participant.name === name,
    );
    expect(sleepers.map((sleeper) => sleeper.box_pub)).toEqual([box_pub]);
  });
});

describe('a registration', () => {
  it.each([
    ['meta that is a text', 'a bot', {}],
    ['meta that is a list', ['a bot'], {}],
    ['a bio that is a number', { bio: 7 }, {}],
    ['a bio of 300 characters', { bio: '😀'.repeat(300) }, { bio: '😀'.repeat(280) }],
    ['a bio of 280 characters', { bio: '😀'.repeat(280) }, { bio: '😀'.repeat(280) }],
  ])('is taken with %s', async (_, meta, kept) => {
    const agent = agentNamed(`shape-${made++}`);
    const body = { ...registration(agent), meta };
    expect((await call(relay.url, 'POST', '/api/identity/register', body)).status).toBe(201);
    const told = await call(relay.url, 'GET', `/api/identity/${agent.handle}`);
    expect(told.json['meta']).toEqual(kept);
  });
});

describe('a body', () => {
  const bytes = (text: string) => Buffer.from(text);
  const slug = (given: Parameters<typeof parseObject>[0]) => {
    try {
      return parseObject(given);
    } catch (error) {
      return error instanceof RequestProblem ? error.slug : error;
    }
  };

  it.each([
    ['nothing', undefined],
    ['no bytes', bytes('')],
    ['no text', ''],
    ['a byte order mark alone', bytes('\uFEFF')],
    ['white space', bytes(' \n')],
    ['two marks', bytes('\uFEFF\uFEFF{}')],
    ['half of a character', Buffer.concat([bytes('{"a":"'), Buffer.from([0xc3]), bytes('"}')])],
    ['Latin-1', Buffer.from('{"a":"é"}', 'latin1')],
    ['a surrogate in UTF-8', Buffer.concat([bytes('{"a":"'), Buffer.from([0xed, 0xa0, 0x80]), bytes('"}')])],
    ['an overlong /', Buffer.concat([bytes('{"a":"'), Buffer.from([0xc0, 0xaf]), bytes('"}')])],
    ['UTF-16', Buffer.from('\uFEFF{}', 'utf16le')],
    ['a list', bytes('[]')],
    ['null', bytes('null')],
    ['brackets without end', bytes('['.repeat(190_000))],
    ['brackets in brackets', bytes('['.repeat(95_000) + ']'.repeat(95_000))],
  ])('is bad JSON when it is %s', (_, given) => {
    expect(slug(given)).toBe('bad-json');
  });

  it.each([
    ['bytes', bytes('{"a":"é"}')],
    ['text', '{"a":"é"}'],
    ['bytes after a mark', bytes('\uFEFF{"a":"é"}')],
    ['text after a mark', '\uFEFF{"a":"é"}'],
    ['part of a larger piece of memory', bytes('xx{"a":"é"}yy').subarray(2, -2)],
    ['white space around', bytes('\n {"a":"é"} \n')],
  ])('is read when it is %s', (_, given) => {
    expect(slug(given)).toEqual({ a: 'é' });
  });

  it('may begin with a byte order mark, which the signature covers', async () => {
    const room = newRoom();
    const sent = await fetch(`${relay.url}/api/rooms/${room}/messages`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: `\uFEFF${JSON.stringify(sealed())}`,
    });
    expect(sent.status).toBe(200);
    const agent = await registered();
    const [target, text] = [`/api/rooms/${room}/claim`, `\uFEFF${JSON.stringify({ handle: agent.handle })}`];
    const [ts, n] = [Date.now(), randomBytes(18).toString('base64url')];
    const hash = createHash('sha256').update(text).digest('hex');
    const sig = agent.sign(`POST ${target} ${ts} ${n} ${hash}`);
    const claimed = await fetch(relay.url + target, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        Authorization: `bot2bot  sig=${sig} , n=${n},v=2,  ts=${ts}`,
      },
      body: text,
    });
    expect(claimed.status).toBe(200);
  });
});
