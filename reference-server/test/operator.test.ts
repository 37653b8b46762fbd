/** When the relay cannot start, its operator sees one line that says what to do, and no stack trace. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROUTES } from '@bot2bot/schemas';
import { describe, expect, it, onTestFinished } from 'vitest';
import { bin, start, stop } from './process.ts';

/** Longer than any of these commands takes: one that has not ended by then hangs. */
const HANGS_MS = 20_000;

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Run a command to its end. @param uid user to run it as; absent: the current user. */
async function ended(command: string, words: readonly string[], uid?: number): Promise<Ended> {
  const child = spawn(command, words, uid === undefined ? {} : { uid });
  const timer = setTimeout(() => child.kill('SIGKILL'), HANGS_MS);
  const said = { out: '', err: '' };
  child.stdout.on('data', (text: Buffer) => (said.out += text.toString()));
  child.stderr.on('data', (text: Buffer) => (said.err += text.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  return { code, ...said };
}

const relay = (...flags: string[]) => ended('node', [bin, '--port', '0', ...flags]);

/** Expect one line on stderr. @param code expected exit code: 1 for a system error, 2 for an invalid command line. */
function expectOneLine({ code: got, out, err }: Ended, code: number, says: RegExp): void {
  expect([got, out]).toEqual([code, '']);
  expect(err).toMatch(says);
  expect(err).toMatch(/^bot2bot-relay[: ][^\n]+\n$/);
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'bot2bot-operator-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function taken(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return String((server.address() as AddressInfo).port);
}

describe('one line says what is wrong', () => {
  it('the port is in use', async () => {
    const port = await taken();
    expectOneLine(await relay('--port', port), 1, new RegExp(`127\\.0\\.0\\.1:${port} is in use.*--port`));
  });

  it('the port of the metrics is in use', async () => {
    const port = await taken();
    const said = await relay('--metrics-port', port);
    expectOneLine(said, 1, new RegExp(`:${port}.*choose another with --metrics-port`));
  });

  it('the host is unknown, or not an address of this machine', async () => {
    expectOneLine(await relay('--host', 'nosuch.invalid'), 1, /--host nosuch\.invalid is neither/);
    // An address reserved for documentation, which no machine has.
    expectOneLine(await relay('--host', '192.0.2.1'), 1, /cannot listen on 192\.0\.2\.1.*--host/);
  });

  it.each([
    ['a folder that no system makes', '/proc/x'],
    ['deeper in one', '/proc/x/y/z'],
    ['a file', import.meta.filename],
    ['below a file', join(import.meta.filename, 'x')],
  ])('--data-dir is %s', async (_what, path) => {
    expectOneLine(await relay('--data-dir', path), 1, new RegExp(`--data-dir ${path} cannot be used: `));
  });

  it('--data-dir cannot be written, or not be read', async () => {
    const root = process.getuid?.() === 0;
    for (const mode of [0o555, 0o333]) {
      const path = folder();
      chmodSync(path, mode);
      const words = [bin, '--port', '0', '--data-dir', path];
      const said = await ended(process.execPath, words, root ? 65_534 : undefined);
      expectOneLine(said, 1, new RegExp(`--data-dir ${path} cannot be used: EACCES`));
      chmodSync(path, 0o755);
    }
  });

  it('the data folder holds something else', async () => {
    const path = folder();
    writeFileSync(join(path, 'registry'), 'not a folder');
    expectOneLine(await relay('--data-dir', path), 1, /--data-dir .* cannot be used: /);
  });

  const wrong = [
    ['--nosuch'],
    ['word'],
    ['--port'],
    ['--port', '-1'],
    ['--port', '65536'],
    ['--metrics-port', 'x'],
    ['--port', '4000', '--metrics-port', '4000'],
    ['--log-level', 'loud'],
    ['--trusted-proxies', 'everyone'],
    ['--room-burst', '0'],
    ['--data-dir', ''],
    ['--wait-min-ms', '2000', '--wait-max-ms', '1000'],
    ['--public-url', 'relay.example'],
    ['--public-url', 'ftp://relay.example'],
    ['--public-url', 'https://relay.example/?x=1'],
    ['--public-url', 'https://relay.example/#'],
    ['--public-url', 'https://me@relay.example'],
    ['--public-url', 'https://relay.example,nonsense'],
  ];
  it.each(wrong.map((flags) => [flags.join(' '), flags] as const))('%s', async (_text, flags) => {
    expectOneLine(await relay(...flags), 2, /see bot2bot-relay --help\n$/);
  });
});

describe.runIf(process.platform === 'linux')('few files may be open', () => {
  const limited = (files: number) => ['bash', '-c', `ulimit -n ${files}; exec "$0" "$@"`];

  it('too few to load the relay: it prints an error', async () => {
    const [command = '', ...words] = limited(40);
    expectOneLine(await ended(command, [...words, 'node', bin, '--port', '0']), 1, /files.*ulimit -n/);
  });

  it('fewer than connections: it prints a warning, and accepts fewer connections', async () => {
    const running = await start([], limited(512));
    onTestFinished(async () => void (await stop(running, 'SIGKILL')));
    expect(running.said().err).toMatch(
      /^bot2bot-relay: only 512 files may be open[^\n]+--connections \d+\n$/,
    );
    const discovery: unknown = await (await fetch(running.url + ROUTES.discovery.path)).json();
    expect(discovery).toMatchObject({ limits: { connections: 448 } });
    const fits = await start(['--connections', '448'], limited(512));
    onTestFinished(async () => void (await stop(fits, 'SIGKILL')));
    expect(fits.said().err).toBe('');
  });
});

describe('--public-url', () => {
  const servers = async (url: string, headers: Readonly<Record<string, string>> = {}) => {
    const answer = await fetch(url + ROUTES.openapi.path, { headers });
    const text = await answer.text();
    expect(Number(answer.headers.get('content-length'))).toBe(Buffer.byteLength(text));
    return (JSON.parse(text) as { servers: { url: string }[] }).servers.map((server) => server.url);
  };
  const forwarded = { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'relay.example, inner' };

  it('is what the OpenAPI document names, in its order', async () => {
    const flags = [
      '--public-url',
      'https://Relay.example:443/a/',
      '--public-url',
      'http://b,http://[::1]:3000/',
    ];
    const running = await start(flags);
    onTestFinished(async () => void (await stop(running, 'SIGKILL')));
    expect(await servers(running.url, forwarded)).toEqual([
      'https://relay.example/a',
      'http://b',
      'http://[::1]:3000',
    ]);
  });

  it('without it the document names the Host of the request, and ignores X-Forwarded-Host from untrusted clients', async () => {
    const running = await start([]);
    onTestFinished(async () => void (await stop(running, 'SIGKILL')));
    expect(await servers(running.url, forwarded)).toEqual([running.url]);
  });

  it('without it, behind a trusted proxy, the document names the X-Forwarded-Host', async () => {
    const running = await start(['--trusted-proxies', 'loopback']);
    onTestFinished(async () => void (await stop(running, 'SIGKILL')));
    expect(await servers(running.url, forwarded)).toEqual(['https://relay.example']);
    expect(await servers(running.url)).toEqual([running.url]);
    expect(await servers(running.url, { 'X-Forwarded-Host': '"><script>' })).toEqual(['/']);
  });
});
