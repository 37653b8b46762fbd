/** The data folder: damage is always detected and reported, so that nobody can take over a lost handle unnoticed. */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROBLEMS, type IdentityAnswer } from '@bot2bot/schemas';
import { ClassicLevel } from 'classic-level';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openStores, StoreError } from '../src/store.ts';
import { agentNamed, call, publication, register, signedCall, type TestAgent } from './agent.ts';
import { start, stop, type Started } from './process.ts';

const LONG = { timeout: 240_000 };
const DAMAGED = /^--data-dir \S+ is damaged: [^\n]+; \d+ handles can be read\. [^\n]*--accept-damage[^\n]*$/;
/** Positions in each file at which a byte is flipped. */
const STEPS = 10;

const base = mkdtempSync(join(tmpdir(), 'bot2bot-damage-'));
const started: Started[] = [];
afterEach(async () => {
  for (const relay of started.splice(0)) await stop(relay, 'SIGKILL');
});
async function relayWith(flags: readonly string[], wrapper: readonly string[] = []): Promise<Started> {
  const relay = await start(flags, wrapper);
  started.push(relay);
  return relay;
}

function identityOf({ handle, boxPub, signPub }: TestAgent): IdentityAnswer {
  return { handle, box_pub: boxPub, sign_pub: signPub, registered_at: 1, meta: {} };
}

const twenty = Array.from({ length: 20 }, (_, i) => agentNamed(`agent-${i}`));
const whole = join(base, 'whole');

/** A copy of the folder with twenty handles. */
let copies = 0;
function copyOf(folder: string): string {
  const copy = join(base, `copy-${copies++}`);
  cpSync(folder, copy, { recursive: true });
  return copy;
}

const filesOf = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(folder, name)).isFile())
    .sort();

/** Open a folder as the relay does at its start. @returns handles with their keys, or the message of the refusal. */
async function opened(folder: string, acceptDamage = false): Promise<Map<string, string> | string> {
  try {
    const stores = await openStores(folder, acceptDamage);
    await stores.close();
    return new Map([...stores.held.identities].map(([handle, { sign_pub }]) => [handle, sign_pub]));
  } catch (error) {
    if (error instanceof StoreError) return error.message;
    throw error;
  }
}

const all = new Map(twenty.map(({ handle, signPub }) => [handle, signPub]));

/** Expect that the folder has all twenty handles, or is refused but opens with `acceptDamage`. */
async function expectAllOrRefusal(what: string, folder: string): Promise<void> {
  const found = await opened(folder);
  if (typeof found !== 'string')
    expect({ what, found: new Set(found) }).toEqual({ what, found: new Set(all) });
  else {
    expect({ what, found }).toEqual({ what, found: expect.stringMatching(DAMAGED) });
    const kept = await opened(folder, true);
    expect({ what, kept: typeof kept }).toEqual({ what, kept: 'object' });
    if (typeof kept !== 'string')
      expect({ what, strangers: [...kept.keys()].filter((handle) => !all.has(handle)) }).toEqual({
        what,
        strangers: [],
      });
    expect({ what, again: await opened(folder) }).toEqual({ what, again: kept });
  }
  rmSync(folder, { recursive: true });
}

beforeAll(async () => {
  // Written in two sessions: LevelDB then has the records of the first in a table and those of the second in a log.
  for (const some of [twenty.slice(0, 12), twenty.slice(12)]) {
    const stores = await openStores(whole, false);
    for (const agent of some) await stores.identities.put(agent.handle, identityOf(agent));
    await stores.close();
  }
  expect(filesOf(whole).join()).toMatch(/witness.*\.ldb.*\.log/);
});

describe('a data folder with twenty handles', () => {
  it('opens if it is intact', async () => {
    expect(await opened(copyOf(whole))).toEqual(all);
  });

  it('with any byte flipped, has all of them or is refused', LONG, async () => {
    for (const name of filesOf(whole)) {
      const { size } = statSync(join(whole, name));
      const step = Math.max(1, Math.floor(size / STEPS));
      for (let at = size % step; at < size; at += step) {
        const folder = copyOf(whole);
        const bytes = readFileSync(join(folder, name));
        bytes[at] = (bytes[at] ?? 0) ^ 0x41;
        writeFileSync(join(folder, name), bytes);
        await expectAllOrRefusal(`byte ${at} of ${name}`, folder);
      }
    }
  });

  it('with a file deleted or truncated, has all of them or is refused', LONG, async () => {
    for (const name of filesOf(whole)) {
      const bytes = readFileSync(join(whole, name));
      for (const part of [null, 0, 0.3, 0.7, 0.95]) {
        const folder = copyOf(whole);
        if (part === null) rmSync(join(folder, name));
        else writeFileSync(join(folder, name), bytes.subarray(0, Math.floor(bytes.length * part)));
        await expectAllOrRefusal(`${part} of ${name}`, folder);
      }
    }
    const gone = copyOf(whole);
    rmSync(join(gone, 'registry'), { recursive: true });
    expect(await opened(gone)).toMatch(/records are missing; 0 handles can be read/);
  });

  it('with a record deleted or changed, is refused', async () => {
    const changed = [
      { type: 'del' as const, key: '!identity!agent-3' },
      {
        type: 'put' as const,
        key: '!identity!agent-3',
        value: JSON.stringify(identityOf({ ...agentNamed('x'), handle: 'agent-3' })),
      },
      {
        type: 'put' as const,
        key: '!identity!agent-99',
        value: JSON.stringify(identityOf(agentNamed('agent-99'))),
      },
    ];
    for (const change of changed) {
      const folder = copyOf(whole);
      const database = new ClassicLevel<string, string>(join(folder, 'registry'));
      await database.batch([change]);
      await database.close();
      expect(await opened(folder)).toMatch(/records are missing or altered/);
    }
  });

  it('of an older version, without marks, is upgraded; invalid records in it are refused', async () => {
    const legacy = async (value: string) => {
      const folder = join(base, `legacy-${copies++}`);
      mkdirSync(folder);
      const database = new ClassicLevel<string, string>(join(folder, 'registry'));
      await database.put('!identity!agent-0', value);
      await database.close();
      return folder;
    };
    const [first] = twenty;
    if (first === undefined) return;
    const good = await legacy(JSON.stringify(identityOf(first)));
    for (let i = 0; i < 2; i++) expect(await opened(good)).toEqual(new Map([['agent-0', first.signPub]]));
    expect(filesOf(good)).toContain('registry.witness');
    for (const bad of [
      '{"handle":',
      '{"handle":"agent-0"}',
      JSON.stringify(identityOf(agentNamed('other'))),
    ]) {
      const folder = await legacy(bad);
      expect(await opened(folder)).toMatch(/1 records are invalid; 0 handles can be read/);
      expect(await opened(folder, true)).toEqual(new Map());
      expect(await opened(folder)).toEqual(new Map());
    }
  });
});

describe('a write that failed', () => {
  it('is reported; later writes succeed once the folder is writable again', async () => {
    const folder = copyOf(whole);
    const stores = await openStores(folder, false);
    const [a, b, c, d] = ['new-a', 'new-b', 'new-c', 'new-d'].map(agentNamed).map(identityOf);
    if (a === undefined || b === undefined || c === undefined || d === undefined) return;
    await stores.identities.put(a.handle, a);
    mkdirSync(join(folder, 'registry.witness.next'));
    await expect(stores.identities.put(b.handle, b)).rejects.toThrow(StoreError);
    await expect(stores.identities.put(c.handle, c)).rejects.toThrow(StoreError);
    rmSync(join(folder, 'registry.witness.next'), { recursive: true });
    const other = { ...b, sign_pub: d.sign_pub };
    await Promise.all([stores.identities.put(other.handle, other), stores.identities.put(d.handle, d)]);
    await stores.close();
    const found = await opened(folder);
    expect(
      typeof found === 'string' ? found : [found.get('new-a'), found.get('new-b'), found.get('new-d')],
    ).toEqual([a.sign_pub, d.sign_pub, d.sign_pub]);
  });
});

describe('the relay', () => {
  it('refuses a damaged folder in one line; started once with --accept-damage it runs', LONG, async () => {
    const folder = join(base, 'process');
    const first = await relayWith(['--data-dir', folder]);
    const [alice, bob] = [agentNamed('alice'), agentNamed('bob')];
    for (const agent of [alice, bob]) expect((await register(first.url, agent)).status).toBe(201);
    await stop(first, 'SIGKILL');
    const log = filesOf(folder).find((name) => name.endsWith('.log')) ?? '';
    rmSync(join(folder, log));
    await expect(start(['--data-dir', folder])).rejects.toThrow(
      /^the relay ended \(1\): bot2bot-relay: --data-dir \S+ is damaged: [^\n]+; 0 handles can be read\. [^\n]+\n$/,
    );
    await expect(start(['--data-dir', folder])).rejects.toThrow(/is damaged/);
    const second = await relayWith(['--data-dir', folder, '--accept-damage']);
    expect(second.said().err).toMatch(/is damaged: .* 0 handles were kept/);
    expect((await register(second.url, bob)).status).toBe(201);
    await stop(second);
    const third = await relayWith(['--data-dir', folder]);
    expect((await call(third.url, 'GET', '/api/identity/bob')).json['sign_pub']).toBe(bob.signPub);
  });

  it(
    'answers a failed write as one that may have happened, and loses no write that it confirmed',
    LONG,
    async () => {
      expect(PROBLEMS['storage-failed'].definite).toBe(false);
      const folder = join(base, 'full');
      const small = ['bash', '-c', 'ulimit -f 4; exec "$@"', 'bash'];
      const relay = await relayWith(['--data-dir', folder], small);
      const kept: TestAgent[] = [];
      const failed = [];
      for (let i = 0; i < 40; i++) {
        const agent = agentNamed(`agent-${i}`);
        const { status, json } = await register(relay.url, agent);
        if (status === 201) kept.push(agent);
        else failed.push({ status, type: json['type'] });
      }
      expect(failed[0]).toEqual({ status: 503, type: 'urn:bot2bot:problem:storage-failed' });
      expect(new Set(failed.map(({ type }) => type)).size).toBe(1);
      expect(kept.length).toBeGreaterThan(3);
      await stop(relay, 'SIGKILL');
      const next = await relayWith(['--data-dir', folder]);
      for (const { handle, signPub } of kept)
        expect((await call(next.url, 'GET', `/api/identity/${handle}`)).json['sign_pub']).toBe(signPub);
    },
  );

  it('keeps the order of profiles: a cursor is valid after a restart', async () => {
    const folder = join(base, 'places');
    const first = await relayWith(['--data-dir', folder]);
    const agents = ['zoe', 'abe', 'mia', 'bob'].map(agentNamed);
    for (const agent of agents) {
      await register(first.url, agent);
      await call(first.url, 'PUT', `/api/agents/${agent.handle}/profile`, publication(agent));
    }
    await signedCall(first.url, agents[0] ?? agentNamed(''), 'DELETE', '/api/agents/zoe/profile');
    const page = await call(first.url, 'GET', '/api/agents?limit=1');
    await stop(first, 'SIGKILL');
    const second = await relayWith(['--data-dir', folder]);
    const rest = await call(second.url, 'GET', `/api/agents?cursor=${String(page.json['next_cursor'])}`);
    expect((rest.json['agents'] as { handle: string }[]).map(({ handle }) => handle)).toEqual(['mia', 'bob']);
  });

  it('exits at once if its folder cannot be created', LONG, async () => {
    for (const folder of ['/proc/x', '/proc/x/y', '/dev/null/x'])
      await expect(start(['--data-dir', folder])).rejects.toThrow(
        /^the relay ended \(1\): bot2bot-relay: --data-dir \S+ cannot be used: [^\n]+\n$/,
      );
  });
});
