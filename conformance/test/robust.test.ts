/** Broken targets, closed pipes and signals: the run ends in time, with a correct verdict, and leaves no process behind. */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROTOCOL } from '@bot2bot/schemas';
import { describe, expect, it } from 'vitest';
import { judge, makeReport, probe, RELAY, RELAY_PRESENTER, relayDriver, Runner } from '../src/index.ts';
import { DEFAULT_RUNS } from '../src/cli/flags.ts';
import { budgetOf } from '../src/drive/runner.ts';
import { jobsOf } from '../src/drive/lanes.ts';
import { programsOf, smaller } from '../src/programs/arbitrary.ts';
import { listen, suite } from './suite.ts';

const root = join(import.meta.dirname, '../..');
const bin = join(root, 'conformance/bin/bot2bot-conformance.mjs');
const relay = `exec node ${join(root, 'reference-server/bin/bot2bot-relay.mjs')} --port {port}`;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Certify a URL in this process. */
async function drive(url: string, given: { only?: string[]; budgetMs?: number; maxBytes?: number } = {}) {
  const { only = [], budgetMs = 12_000, maxBytes } = given;
  const since = performance.now();
  const target = await probe(url, undefined);
  const { signal } = new AbortController();
  const options = { seed: 1, runs: 4, cert: false, only, signal, since, budgetMs };
  const runner = new Runner(relayDriver(target, maxBytes), options);
  const trace = await runner.run();
  return { runner, trace, ...makeReport(RELAY_PRESENTER, trace, await judge(RELAY, trace)) };
}

/** A server that answers the probe like a relay, and all later requests with `then`. */
function brokenServer(then: (req: IncomingMessage, res: ServerResponse) => void): Server {
  const about = JSON.stringify({ protocol: PROTOCOL, level: 'hardened', profiles: ['rooms'] });
  return createServer((req, res) => {
    res.on('error', () => undefined);
    if (req.url === '/.well-known/bot2bot')
      res.writeHead(200, { 'Content-Type': 'application/json' }).end(about);
    else then(req, res);
  });
}

function drip(res: ServerResponse, text: string, ms: number): void {
  const timer = setInterval(() => res.write(text), ms);
  res.on('close', () => clearInterval(timer));
}

function pour(res: ServerResponse, text: string): void {
  const more = () => {
    while (!res.destroyed && res.write(text));
  };
  res.on('drain', more);
  more();
}

const OK = '{"ok":true,"id":"aaaaaaaa","seq":1,"messages":[],"last_seq":0}';
const isStream = (req: IncomingMessage) => req.url?.includes('/events') === true;
const events = { 'Content-Type': 'text/event-stream' };
const BROKEN_SERVERS: Record<string, () => Server> = {
  'never sends ready': () =>
    brokenServer((req, res) => {
      if (isStream(req)) res.writeHead(200, events).flushHeaders();
      else res.end(OK);
    }),
  'answers nothing under /api': () => brokenServer(() => undefined),
  'answers each request after 9.9 s': () =>
    brokenServer((_, res) => void setTimeout(() => res.end(OK), 9_900)),
  'drips a byte a second for ever': () => brokenServer((_, res) => drip(res.writeHead(200), ' ', 1_000)),
  'never ends a body': () => brokenServer((_, res) => pour(res.writeHead(200), ' '.repeat(65_536))),
  'never ends a stream': () =>
    brokenServer((req, res) => {
      if (isStream(req)) pour(res.writeHead(200, events), 'data: {"type":"x"}\n\n'.repeat(500));
      else res.end(OK);
    }),
  'never ends a line of a stream': () =>
    brokenServer((req, res) => {
      if (isStream(req)) pour(res.writeHead(200, events), `data: ${'x'.repeat(60_000)}`);
      else res.end(OK);
    }),
};

describe('a target that is broken beyond a few cases gets its verdict within the time budget', () => {
  const BUDGET_MS = 60_000;
  /** Ending the cases, and judging them, on a busy machine. */
  const AFTER_MS = 15_000;
  it.concurrent.for(Object.entries(BROKEN_SERVERS))('one that %s', async ([name, make], { expect }) => {
    const { url, close } = await listen(make());
    const from = performance.now();
    const { report, runner } = await drive(url, { budgetMs: BUDGET_MS });
    close();
    expect([name, performance.now() - from < BUDGET_MS + AFTER_MS]).toEqual([name, true]);
    expect(report.outcome).toBe('violation');
    if (report.troubles.some(({ why }) => why === 'the run was ended before it'))
      expect(runner.ended).not.toBe('');
  });

  it('which is three minutes by default, with all that comes before and after', () => {
    expect(budgetOf(DEFAULT_RUNS, false) + AFTER_MS).toBeLessThan(180_000);
  });

  it.concurrent('one that accepts connections but never answers is unreachable', async ({ expect }) => {
    const { url, close } = await listen(createTcp(() => undefined));
    await expect(probe(url, undefined)).rejects.toThrow('does not answer');
    close();
  });

  it.concurrent('one that sends endlessly is cut off, and the trace stays small', async ({ expect }) => {
    const body = JSON.stringify({ ok: true, filling: 'x'.repeat(1 << 20) });
    const { url, close } = await listen(brokenServer((_, res) => res.end(body)));
    const { report, runner, trace } = await drive(url, { maxBytes: 20 << 20, budgetMs: 60_000 });
    close();
    expect(runner.ended).toBe('the target sent more than 20 MB');
    expect(report.outcome).toBe('violation');
    const kept = trace.cases.flatMap(({ events: all }) =>
      all.map((e) => (e.t === 'http' ? e.resBody.length : 0)),
    );
    expect(kept.reduce((sum, size) => sum + size, 0)).toBeLessThan(24 << 20);
  });
});

describe('a run of selected rules', () => {
  it('a rule that programs test runs the programs; a single check runs alone', async () => {
    const { url, close } = await listen(brokenServer((_, res) => res.end('{}')));
    const rooms = relayDriver(await probe(url, undefined));
    const driver = { ...rooms, target: { ...rooms.target, profiles: ['rooms', 'claims'] } };
    close();
    const checksOf = (...only: string[]) => [
      ...new Set(jobsOf(driver, { seed: 1, runs: 3, cert: false, only }).map(({ check }) => check.id)),
    ];
    expect(checksOf('MSG-14')).toContain('READ-8/programs');
    expect(checksOf('CLAIM-16')).toEqual(expect.arrayContaining(['READ-8/programs', 'CLAIM-3/histories']));
    const one = checksOf('CORE')[0] ?? '';
    expect(checksOf(one)).toEqual([one]);
  });

  it('gives no verdict, nor does the replay of one case', async () => {
    const kept = join(mkdtempSync(join(tmpdir(), 'bot2bot-kept-')), 'case.json');
    writeFileSync(kept, JSON.stringify({ check: 'CORE-12/health', seed: 1 }));
    for (const words of [
      ['server', '--only', 'CORE-12'],
      ['replay', kept, '--report', join(kept, '../report')],
    ]) {
      const { code, out } = await suite(...words, '--cmd', relay);
      expect(out).toContain('1 rule checked, no verdict');
      expect(out).not.toMatch(/^CONFORMANT/m);
      expect(code).toBe(0);
    }
  });
});

describe('programs shrink', () => {
  const ops = (program: ReturnType<typeof programsOf>[number]) => [
    ...program.prefix,
    ...program.branches.flat(),
  ];

  it('to fewer operations, and to smaller operands', () => {
    for (const program of programsOf(7, 20, true)) {
      const found = [...smaller(program)];
      if (ops(program).length === 0) continue;
      expect(found.length).toBeGreaterThan(0);
      expect(found.some((each) => ops(each).length < ops(program).length)).toBe(true);
    }
    const post = { op: 'repeat', of: 8, change: true } as const;
    const values = [...smaller({ prefix: [post], branches: [] })].flatMap(ops);
    expect(values.some((each) => each.op === 'repeat' && each.of < 8)).toBe(true);
  });
});

describe('the command line', () => {
  const sh = (script: string) =>
    new Promise<{ code: number | null; err: string }>((resolve) => {
      const child = spawn('bash', ['-c', script], { stdio: ['ignore', 'ignore', 'pipe'] });
      let err = '';
      child.stderr.on('data', (text: Buffer) => (err += text.toString()));
      child.on('close', (code) => resolve({ code, err }));
    });

  it.concurrent.for(['list', '--help', 'explain MSG-14', 'judge /no/such/file'])(
    '%s into a closed pipe is silent, and not an error',
    async (words, { expect }) => {
      const { code, err } = await sh(
        `set -o pipefail; { node ${bin} ${words} 2>&1; } | sleep 0; exit \${PIPESTATUS[0]}`,
      );
      expect(err).toBe('');
      expect(words.startsWith('judge') ? [2] : [0, 141]).toContain(code);
    },
  );

  it('an uncaught exception is an error of the suite: exit 5', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'bot2bot-fault-')), 'fault.mjs');
    writeFileSync(
      file,
      `const timer = setInterval(() => {
        if (process.listenerCount('uncaughtException') === 0) return;
        clearInterval(timer);
        Promise.reject(new Error('surprise'));
      }, 50);`,
    );
    const { code, err } = await sh(`exec node --import ${file} ${bin} server --cmd "sleep 30"`);
    expect(err).toContain('a fault of the suite itself: Error: surprise');
    expect(code).toBe(5);
  });

  it('reports in one line that it is not built', async () => {
    const place = mkdtempSync(join(tmpdir(), 'bot2bot-unbuilt-'));
    for (const file of [
      bin,
      join(root, 'reference-sdk/bin/bot2bot.mjs'),
      join(root, 'reference-server/bin/bot2bot-relay.mjs'),
    ]) {
      mkdirSync(join(place, 'bin'), { recursive: true });
      cpSync(file, join(place, 'bin/x.mjs'));
      const { code, err } = await sh(`node ${join(place, 'bin/x.mjs')}`);
      expect(err).toMatch(/^[^\n]*npm run build[^\n]*\n$/);
      expect(code).not.toBe(0);
    }
  });

  it.concurrent.for(['/.well-known/bot2bot', '/api/health'])(
    'a redirect of %s is reported and not followed: exit 4',
    async (path, { expect }) => {
      let followed = false;
      const { url, close } = await listen(
        createServer((req, res) => {
          followed ||= req.url?.startsWith('/there') === true;
          if (req.url === path) res.writeHead(302, { Location: '/there?token=secret#more' }).end();
          else res.writeHead(404).end();
        }),
      );
      const { code, err } = await suite('server', '--url', url);
      close();
      expect(err).toContain(`redirects to ${url}/there:`);
      expect(err).not.toMatch(/secret|more/);
      expect([code, followed]).toEqual([4, false]);
    },
  );

  it('a relay that listens only on ::1 is found', async () => {
    const { code, folder } = await suite('server', '--cmd', `${relay} --host ::1`, '--only', 'CORE-12');
    const report = JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8')) as {
      target: { url: string };
    };
    expect(report.target.url).toMatch(/^http:\/\/\[::1\]:\d+$/);
    expect(code).toBe(0);
  });
});

describe('signals leave no process that --cmd started', () => {
  /** Whether the process exists and is not a zombie. */
  const isRunning = (pid: number) => {
    try {
      return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
    } catch {
      return false;
    }
  };
  const stubborn = "trap '' TERM INT HUP; sleep 300 & echo $! > PIDS; echo $$ >> PIDS;";
  const cases = [
    ['while it starts', ['SIGTERM'], `${stubborn} wait; wait`],
    ['while it starts, by a hangup', ['SIGHUP'], `${stubborn} wait; wait`],
    ['at once, when told twice', ['SIGINT', 'SIGINT'], `${stubborn} wait; wait`],
    ['during the run', ['SIGINT'], `${stubborn} ${relay.replace('exec ', '')}`],
  ] as const;
  it.concurrent.for(cases)('%s', async ([, signals, command], { expect }) => {
    const folder = mkdtempSync(join(tmpdir(), 'bot2bot-signals-'));
    const pids = join(folder, 'pids');
    const words = [bin, 'server', '--cmd', command.replaceAll('PIDS', pids), '--report', folder];
    const child = spawn('node', words, { stdio: 'ignore' });
    const ended = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)));
    const started: number[] = [];
    while (started.length < 2) {
      await sleep(100);
      if (existsSync(pids))
        started.splice(0, 2, ...readFileSync(pids, 'utf8').split('\n', 2).map(Number).filter(Boolean));
    }
    await sleep(1_000);
    expect(started.map(isRunning)).toEqual([true, true]);
    const from = performance.now();
    for (const name of signals) {
      child.kill(name);
      await sleep(300);
    }
    expect(await ended).toBe(3);
    if (signals.length > 1) expect(performance.now() - from).toBeLessThan(2_000);
    await sleep(200);
    expect(started.map(isRunning)).toEqual([false, false]);
  });
});
