/** Inboxes: senders cannot exhaust them, and an unsigned message claims nothing about its sender. */
import { ServerResponse, IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { DEFAULT_TIMINGS, type DmBody } from '@bot2bot/schemas';
import { afterEach, describe, expect, it } from 'vitest';
import type { Client } from '../src/address.ts';
import { DEFAULT_CONFIG } from '../src/config.ts';
import { Dms } from '../src/dms.ts';
import { RequestProblem } from '../src/problem.ts';
import { agentNamed, call, dm, register, signedCall } from './agent.ts';
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

const HERE: Client = ['192.0.2.1'];
const THERE: Client = ['198.51.100.1'];
/** Memory that is counted for a message in addition to its ciphertext, in bytes. */
const ENTRY = 400;

function dmsOf(limits: Partial<typeof DEFAULT_CONFIG.limits> = {}) {
  const now = { wall: 1_800_000_000_000, mono: 0 };
  const clock = { wall: () => now.wall, mono: () => now.mono };
  const dms = new Dms({ ...DEFAULT_CONFIG.limits, ...limits }, DEFAULT_TIMINGS, clock);
  /** @returns the id, or the slug of the problem. */
  const send = (to: string, from: string | null, chars = 40, client = HERE): string => {
    const letter: DmBody = { ciphertext: 'A'.repeat(chars), nonce: 'n', sender_eph_pub: 'e' };
    const body = from === null ? letter : { ...letter, from_handle: from, from_ts: 1, from_sig: 's' };
    try {
      return dms.post(to, body, client, () => undefined).id;
    } catch (error) {
      if (error instanceof RequestProblem) return error.slug;
      throw error;
    }
  };
  const repeat = (count: number, one: () => string) =>
    Array.from({ length: count }, one).filter((id) => !id.startsWith('d_'));
  return { dms, send, repeat, now };
}

describe('limits of inboxes', () => {
  it('DM-7: an inbox holds 256 messages of 16 KiB, or an eighth of that number of the longest ones', () => {
    const { send, repeat } = dmsOf();
    let i = 0;
    expect(repeat(256, () => send('alice', `friend-${i++ % 8}`, 16_384))).toEqual([]);
    expect(send('alice', 'friend-9')).toBe('inbox-full');
    expect(repeat(32, () => send('bob', `friend-${i++ % 4}`, 131_072))).toEqual([]);
    expect(send('bob', 'friend-9', 131_072)).toBe('inbox-full');
  });

  it('one handle has a quarter of an inbox, in messages and in bytes; others are still accepted', () => {
    const { send, repeat } = dmsOf();
    expect(repeat(64, () => send('alice', 'flood'))).toEqual([]);
    expect(repeat(3, () => send('alice', 'flood'))).toEqual(Array<string>(3).fill('inbox-full'));
    expect(repeat(8, () => send('bob', 'flood', 131_072))).toEqual([]);
    expect(send('bob', 'flood', 131_072)).toBe('inbox-full');
    for (const to of ['alice', 'bob']) expect(send(to, 'friend', 131_072)).toMatch(/^d_/);
  });

  it('unsigned messages are limited to 32 and to a quarter of the bytes, and displace no others', () => {
    const { dms, send, repeat } = dmsOf();
    const first = send('alice', 'friend');
    expect(repeat(8, () => send('alice', null, 131_072))).toEqual([]);
    expect(send('alice', null, 131_072)).toBe('inbox-full');
    expect(repeat(24, () => send('bob', null))).toEqual([]);
    expect(repeat(9, () => send('bob', null))).toEqual(['inbox-full']);
    expect(send('alice', 'friend', 131_072)).toMatch(/^d_/);
    expect(dms.page('alice', 0).messages[0]?.id).toBe(first);
  });

  it('one address has a share of all inboxes, and gets it back when messages leave them', () => {
    const letter = 10_000;
    const { dms, send, repeat, now } = dmsOf({ dm_bytes: 80 * (letter + ENTRY), address_share: 8 });
    let i = 0;
    const ten = (client: Client) => repeat(11, () => send(`inbox-${i++}`, 'friend', letter, client));
    expect(ten(HERE)).toEqual(['rate-limited']);
    expect(ten(THERE)).toEqual(['rate-limited']);
    const [message] = dms.page('inbox-0', 0).messages;
    expect(dms.remove('inbox-0', message?.id ?? '')).toBe(true);
    expect(repeat(2, () => send('inbox-0', 'friend', letter))).toEqual(['rate-limited']);
    now.wall += DEFAULT_TIMINGS.inbox_retention_ms;
    now.mono += DEFAULT_TIMINGS.inbox_retention_ms;
    dms.sweep();
    expect(dms.bytes).toBe(0);
    expect(ten(HERE)).toEqual(['rate-limited']);
  });

  it('a sweep expires the oldest messages and overdue reads, and looks at no others', () => {
    const { dms, send, now } = dmsOf();
    for (let i = 0; i < 1_000; i++) send(`inbox-${i}`, 'friend');
    now.wall += 1_000;
    now.mono += 1_000;
    send('last', 'friend');
    const answers: string[] = [];
    const response = new ServerResponse(new IncomingMessage(new Socket()));
    response.end = ((text: string) => {
      answers.push(text);
      return response;
    }) as typeof response.end;
    dms.park('last', {
      after: Number.MAX_SAFE_INTEGER,
      deadline: now.mono + 5_000,
      response,
      writtenAt: now.mono,
    });
    dms.sweep();
    expect([answers.length, dms.bytes]).toEqual([0, 1_001 * (40 + ENTRY)]);
    now.mono += 5_000;
    dms.sweep();
    expect(answers.length).toBe(1);
    now.mono += DEFAULT_TIMINGS.inbox_retention_ms - 6_000;
    dms.sweep();
    expect(dms.bytes).toBe(40 + ENTRY);
    expect(dms.page('last', 0).messages.length).toBe(1);
  });

  it('seqs of an inbox keep rising when the clock is set back an hour, even while it is empty', () => {
    const { dms, send, now } = dmsOf();
    send('alice', 'friend');
    const before = dms.page('alice', 0).last_seq;
    now.wall -= 3_600_000;
    dms.remove('alice', dms.page('alice', 0).messages[0]?.id ?? '');
    dms.sweep();
    send('alice', 'friend');
    expect(dms.page('alice', 0).last_seq).toBeGreaterThan(before);
  });
});

describe('the sender of a message', () => {
  it('DM-3: is null without a signature, even if the body names one, as deployed clients do', async () => {
    const { url } = await relayWith();
    const [alice, bob] = [agentNamed('alice'), agentNamed('bob')];
    for (const agent of [alice, bob]) await register(url, agent);
    const { from_sig: signature, ...bare } = dm('alice', bob);
    const letters = [
      bare,
      { ...dm('alice'), from_handle: 'bob' },
      { ...dm('alice'), from_handle: 'nobody-at-all' },
      { ...dm('alice'), from_handle: '!', from_ts: 'x' },
      { ...dm('alice'), from_handle: null, from_ts: null, from_sig: null },
    ];
    expect(signature).toBeTypeOf('string');
    for (const letter of letters) expect((await call(url, 'POST', '/api/dm/alice', letter)).status).toBe(200);
    const { json } = await signedCall(url, alice, 'GET', '/api/dm/alice/inbox/wait?timeout=1');
    const messages = json['messages'] as Record<string, unknown>[];
    expect(messages.map((m) => [m['from_handle'], m['from_verified'], m['from_sig'], m['from_ts']])).toEqual(
      letters.map(() => [null, false, undefined, undefined]),
    );
  });

  it('may be written with @ and in upper case, and is delivered in normal form', async () => {
    const { url } = await relayWith();
    const [alice, bob] = [agentNamed('alice'), agentNamed('bob')];
    for (const agent of [alice, bob]) await register(url, agent);
    const letter = { ...dm('alice', bob), from_handle: '@BOB' };
    expect((await call(url, 'POST', '/api/dm/@Alice', letter)).status).toBe(200);
    expect((await call(url, 'POST', '/api/dm/alice', letter)).status).toBe(401);
    const { json } = await signedCall(url, alice, 'GET', '/api/dm/alice/inbox/wait?timeout=1');
    expect((json['messages'] as Record<string, unknown>[]).map((m) => m['from_handle'])).toEqual(['bob']);
  });
});
