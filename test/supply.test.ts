/** Tests of `npm ci`: which packages have scripts, which hosts it contacts, which programs it runs. */
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { recordingProxy } from './recording-proxy.ts';
import { needs } from '../scripts/needs.ts';

const root = join(import.meta.dirname, '..');

/** Packages with an install script, and why the script is not needed. None is allowed to run. */
const SCRIPTS: Readonly<Record<string, string>> = {
  'classic-level': 'picks a prebuilt binary, which is found without it, or compiles one',
  esbuild: 'checks the binary of the optional package for this platform, which npm has installed',
};

interface Manifest {
  readonly workspaces: readonly string[];
  readonly allowScripts: Readonly<Record<string, boolean>>;
}
interface Lock {
  readonly packages: Readonly<Record<string, { readonly hasInstallScript?: boolean }>>;
}
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock;
const nameOf = (place: string) => place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length);

it('all packages with an install script are listed, and denied by name', () => {
  const scripted = Object.entries(lock.packages).filter(([, { hasInstallScript }]) => hasInstallScript);
  expect([...new Set(scripted.map(([place]) => nameOf(place)))].sort()).toEqual(Object.keys(SCRIPTS).sort());
  expect(manifest.allowScripts).toEqual(
    Object.fromEntries(Object.keys(SCRIPTS).map((name) => [name, false])),
  );
});

it('no package reports installs to a server', () => {
  expect(Object.keys(lock.packages).filter((place) => /(?:^|\/)@scarf\//.test(place))).toEqual([]);
});

/** The environment for npm, without the variables with which an outer npm would direct it to this workspace. */
function environment(more: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const kept = /^npm_config_(?:registry|userconfig|globalconfig|cafile|ca|strict_ssl)$/i;
  const own = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name) || kept.test(name));
  return { ...Object.fromEntries(own), ...more };
}

/** Run `npm ci` on a copy of the manifests, with an empty cache, under strace. */
async function tracedInstall(): Promise<{
  said: string;
  hosts: string[];
  registry: string;
  port: string;
  trace: string[];
}> {
  const folder = mkdtempSync(join(tmpdir(), 'bot2bot-supply-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const copy = join(folder, 'copy');
  const files = ['package.json', 'package-lock.json', '.npmrc'];
  for (const workspace of manifest.workspaces) files.push(`${workspace}/package.json`, `${workspace}/bin`);
  for (const file of files)
    if (existsSync(join(root, file))) cpSync(join(root, file), join(copy, file), { recursive: true });

  const setting = (name: string) => {
    const words = ['config', 'get', name];
    const text = execFileSync('npm', words, { cwd: copy, env: environment({}), encoding: 'utf8' }).trim();
    return text === 'null' ? '' : text;
  };
  const registry = new URL(setting('registry'));
  const machine = setting(registry.protocol === 'https:' ? 'https-proxy' : 'proxy');
  const proxy = await recordingProxy(machine === '' ? null : new URL(machine));
  onTestFinished(() => proxy.close());

  const trace = join(folder, 'trace');
  const env = environment({
    npm_config_proxy: proxy.url,
    npm_config_https_proxy: proxy.url,
    npm_config_noproxy: '',
    NO_PROXY: '',
    no_proxy: '',
  });
  const words = ['-f', '--seccomp-bpf', '-qq', '-s', '200', '-e', 'trace=connect,sendto,execve', '-o', trace];
  const child = spawn('strace', [...words, 'npm', 'ci', '--cache', join(folder, 'cache')], {
    cwd: copy,
    env,
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => (said += text.toString()));
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect([code, said]).toEqual([0, said]);
  return {
    said,
    hosts: [...proxy.hosts],
    port: new URL(proxy.url).port,
    registry: `${registry.hostname}:${registry.port || (registry.protocol === 'https:' ? 443 : 80)}`,
    trace: readFileSync(trace, 'utf8').split('\n'),
  };
}

it('npm ci contacts only the registry, and starts no process other than npm', async () => {
  needs('strace');
  const { said, hosts, registry, port, trace } = await tracedInstall();
  expect(hosts).toEqual([registry]);

  // npm uses the proxy on loopback: it has no reason to connect to, or to resolve, any other host.
  const reached = trace.filter((line) => /sa_family=AF_INET/.test(line));
  expect(reached.length).toBeGreaterThan(0);
  const toProxy = `sin_port=htons(${port}), sin_addr=inet_addr("127.0.0.1")`;
  expect(reached.filter((line) => !line.includes(toProxy))).toEqual([]);

  const ran = trace.filter((line) => /execve\(.* = 0$/.test(line));
  expect(ran.length).toBeGreaterThan(0);
  expect(ran.filter((line) => !/execve\("[^"]*", \["[^"]*(?:npm|env|node)"/.test(line))).toEqual([]);
  expect(ran.filter((line) => !/"(?:[^"]*\/)?npm"/.test(line))).toEqual([]);

  expect(said).toMatch(/added \d+ packages/);
  expect(said).not.toMatch(/script/i);
}, 60_000);
