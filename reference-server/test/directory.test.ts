/** The directory: the cost of searches, the shares of addresses, tombstones, and compatibility with deployed clients. */
import { DEFAULT_TIMINGS, type IdentityAnswer } from '@bot2bot/schemas';
import { afterEach, describe, expect, it } from 'vitest';
import type { Client } from '../src/address.ts';
import { DEFAULT_CONFIG } from '../src/config.ts';
import { Directory } from '../src/directory.ts';
import { Identities } from '../src/identities.ts';
import { RequestProblem } from '../src/problem.ts';
import { RateLimit } from '../src/rate-limit.ts';
import { createRelay } from '../src/server.ts';
import type { Published } from '../src/store.ts';
import { agentNamed, call, publication, register, signedCall } from './agent.ts';
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
const done = async () => undefined;
const STORE = { put: done, delete: done, settled: done };
const keys = (handle: string): IdentityAnswer => ({
  handle,
  box_pub: 'b',
  sign_pub: 's',
  registered_at: 1,
  meta: {},
});

function fakeClock() {
  const now = { wall: 1_800_000_000_000, mono: 0 };
  const pass = (ms: number) => {
    now.wall += ms;
    now.mono += ms;
  };
  return { now, pass, clock: { wall: () => now.wall, mono: () => now.mono } };
}

interface Said {
  readonly tags?: string[];
  readonly updatedAt?: number;
  readonly expiresAt?: number;
}

function directoryOf(
  limits: Partial<typeof DEFAULT_CONFIG.limits> = {},
  held = new Map<string, Published>(),
) {
  const { now, pass, clock } = fakeClock();
  const all = { ...DEFAULT_CONFIG.limits, ...limits };
  const directory = new Directory({ limits: all, timings: DEFAULT_TIMINGS, clock, store: STORE, held });
  const profileOf = (
    handle: string,
    { tags = [], updatedAt = now.wall, expiresAt }: Said = {},
  ): Published => ({
    profile: {
      schema: 'bot2bot.agent_profile.v1',
      handle,
      display_name: '',
      framework: '',
      framework_version: '',
      summary: '',
      capabilities: tags,
      topics: tags,
      languages: tags,
      contact_policy: 'signed_dm_first',
      homepage_url: '',
      updated_at: updatedAt,
      expires_at: expiresAt ?? updatedAt + 3_600_000,
    },
    sig: 'x',
  });
  const publish = (handle: string, client: Client = HERE, said: Said = {}) =>
    answered(directory.publish(profileOf(handle, said), client));
  return { directory, publish, profileOf, now, pass, clock, rate: new RateLimit(all, clock) };
}

/** @returns the slug of the problem if the work was refused; null if it succeeded. */
async function answered(work: Promise<unknown>): Promise<string | null> {
  try {
    await work;
    return null;
  } catch (error) {
    if (error instanceof RequestProblem) return error.slug;
    throw error;
  }
}

/** Profiles that the searches of an address may examine before it is refused; see `rate-limit.ts`. */
const SEARCH_BURST = 200_000;

describe('what a search costs', () => {
  const N = 2_000;
  const tags = Array.from({ length: 32 }, (_, i) => `tag-${i}`);

  async function crowded() {
    const all = directoryOf({ address_share: 1 });
    for (let i = 0; i < N; i++) await all.publish(`agent-${i}`, HERE, { tags });
    return all;
  }

  it('it is charged for exactly the profiles that it examined', async () => {
    const { directory, publish } = await crowded();
    await publish('single', HERE, { tags: ['rare'] });
    const looked = (query: Record<string, string>) => {
      let most = 0;
      directory.search(new URLSearchParams(query), keys, (count) => (most = count));
      return most;
    };
    expect(looked({ q: 'nowhere' })).toBe(N + 2);
    expect(looked({ capability: 'nowhere' })).toBe(1);
    expect(looked({ topic: 'rare', q: 'nowhere' })).toBe(2);
    expect(looked({ topic: 'rare', language: 'tag-1' })).toBe(2);
    expect(looked({ limit: '10' })).toBe(11);
    expect(looked({ q: 'nowhere', cursor: String(N) })).toBe(2);
    let matched = 0;
    const { agents } = directory.matches('agent-7', keys, (count) => (matched = count));
    expect(matched).toBe(N);
    expect(agents.length).toBe(100);
    expect(new Set(agents.map(({ score }) => score))).toEqual(new Set([96]));
    directory.matches('single', keys, (count) => (matched = count));
    expect(matched).toBe(1);
  });

  it('an address whose searches examined too many is refused until its bucket refills; another address is not', async () => {
    const { directory, rate, pass } = await crowded();
    const search = (client: Client) =>
      answered(
        (async () => {
          directory.search(new URLSearchParams({ q: 'nowhere' }), keys, rate.admitSearch(client));
        })(),
      );
    const most = Math.ceil(SEARCH_BURST / (N + 1));
    const answers: (string | null)[] = [];
    for (let i = 0; i < most + 5; i++) answers.push(await search(HERE));
    expect(answers).toEqual([...Array<null>(most).fill(null), ...Array<string>(5).fill('rate-limited')]);
    expect(await search(THERE)).toBe(null);
    pass(1_000);
    expect(await search(HERE)).toBe(null);
  });

  it('one sweep checks a part of the profiles; several check all', async () => {
    const { directory, publish, pass, now } = directoryOf({ address_share: 1 });
    const later = now.wall + 7_200_000;
    for (let i = 0; i < 1_500; i++) await publish(`long-${i}`, HERE, { expiresAt: later });
    for (let i = 0; i < 1_500; i++) await publish(`short-${i}`, HERE, { tags: ['short'] });
    pass(3_600_000);
    for (let i = 0; i < 4; i++) directory.sweep();
    // Expired profiles use no slots any more, and no search examines them.
    let looked = 0;
    directory.search(new URLSearchParams({ q: 'nowhere' }), keys, (count) => (looked = count));
    expect(looked).toBe(1_501);
    directory.search(new URLSearchParams({ topic: 'short' }), keys, (count) => (looked = count));
    expect(looked).toBe(1);
    expect(directory.count()).toBe(1_500);
  });

  it('over HTTP, an address over its search budget is answered 429 by every route that examines many profiles', async () => {
    // The clock stands still, so that the bucket does not refill during the test.
    const limits = { ...DEFAULT_CONFIG.limits, address_burst: 100_000, address_share: 1 };
    const clock = { wall: () => Date.now(), mono: () => 0 };
    const relay = await createRelay({ port: 0, limits, clock });
    try {
      const profiles = 400;
      for (let i = 0; i < profiles; i++) {
        const agent = agentNamed(`agent-${i}`);
        await register(relay.url, agent);
        await call(relay.url, 'PUT', `/api/agents/${agent.handle}/profile`, publication(agent));
      }
      const most = Math.ceil(SEARCH_BURST / (profiles + 1));
      for (let i = 0; i < most; i++)
        expect((await call(relay.url, 'GET', '/api/agents?q=nowhere')).status).toBe(200);
      for (const path of [
        '/api/agents?q=nowhere',
        '/api/agents/matches?handle=agent-1',
        '/agents.json',
        '/.well-known/bot2bot-agents',
      ])
        expect({ path, ...(await call(relay.url, 'GET', path)) }).toMatchObject({ path, status: 429 });
      expect((await call(relay.url, 'GET', '/api/agents/agent-1')).status).toBe(200);
    } finally {
      await relay.close();
    }
  });
});

describe('shares of the directory', () => {
  it('one address has a share of the profiles; a replaced profile keeps its position', async () => {
    const { publish, directory } = directoryOf({ profiles: 16, address_share: 8 });
    expect([await publish('a'), await publish('b'), await publish('c')]).toEqual([
      null,
      null,
      'rate-limited',
    ]);
    expect([await publish('a'), await publish('d', THERE), await publish('a', THERE)]).toEqual([
      null,
      null,
      null,
    ]);
    expect(await publish('e', THERE)).toBe(null);
    expect(await publish('f', THERE)).toBe('rate-limited');
    expect(directory.count()).toBe(4);
  });

  it('an expired profile releases its slot', async () => {
    const { publish, directory, pass } = directoryOf({ profiles: 16, address_share: 8 });
    expect([await publish('a'), await publish('b'), await publish('c')]).toEqual([
      null,
      null,
      'rate-limited',
    ]);
    pass(3_600_000);
    directory.sweep();
    expect([await publish('c'), await publish('d'), await publish('e')]).toEqual([
      null,
      null,
      'rate-limited',
    ]);
  });

  it('one address has a share of the registered handles', async () => {
    const { clock } = fakeClock();
    const limits = { ...DEFAULT_CONFIG.limits, identities: 16, address_share: 8 };
    const identities = new Identities({ limits, clock, store: STORE, held: new Map() });
    const take = (handle: string, client: Client) => {
      const { boxPub: box_pub, signPub: sign_pub } = agentNamed(handle);
      const body = { handle, box_pub, sign_pub, register_ts: 1, register_sig: '' };
      return answered(identities.register(body, client, () => undefined));
    };
    expect([await take('a1', HERE), await take('a2', HERE), await take('a3', HERE)]).toEqual([
      null,
      null,
      'rate-limited',
    ]);
    expect(await take('a3', THERE)).toBe(null);
  });
});

describe('deleted profiles', () => {
  it('cannot be published again by a replay, until they are too old to be accepted', async () => {
    const { directory, publish, now, pass } = directoryOf();
    const updatedAt = now.wall;
    expect(await publish('alice', HERE, { updatedAt })).toBe(null);
    expect(await directory.remove('alice')).toBe(true);
    expect(await publish('alice', THERE, { updatedAt })).toBe('stale-profile');
    expect(await publish('alice', THERE, { updatedAt: updatedAt - 1 })).toBe('stale-profile');
    pass(2 * DEFAULT_TIMINGS.profile_tolerance_ms - 1);
    directory.sweep();
    expect(await publish('alice', THERE, { updatedAt })).toBe('stale-profile');
    expect(await publish('alice', HERE, { updatedAt: updatedAt + 1 })).toBe(null);
    expect(directory.count()).toBe(1);
  });

  it('tombstones occupy the slots of their profiles: both together stay within the limit', async () => {
    const { directory, publish, pass, now } = directoryOf({ profiles: 16, address_share: 8 });
    for (const handle of ['a', 'b']) {
      expect(await publish(handle)).toBe(null);
      expect(await directory.remove(handle)).toBe(true);
    }
    expect(await publish('c')).toBe('rate-limited');
    expect(await publish('b', HERE, { updatedAt: now.wall + 1 })).toBe(null);
    pass(2 * DEFAULT_TIMINGS.profile_tolerance_ms);
    directory.sweep();
    expect(await publish('c')).toBe(null);
    expect(await publish('d')).toBe('rate-limited');
  });

  it('a replayed PUT is answered 409 over HTTP', async () => {
    const { url } = await relayWith();
    const alice = agentNamed('alice');
    await register(url, alice);
    const old = publication(alice);
    const put = (body: unknown) => call(url, 'PUT', '/api/agents/alice/profile', body);
    expect((await put(old)).status).toBe(201);
    expect((await signedCall(url, alice, 'DELETE', '/api/agents/alice/profile')).json).toEqual({
      ok: true,
      handle: 'alice',
      removed: true,
    });
    expect((await put(old)).json).toMatchObject({ status: 409, type: 'urn:bot2bot:problem:stale-profile' });
    expect((await put(publication(alice))).status).toBe(201);
  });
});

describe('compatibility with deployed clients', () => {
  it('cursors are integers; an invalid cursor starts at the beginning; every agent is listed exactly once', async () => {
    const { url } = await relayWith();
    for (const name of ['zoe', 'abe', 'mia', 'bob', 'eve']) {
      const agent = agentNamed(name);
      await register(url, agent);
      await call(url, 'PUT', `/api/agents/${name}/profile`, publication(agent));
    }
    const found: string[] = [];
    let cursor: unknown = '';
    do {
      const { json } = await call(url, 'GET', `/api/agents?limit=2&cursor=${String(cursor)}`);
      found.push(...(json['agents'] as { handle: string }[]).map(({ handle }) => handle));
      cursor = json['next_cursor'];
      expect(cursor === null || Number.isSafeInteger(cursor)).toBe(true);
    } while (cursor !== null);
    expect(found).toEqual(['zoe', 'abe', 'mia', 'bob', 'eve']);
    for (const junk of ['x', '-1', '1e3', '%00', 'zoe', '99999999999999999999'])
      expect((await call(url, 'GET', `/api/agents?cursor=${junk}`)).json).toMatchObject({
        count: 5,
        next_cursor: null,
      });
  });

  it('matches, heartbeats and the well-known files have the deployed fields', async () => {
    const { url } = await relayWith();
    const [alice, bob] = [agentNamed('alice'), agentNamed('bob')];
    const published = [];
    for (const agent of [alice, bob]) {
      await register(url, agent);
      const body = publication(agent, { capabilities: ['x'] });
      published.push(body['profile'] as Record<string, unknown>);
      await call(url, 'PUT', `/api/agents/${agent.handle}/profile`, body);
    }
    const { json: matched } = await call(url, 'GET', '/api/agents/matches?handle=@Alice');
    expect(matched).toMatchObject({ agents: [{ handle: 'bob', score: 1, match_score: 1 }] });
    expect((await signedCall(url, alice, 'POST', '/api/agents/alice/heartbeat')).json).toMatchObject({
      ok: true,
      handle: 'alice',
      expires_at: published[0]?.['expires_at'],
    });
    const shape = {
      schema: expect.any(String),
      directory: '/api/agents',
      contact_policy: 'signed_dm_first',
      endpoints: expect.objectContaining({ search: '/api/agents' }),
      agents: [expect.objectContaining({ handle: 'alice' }), expect.objectContaining({ handle: 'bob' })],
    };
    expect((await call(url, 'GET', '/agents.json')).json).toMatchObject({
      ...shape,
      count: 2,
      next_cursor: null,
    });
    const { json } = await call(url, 'GET', '/.well-known/bot2bot-agents');
    expect(json).toMatchObject({ ...shape, search: '/api/agents', matches: '/api/agents/matches' });
  });
});
