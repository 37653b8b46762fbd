/** The one-file SDK, used with nothing but Node and a relay. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRoomUrl, Room } from '../src/index.ts';
import { RELAY, root, start, type Started } from './relay.ts';
import { needs } from '../../scripts/needs.ts';

let relay: Started;
const folder = mkdtempSync(join(tmpdir(), 'bot2bot-sdk-'));
const children: ChildProcess[] = [];

/** The scripts in the README, by the file name in their first line. */
const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
const blocks = [...readme.matchAll(/```(\w+)\n([^]*?)```/g)].map(([, kind, text = '']) => ({ kind, text }));
const scripts = new Map(
  blocks.flatMap(({ kind, text }) =>
    kind === 'js' ? [[/^\/\/ (\S+\.mjs)/.exec(text)?.[1] ?? text, text]] : [],
  ),
);

beforeAll(async () => {
  relay = await start(RELAY, '--port', '0');
  const file = await fetch(`${relay.url}/sdk/bot2bot.mjs`);
  expect(file.headers.get('content-type')).toContain('javascript');
  await file.body?.cancel();
  const download = blocks.find(({ kind }) => kind === 'sh')?.text.replace('http://127.0.0.1:3000', relay.url);
  const { status, stderr } = spawnSync('sh', ['-ec', download ?? 'false'], { cwd: folder, encoding: 'utf8' });
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  for (const [name, text] of scripts)
    writeFileSync(join(folder, name), text.replaceAll('http://127.0.0.1:3000', relay.url));
});
afterAll(async () => {
  for (const child of children) child.kill();
  await relay.stop();
});

function run(name: string, ...words: string[]) {
  const child = spawn('node', [join(folder, name), ...words], { cwd: folder });
  children.push(child);
  let out = '';
  let wake = () => undefined as void;
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => {
      out += text.toString();
      wake();
    });
  const ended = new Promise<number | null>((resolve) =>
    child.on('close', (code) => {
      resolve(code);
      wake();
    }),
  );
  return {
    ended,
    out: () => out,
    say: (line: string) => child.stdin.write(`${line}\n`),
    hangUp: () => child.stdin.end(),
    kill: () => child.kill('SIGKILL'),
    until: async (part: string) => {
      while (!out.includes(part)) await new Promise<void>((resolve) => (wake = resolve));
    },
  };
}

describe('bot2bot.mjs', () => {
  it('has the hash that the relay declares', async () => {
    const status = (await (await fetch(`${relay.url}/api/status`)).json()) as {
      source_hashes: Record<string, string>;
    };
    const sum = spawnSync('sha256sum', [join(folder, 'bot2bot.mjs')], { encoding: 'utf8' }).stdout.split(
      ' ',
    )[0];
    expect(status.source_hashes['sdk/bot2bot.mjs']).toBe(sum);
  });

  it("the README's chat, in two processes, continues after a restart of the relay and reports it", async () => {
    expect([...scripts.keys()]).toEqual(['chat.mjs', 'new-room.mjs', 'turns.mjs', 'worker.mjs']);
    const own = await start(RELAY, '--port', '0');
    const url = createRoomUrl(own.url);
    const [ada, bob] = [run('chat.mjs', url, 'ada'), run('chat.mjs', url, 'bob')];
    await Promise.all([ada.until('(ready)'), bob.until('(ready)')]);
    ada.say('hello');
    await bob.until('ada: hello');
    await own.stop();
    await Promise.all([ada.until('(interrupted)'), bob.until('(interrupted)')]);
    bob.say('are you there?');
    const again = await start(RELAY, '--port', own.port);
    await ada.until('bob: are you there?');
    await Promise.all([ada.until('(reset)'), bob.until('(reset)')]);
    ada.say('yes');
    await bob.until('ada: yes');
    expect(bob.out().match(/ada: /g)?.length).toBe(2);
    ada.hangUp();
    bob.hangUp();
    expect(await Promise.all([ada.ended, bob.ended])).toEqual([0, 0]);
    await again.stop();
  });

  it("the README's chat, in two terminals, survives a kill of the relay", async () => {
    needs('tmux');
    let own = await start(RELAY, '--port', '0');
    const env = { PATH: process.env['PATH'], ROOM_URL: createRoomUrl(own.url) };
    const tmux = (...words: string[]) => {
      const { status, stdout, stderr } = spawnSync(
        'tmux',
        ['-S', join(folder, 'tmux'), '-f', '/dev/null', ...words],
        { cwd: folder, env, encoding: 'utf8' },
      );
      expect({ words, status, stderr }).toEqual({ words, status: 0, stderr: '' });
      return stdout.split('\n');
    };
    const type = (name: string, line: string) => {
      tmux('send-keys', '-t', name, '-l', line);
      tmux('send-keys', '-t', name, 'Enter');
    };
    const both = ['ada', 'bob'];
    const screen = (name: string) => tmux('capture-pane', '-p', '-S', '-', '-t', name);
    const shows = (name: string, line: string) =>
      expect.poll(() => `\n${screen(name).join('\n')}`, { timeout: 30_000 }).toContain(`\n${line}\n`);
    try {
      for (const name of both) {
        const command = `node chat.mjs "$ROOM_URL" ${name}; echo "ended with $?"; exec cat`;
        tmux('new-session', '-d', '-s', name, '-x', '120', '-y', '50', command);
      }
      for (const name of both) await shows(name, '(ready)');
      type('ada', 'hello');
      await shows('bob', 'ada: hello');
      await own.stop();
      for (const name of both) await shows(name, '(interrupted)');
      type('bob', 'are you there?');
      own = await start(RELAY, '--port', own.port);
      await shows('ada', 'bob: are you there?');
      for (const name of both) await shows(name, '(reset)');
      type('ada', 'yes');
      await shows('bob', 'ada: yes');
      for (const name of both) {
        const told = screen(name).filter((line) => /^\((?:ready|interrupted|reset)\)$/.test(line));
        expect(told.filter((line, i) => line !== told[i - 1])).toEqual([
          '(ready)',
          '(interrupted)',
          '(reset)',
          '(ready)',
        ]);
        tmux('send-keys', '-t', name, 'C-d');
        await shows(name, 'ended with 0');
      }
      expect(screen('bob').filter((line) => line.startsWith('ada: '))).toEqual(['ada: hello', 'ada: yes']);
      expect(screen('ada').filter((line) => line.startsWith('bob: '))).toEqual(['bob: are you there?']);
    } finally {
      tmux('kill-server');
      await own.stop();
    }
  });

  it("the README's chat sends all its input, in order, before it ends", async () => {
    const url = createRoomUrl(relay.url);
    const lines = Array.from({ length: 20 }, (_, i) => `line ${i}`);
    const eve = run('chat.mjs', url, 'eve');
    for (const line of lines) eve.say(line);
    eve.hangUp();
    expect(await eve.ended).toBe(0);
    const { events } = await new Room(url, { name: 'reader' }).history();
    expect(events.map((event) => (event.type === 'message' ? event.text : event))).toEqual(lines);
  });

  it("the README's other scripts work as described", async () => {
    const made = run('new-room.mjs');
    expect(await made.ended).toBe(0);
    const room = new Room(made.out().trim(), { name: 'asker' });
    const agent = run('turns.mjs', made.out().trim());
    const { id } = await room.send('12 characters'.slice(1));
    const answers = await room.poll({ timeoutMs: 10_000 });
    expect(answers).toMatchObject([{ sender: 'summariser', text: '12 characters', replyTo: id }]);
    expect(await agent.ended).toBe(0);
  });

  it("the README's worker sends signed answers that the reader verifies", async () => {
    const url = createRoomUrl(relay.url);
    const room = new Room(url, { name: 'asker' });
    const answered = async (handle: string, text: string) => {
      const agent = run('worker.mjs', url, handle);
      const { id } = await room.send(text);
      for (;;) {
        const events = await room.poll({ timeoutMs: 10_000 });
        const answer = events.find((event) => event.type === 'message' && event.replyTo === id);
        if (answer === undefined) continue;
        expect(answer).toMatchObject({ text: `someone wrote ${text.length} characters`, signedBy: handle });
        break;
      }
      agent.kill();
      await agent.ended;
    };
    await answered('readme-worker', 'first');
    await answered('readme-worker-2', 'the second');
    room.close();
  });

  it('works as a library without Node, and imports no module that a browser would fetch', () => {
    const text = readFileSync(join(folder, 'bot2bot.mjs'), 'utf8');
    expect(/^(?:import\b|export\b.*\bfrom\b)/m.exec(text)?.[0]).toBeUndefined();
    const script = `const { Buffer } = globalThis;
delete globalThis.process; delete globalThis.Buffer;
const { createRoomUrl, Identity, parseRoomUrl, register, Room } = await import('./bot2bot.mjs');
// Node's fetch needs it.
globalThis.Buffer = Buffer;
const identity = Identity.create('no-node');
await register('${relay.url}', identity);
const url = createRoomUrl('${relay.url}');
const room = new Room(url, { identity, includeSelf: true });
await room.send('signed', { signedOnly: true });
console.log(parseRoomUrl(url).key.length, (await room.poll())[0].signature);`;
    const words = ['--input-type=module', '-e', script];
    const { stdout, stderr } = spawnSync('node', words, { cwd: folder, encoding: 'utf8' });
    expect([stdout, stderr]).toEqual(['32 verified\n', '']);
  });

  it('the SDK contacts one origin and touches no file', () => {
    needs('strace');
    const home = mkdtempSync(join(tmpdir(), 'bot2bot-home-'));
    const trace = join(folder, 'trace.txt');
    writeFileSync(
      join(folder, 'traced.mjs'),
      `import { Room } from './bot2bot.mjs';
const room = new Room(process.argv[2], { name: 'traced', includeSelf: true });
await room.send('hello');
for await (const event of room.stream()) if (event.type === 'message') break;
await room.poll(); await room.history(); await room.status(); await room.listening();
console.log('done'); room.close();`,
    );
    const words = ['-f', '-qq', '-e', 'trace=file,desc,network', '-s', '200', '-o', trace];
    const { stdout, status } = spawnSync(
      'strace',
      [...words, 'node', join(folder, 'traced.mjs'), createRoomUrl(relay.url)],
      { encoding: 'utf8', env: { PATH: process.env['PATH'], HOME: home }, cwd: folder },
    );
    expect([stdout, status]).toEqual(['done\n', 0]);
    const lines = readFileSync(trace, 'utf8').split('\n');
    const contacted = lines.flatMap(
      (line) => /connect\(\d+, .*?htons\((\d+)\).*?"([^"]+)"/.exec(line)?.slice(1) ?? [],
    );
    expect(new Set(contacted)).toEqual(new Set([relay.port, '127.0.0.1']));
    const opened = lines.filter((line) => /\b(?:openat|open|creat)\(/.test(line) && !line.includes('ENOENT'));
    expect(opened.length).toBeGreaterThan(0);
    const changing = lines.filter((line) =>
      /^\d+ +(?:open\w*\(.*O_(?:WRONLY|RDWR|CREAT)|creat|mkdir|rename|unlink|link|symlink|f?chmod|f?truncate)/.test(
        line,
      ),
    );
    expect(changing.filter((line) => !/"\/(?:dev|proc)\//.test(line))).toEqual([]);
    expect(opened.filter((line) => line.includes(home))).toEqual([]);
  });
});

describe('the SDK in a host application', () => {
  it('runs nothing that it receives, and reads no environment variable', async () => {
    writeFileSync(
      join(folder, 'guest.mjs'),
      `import { Room } from './bot2bot.mjs';
// Node itself reads environment variables when it loads its HTTP client.
await fetch(process.argv[2]);
const asked = [];
const env = process.env;
process.env = new Proxy(env, { get: (_, name) => (asked.push(name), env[name]) });
const room = new Room(process.argv[2], { name: 'guest', includeSelf: true });
const texts = ['process.exit(9)', 'require("child_process").execSync("touch ran")', '$(touch ran)', '{"__proto__":{"ran":1}}'];
for (const text of texts) await room.send(text);
const events = await room.poll();
for await (const event of room.stream()) if (event.type === 'ready') break;
console.log(JSON.stringify({ same: events.every(({ text }, i) => text === texts[i]), count: events.length, asked, ran: {}.ran }));
room.close();`,
    );
    // These flags make Node refuse to write files, to start processes and workers, and to evaluate strings as code.
    const bounds = [
      '--disallow-code-generation-from-strings',
      '--experimental-permission',
      '--no-warnings',
      `--allow-fs-read=${folder}/`,
    ];
    const { stdout, stderr, status } = spawnSync('node', [...bounds, 'guest.mjs', createRoomUrl(relay.url)], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({ same: true, count: 4, asked: [] });
    const file = readFileSync(join(folder, 'bot2bot.mjs'), 'utf8');
    for (const way of [/\beval\s*\(/, /\bFunction\s*\(/, /child_process/, /(?<!static )\bimport\s*\(/])
      expect(way.exec(file)?.[0]).toBe(undefined);
    // Only the command line reads environment variables, each by its name.
    const named = [...file.matchAll(/process\??\.env\b(?:\["(\w+)"\])?/g)].map(([, name]) => name ?? 'any');
    expect(new Set(named)).toEqual(new Set(['BOT2BOT_BASE', 'BOT2BOT_ROOM_URL', 'NO_COLOR']));
  });
});

describe('the package', () => {
  it('has no packaging errors: publint and attw find nothing', () => {
    const npx = (...words: string[]) =>
      spawnSync('npx', ['--no', '--', ...words], { cwd: join(root, 'reference-sdk'), encoding: 'utf8' });
    const lint = npx('publint', '--strict');
    expect({ status: lint.status, out: lint.status === 0 ? '' : lint.stdout + lint.stderr }).toEqual({
      status: 0,
      out: '',
    });
    const types = npx('attw', '--pack', '.', '--profile', 'esm-only', '--no-emoji');
    expect({ status: types.status, out: types.status === 0 ? '' : types.stdout + types.stderr }).toEqual({
      status: 0,
      out: '',
    });
  });
});
