/** Identities, inboxes and the directory of a relay process: durability, limits, and the order of checks. */
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { isSoundKey } from '../src/ed25519.ts';
import {
  agentNamed,
  call,
  dm,
  publication,
  register,
  sealed,
  signedCall,
  signedMessage,
  type TestAgent,
} from './agent.ts';
import { start, stop, type Started } from './process.ts';

const started: Started[] = [];
afterEach(async () => {
  for (const relay of started.splice(0)) await stop(relay, 'SIGKILL');
});
async function relayWith(...flags: string[]): Promise<Started> {
  const relay = await start(flags);
  started.push(relay);
  return relay;
}
const folder = () => join(mkdtempSync(join(tmpdir(), 'bot2bot-data-')), 'data');
const bytesIn = (path: string) =>
  readdirSync(path, { recursive: true, encoding: 'utf8' })
    .map((name) => join(path, name))
    .filter((name) => statSync(name).isFile())
    .map((name) => readFileSync(name).toString('latin1'))
    .join('\n');

describe('--data-dir', () => {
  it('keeps identities and profiles after a kill, and nothing else', async () => {
    const data = folder();
    const first = await relayWith('--data-dir', data);
    const [alice, bob] = [agentNamed('alice'), agentNamed('bob')];
    const registered = await register(first.url, alice);
    await register(first.url, bob);
    expect(registered.status).toBe(201);
    const published = await call(
      first.url,
      'PUT',
      '/api/agents/alice/profile',
      publication(alice, { capabilities: ['summarise'] }),
    );
    expect(published.status).toBe(201);
    const message = signedMessage(alice, 'a-room');
    const letter = dm('bob', alice);
    expect((await call(first.url, 'POST', '/api/rooms/a-room/messages', message)).status).toBe(200);
    expect((await call(first.url, 'POST', '/api/dm/bob', letter)).status).toBe(200);
    await stop(first, 'SIGKILL');

    expect(statSync(data).mode & 0o777).toBe(0o700);
    const held = bytesIn(data);
    expect(held).toContain('summarise');
    for (const body of [message, letter])
      for (const field of ['ciphertext', 'nonce']) expect(held).not.toContain(String(body[field]));
    expect(held).not.toContain('a-room');

    const second = await relayWith('--data-dir', data);
    expect((await register(second.url, alice)).json['registered_at']).toBe(registered.json['registered_at']);
    expect((await register(second.url, agentNamed('alice'))).status).toBe(409);
    const { json } = await call(second.url, 'GET', '/api/agents/alice');
    expect(json['agent']).toMatchObject({ capabilities: ['summarise'], sign_pub: alice.signPub });
    expect((await signedCall(second.url, bob, 'GET', '/api/dm/bob/inbox/wait?timeout=1')).json).toMatchObject(
      { messages: [], last_seq: 0 },
    );
    expect((await signedCall(second.url, alice, 'DELETE', '/api/agents/alice/profile')).json).toMatchObject({
      removed: true,
    });
    await stop(second);
    const third = await relayWith('--data-dir', data);
    expect((await call(third.url, 'GET', '/api/agents/alice')).status).toBe(404);
  });

  it(
    'ID-3: a registration that was answered 201 survives a kill at any moment',
    { timeout: 120_000 },
    async () => {
      const data = folder();
      const owners = new Map<string, TestAgent>();
      let tried = 0;
      for (let round = 0; round < 6; round++) {
        const relay = await relayWith('--data-dir', data);
        for (const [handle, owner] of owners) {
          const { json } = await call(relay.url, 'GET', `/api/identity/${handle}`);
          expect(json['sign_pub']).toBe(owner.signPub);
        }
        const killed = once(relay.child, 'exit');
        // At least 2 in each round, however slow the machine is.
        let left = 2 + Math.floor(Math.random() * 10);
        const worker = async () => {
          for (;;) {
            const agent = agentNamed(`agent-${round}-${tried++}`);
            const { status } = await register(relay.url, agent);
            if (status === 0) return;
            if (status !== 201) continue;
            owners.set(agent.handle, agent);
            if (--left === 0) setTimeout(() => relay.child.kill('SIGKILL'), Math.random() * 30);
          }
        };
        await Promise.all([worker(), worker(), worker(), worker()]);
        await killed;
      }
      expect(owners.size).toBeGreaterThan(10);
      process.stdout.write(`6 kills: ${owners.size} of ${tried} registrations answered 201, all kept\n`);
    },
  );

  it('is used by one relay at a time; a second one says so', async () => {
    const data = folder();
    await relayWith('--data-dir', data);
    await expect(start(['--data-dir', data])).rejects.toThrow(/--data-dir .* another relay has it open/);
  });

  it('gives a clear error if it cannot be created', async () => {
    await expect(start(['--data-dir', '/dev/null/data'])).rejects.toThrow(
      /--data-dir .*null.data cannot be used/,
    );
  });
});

describe('signatures', () => {
  it('the rate limit applies before the signature: a flood of invalid signatures costs no verification', async () => {
    const relay = await relayWith('--address-burst', '5', '--address-rate', '1');
    const alice = agentNamed('alice');
    await register(relay.url, alice);
    const impostor = { ...agentNamed('mallory'), handle: 'alice' };
    const statuses: number[] = [];
    for (let i = 0; i < 8; i++)
      statuses.push(
        (await signedCall(relay.url, impostor, 'POST', '/api/rooms/room/claim', { handle: 'alice' })).status,
      );
    expect(statuses.filter((status) => status === 401).length).toBeLessThanOrEqual(5);
    expect(statuses.slice(-2)).toEqual([429, 429]);
  });

  it('ID-7: keys of small order, off the curve or not canonical are not sound', () => {
    const key = (hex: string) => Buffer.from(hex, 'hex');
    const sign = (hex: string) => {
      const bytes = key(hex);
      bytes[31] = (bytes[31] ?? 0) | 0x80;
      return bytes;
    };
    for (const hex of [
      `01${'00'.repeat(31)}`,
      '00'.repeat(32),
      `ec${'ff'.repeat(30)}7f`,
      'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
      '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
      `ed${'ff'.repeat(30)}7f`,
      `ee${'ff'.repeat(30)}7f`,
      `02${'00'.repeat(31)}`,
    ]) {
      expect({ hex, sound: isSoundKey(key(hex)) }).toEqual({ hex, sound: false });
      expect({ hex, sound: isSoundKey(sign(hex)) }).toEqual({ hex, sound: false });
    }
    for (let i = 0; i < 50; i++)
      expect(isSoundKey(Buffer.from(agentNamed('x').signPub, 'base64'))).toBe(true);
  });
});

describe('bounds', () => {
  it('DM-7: unsigned messages use at most a quarter of the memory, and displace no signed ones', async () => {
    const relay = await relayWith('--dm-bytes', String(1 << 20), '--address-share', '1');
    const alice = agentNamed('alice');
    await register(relay.url, alice);
    const send = async (from?: TestAgent) =>
      (await call(relay.url, 'POST', '/api/dm/alice', dm('alice', from, 100_000))).status;
    const unsigned: number[] = [];
    for (let i = 0; i < 4; i++) unsigned.push(await send());
    expect(unsigned).toEqual([200, 200, 503, 503]);
    const signed: number[] = [];
    for (let i = 0; i < 9; i++) signed.push(await send(alice));
    expect(signed).toEqual([...Array<number>(8).fill(200), 503]);
  });

  it('handles, cursors and profiles are limited: 503 with Retry-After, and existing ones stay', async () => {
    const relay = await relayWith(
      '--identities',
      '2',
      '--room-handles',
      '1',
      '--profiles',
      '1',
      '--address-share',
      '1',
    );
    const [alice, bob, carol] = [agentNamed('alice'), agentNamed('bob'), agentNamed('carol')];
    const statuses = [];
    for (const agent of [alice, bob, carol]) statuses.push((await register(relay.url, agent)).status);
    expect(statuses).toEqual([201, 201, 503]);
    expect((await register(relay.url, alice)).status).toBe(201);
    await call(relay.url, 'POST', '/api/rooms/room/messages', sealed());
    const claim = async (agent: TestAgent) =>
      (await signedCall(relay.url, agent, 'POST', '/api/rooms/room/claim', { handle: agent.handle })).status;
    expect([await claim(alice), await claim(bob), await claim(alice)]).toEqual([200, 503, 200]);
    const publish = async (agent: TestAgent) =>
      (await call(relay.url, 'PUT', `/api/agents/${agent.handle}/profile`, publication(agent))).status;
    expect([await publish(alice), await publish(bob), await publish(alice)]).toEqual([201, 503, 201]);
  });

  it('registrations are limited per hour and address', async () => {
    const relay = await relayWith('--address-registrations', '3');
    const agents = ['a1', 'a2', 'a3', 'a4'].map(agentNamed);
    const statuses = [];
    for (const agent of agents) statuses.push((await register(relay.url, agent)).status);
    expect(statuses).toEqual([201, 201, 201, 429]);
    const [first] = agents;
    expect(first === undefined ? 0 : (await register(relay.url, first)).status).toBe(201);
  });

  it('SIGTERM answers parked claims and inboxes', async () => {
    const relay = await relayWith();
    const alice = agentNamed('alice');
    await register(relay.url, alice);
    await call(relay.url, 'POST', '/api/rooms/room/messages', { ...sealed(), sender: 'alice' });
    const parked = [
      signedCall(relay.url, alice, 'POST', '/api/rooms/room/claim?timeout=60', { handle: 'alice' }),
      signedCall(relay.url, alice, 'GET', '/api/dm/alice/inbox/wait?timeout=60'),
    ];
    await expect.poll(async () => (await call(relay.url, 'GET', '/api/health')).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await stop(relay);
    const answers = await Promise.all(parked);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(answers[0]?.json).toMatchObject({ empty: true });
  });
});
