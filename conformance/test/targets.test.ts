import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { REQUIREMENTS } from '@bot2bot/schemas';
import { Compile } from 'typebox/compile';
import { describe, expect, it } from 'vitest';
import { AGENTS, BENIGN, THROUGH } from '../mutants/benign.ts';
import { broken } from '../mutants/broken.ts';
import { LAB, MUTANTS } from '../mutants/mutants.ts';
import { Report, startTarget } from '../src/index.ts';
import { accusations, certify, certifyBenign } from './certify.ts';
import { listen, suite } from './suite.ts';

const root = join(import.meta.dirname, '../..');
const relay = `exec node ${join(root, 'reference-server/bin/bot2bot-relay.mjs')} --port {port}`;
const tiny = `exec node ${join(root, 'conformance/test/tiny-relay.mjs')} --port {port}`;

const json = { 'Content-Type': 'application/json' };
const NONSENSE: Record<string, () => Server> = {
  'says {} to everything': () => createHttp((_, res) => res.writeHead(200, json).end('{}')),
  'says [] to everything': () => createHttp((_, res) => res.writeHead(200, json).end('[]')),
  'says ok: true to everything': () =>
    createHttp((_, res) =>
      res.writeHead(200, json).end('{"ok":true,"messages":[],"last_seq":0,"id":"aaaaaaaa","seq":1}'),
    ),
  'speaks HTML': () =>
    createHttp((_, res) =>
      res.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><p>Hello</p>'),
    ),
  'refuses everything with 404': () => createHttp((_, res) => res.writeHead(404, json).end('{"error":"no"}')),
  'fails with 500': () => createHttp((_, res) => res.writeHead(500, json).end('{"error":"no"}')),
  'closes every connection': () => createServer((socket) => socket.destroy()),
  'speaks no HTTP': () => createServer((socket) => socket.end('SSH-2.0-nothing\r\n')),
};

/** Enough for several complete runs in parallel with others, on two cores. */
const LONG_MS = 400_000;

describe('a target that is not a relay never passes', () => {
  it.concurrent.for(Object.entries(NONSENSE))('%s', async ([, make], { expect }) => {
    const server = await listen(make());
    const { code, out } = await suite(
      'server',
      '--url',
      server.url,
      '--only',
      'MSG-1,ROOM-3,STREAM-1,READ-1',
    );
    server.close();
    expect(code).not.toBe(0);
    expect(out).not.toMatch(/^CONFORMANT/m);
  });

  it('a closed port is unreachable: exit 4', async () => {
    const { code, err } = await suite('server', '--url', 'http://127.0.0.1:9');
    expect(code).toBe(4);
    expect(err).toContain('does not answer');
  });

  it('a command that exits at once is unreachable: exit 4', async () => {
    expect((await suite('server', '--cmd', 'false')).code).toBe(4);
  });

  it.each([
    [['server']],
    [['server', '--url', 'ftp://x']],
    [['server', '--only', 'NO-SUCH', '--cmd', tiny]],
    [['server', '--level', 'best', '--url', 'http://127.0.0.1:9']],
    [['judge', '/no/such/file']],
    [['explain', 'MSG-999']],
    [['dance']],
    [[]],
  ])('%j is a usage error: exit 2, and says what to do', async (words) => {
    const { code, err } = await suite(...words);
    expect(code).toBe(2);
    expect(err).toMatch(/--help|list/);
  });
});

// These three suites run together: a certification mostly waits.
describe.concurrent('conformant relays are certified', () => {
  it('tiny-relay, at compat', { timeout: LONG_MS }, async ({ expect }) => {
    const { report } = await certify(tiny, { cert: true, runs: 24 });
    expect(report.failures.map(({ rule, observed }) => [rule, observed])).toEqual([]);
    expect(report).toMatchObject({
      outcome: 'conformant',
      target: { level: 'compat', declared: false, lab: false, profiles: ['rooms'] },
    });
    const foreign = REQUIREMENTS.filter(({ actor, profile }) => actor === 'relay' && profile !== 'rooms');
    expect(report.rules.filter(({ id }) => foreign.some((rule) => rule.id === id))).toEqual(
      foreign.map(({ id, profile }) =>
        expect.objectContaining({
          id,
          verdict: 'not-applicable',
          reason: `the target does not serve the profile ${profile}`,
          tested: 0,
        }),
      ),
    );
  });

  it.for(['claims', 'identity', 'dm', 'directory'])(
    'but not with --profile %s, which it does not serve: exit 1',
    async (profile, { expect }) => {
      const { code, err } = await suite('server', '--cmd', tiny, '--profile', profile);
      expect(code).toBe(1);
      expect(err).toContain(`does not serve the profile ${profile}`);
    },
  );
});

describe.concurrent('conformant relays that differ from the reference relay pass', () => {
  it.for(BENIGN.filter(({ only }) => only !== AGENTS).map((benign) => [benign.name, benign] as const))(
    'one %s',
    { timeout: LONG_MS },
    async ([, benign], { expect }) => {
      // With a proxy, each program takes several times as long.
      const { report } = await certifyBenign(benign, {
        seed: 1,
        runs: benign.through === undefined ? 12 : 8,
      });
      expect(accusations(report)).toEqual([]);
      expect(report.target.level).toBe(benign.level);
    },
  );
});

describe.concurrent('tiny-relay passes, at compat, as a relay', () => {
  it.for(THROUGH)('%s', { timeout: LONG_MS }, async ([, through], { expect }) => {
    const { report } = await certify(tiny, { runs: 8 }, through);
    expect(accusations(report)).toEqual([]);
    expect(report.target.level).toBe('compat');
  });
});

describe('reproducing a failure', () => {
  /** Start a broken relay that keeps running during the test. */
  async function running(
    id: string,
  ): Promise<{ url: string; child: ChildProcess | null; stop: () => Promise<void> }> {
    const mutant = MUTANTS.find((known) => known.id === id);
    if (mutant === undefined) throw new RangeError(id);
    const path = await broken(`acted-${id}`, [mutant]);
    return startTarget(`exec node ${path} --port {port} ${LAB.join(' ')}`, new AbortController().signal);
  }

  it('the report matches its schema, and the failing case can be run again', async () => {
    const target = await running('MSG-14/second-message');
    const { url } = target;
    const { code, folder, out } = await suite('server', '--url', url, '--only', 'MSG-14', '--seed', '5');
    expect(code).toBe(1);
    expect(out).toContain('✗ MSG-14 ');
    const report: unknown = JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'));
    expect(Compile(Report).Check(report)).toBe(true);
    expect(report).toMatchObject({ outcome: 'violation', seed: 5 });
    const failed = (report as Report).rules.filter(({ verdict }) => verdict === 'fail');
    expect(failed.map(({ id }) => id)).toContain('MSG-14');
    const again = join(folder, 'cases/MSG-14.json');
    expect((await suite('replay', again, '--url', url, '--report', folder)).code).toBe(1);
    await target.stop();
  });

  it('a saved trace gets the same verdicts as the run', async () => {
    const target = await running('READ-7/inclusive');
    const { folder, code } = await suite('server', '--url', target.url, '--only', 'READ-7', '--seed', '9');
    await target.stop();
    const again = await suite('judge', join(folder, 'trace.ndjson'));
    expect([code, again.code]).toEqual([1, 1]);
    expect(again.out).toContain('READ-7');
  });

  it('two runs with the same seed run the same programs', async () => {
    const programs = (folder: string) =>
      readFileSync(join(folder, 'trace.ndjson'), 'utf8')
        .split('\n')
        .filter((line) => line.startsWith('{"t":"case"') && line.includes('"program"'))
        .map((line) => JSON.stringify((JSON.parse(line) as { program: unknown }).program))
        .sort();
    const runs = await Promise.all(
      ['42', '42', '43'].map((seed) =>
        suite('server', '--cmd', relay, '--only', 'READ-8/programs', '--seed', seed),
      ),
    );
    const [one, two, three] = runs.map(({ folder }) => programs(folder));
    expect(one?.length).toBe(24);
    expect(two).toEqual(one);
    expect(three).not.toEqual(one);
  });
});
