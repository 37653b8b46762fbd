/** The commands for rooms: say, tail, watch; and errors in the command line. */
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRoomUrl, parseRoomUrl, Room, seal } from '../src/index.ts';
import { makeShell, type Shell } from './command.ts';
import { RELAY, root, start, type Started } from './relay.ts';
import { needs } from '../../scripts/needs.ts';

let relay: Started;
let shell: Shell;
beforeAll(async () => {
  relay = await start(RELAY, '--port', '0');
  shell = await makeShell(relay.url);
});
afterAll(async () => {
  shell.stop();
  await relay.stop();
});

const newUrl = () => createRoomUrl(relay.url);

async function textsOf(url: string): Promise<string[]> {
  const { events } = await new Room(url, { name: 'reader' }).history();
  return events.flatMap((event) => (event.type === 'message' ? [event.text] : []));
}

/** Post as another client, with any label. */
async function post(url: string, sender: string, text: string): Promise<void> {
  const { base, roomId, key } = parseRoomUrl(url);
  const answer = await fetch(`${base}/api/rooms/${roomId}/messages`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ sender, ...seal(key, text) }),
  });
  expect(answer.status).toBe(200);
}

/** Texts that attack a terminal, and how they are printed. */
const HOSTILE: readonly (readonly [string, string])[] = [
  ['\u001b]0;title\u0007a', 'a'],
  ['\u001b]52;c;cm0gLXJmIC8=\u001b\\b', 'b'],
  ['\u001b[2J\u001b[1;31mc\u001b[0m', 'c'],
  ['\u009b31md', 'd'],
  ['\u001bPpayload\u001b\\e', 'e'],
  ['\u001b(0f\u001bc', 'f'],
  ['g\rOVER', 'gOVER'],
  ['h\u202Etxt\u2066\u2069\u200f', 'htxt'],
  ['i\u0008\u0008\u007f\u0000\u0085', 'i'],
  ['\u001b]8;;https://example.org\u001b\\j\u001b]8;;\u001b\\', 'j'],
  ['tab\tand\r\nline', 'tab\tand\n    line'],
];

describe('rooms', () => {
  it('new creates a room URL, at the given relay or at BOT2BOT_BASE', async () => {
    const given = await shell.run(['new', relay.url]);
    expect([given.code, given.stderr]).toEqual([0, '']);
    expect(parseRoomUrl(given.stdout.trim()).base).toBe(relay.url);
    const found = await shell.run(['new'], { env: { BOT2BOT_BASE: `${relay.url}/` } });
    expect(parseRoomUrl(found.stdout.trim()).base).toBe(relay.url);
    const none = await shell.run(['new']);
    expect([none.code, none.stdout]).toEqual([2, '']);
    expect(none.stderr).toContain('BOT2BOT_BASE');
  });

  it('--say sends any text unchanged, and prints its seq and id', async () => {
    const url = newUrl();
    const texts = ['hello', '- a list\n- of two', '--handle', '\u{1F600} "quoted" $HOME'];
    for (const text of texts) {
      const { code, stdout, lines } = await shell.run([url, '--say', text, '--name', 'ada']);
      expect(code).toBe(0);
      expect(stdout).toMatch(/^\{"ok": true, "id": "[\w-]+", "seq": \d+\}\n$/);
      expect(lines.length).toBe(1);
    }
    const piped = await shell.run(['--name', 'ada', url, '--say', '-'], { input: 'from\n\nstdin\n' });
    expect(piped.code).toBe(0);
    expect(await textsOf(url)).toEqual([...texts, 'from\n\nstdin']);
    for (const input of ['', Buffer.from([0xff, 0xfe])])
      expect((await shell.run([url, '--say', '-', '--name', 'ada'], { input })).code).toBe(2);
    expect((await textsOf(url)).length).toBe(5);
  });

  it('--tail prints a line of JSON for each message and ends after --max-idle', async () => {
    const url = newUrl();
    await post(url, 'bob', 'one');
    await post(url, 'ada', 'two');
    await post(url, 'bob', '{"bot2bot_react_v1":true,"target_id":"m_12345678","emoji":"x","op":"add"}');
    await post(url, 'bob', '{"bot2bot_text_v1":true,"text":"{\\"bot2bot_x_v1\\":true}"}');
    const all = await shell.run([url, '--tail', '--max-idle', '1', '--include-self', '--name', 'ada']);
    expect([all.code, all.stderr]).toEqual([0, '']);
    expect(all.lines.map(({ seq, ts, ...rest }) => [typeof seq, typeof ts, rest])).toEqual([
      ['number', 'number', { sender: 'bob', text: 'one', is_self: false }],
      ['number', 'number', { sender: 'ada', text: 'two', is_self: true }],
      ['number', 'number', { sender: 'bob', text: '{"bot2bot_x_v1":true}', is_self: false }],
    ]);
    expect(Object.keys(all.lines[0] ?? {})).toEqual(['seq', 'ts', 'sender', 'text', 'is_self']);
    expect(Math.abs(Number(all.lines[0]?.['ts']) - Date.now())).toBeLessThan(60_000);
    const others = await shell.run([url, '--tail', '--max-idle', '1', '--name', 'ada']);
    expect(others.lines.map(({ sender }) => sender)).toEqual(['bob', 'bob']);
  });

  it('--tail --out appends to a file that only its owner may read', async () => {
    const url = newUrl();
    const out = join(shell.folder, 'room.jsonl');
    await post(url, 'bob', 'one');
    const words = [url, '--tail', '--out', out, '--max-idle', '1'];
    for (const times of [1, 2]) {
      const { code, stdout } = await shell.run(words);
      expect([code, stdout]).toEqual([0, '']);
      expect(readFileSync(out, 'utf8').match(/"text": "one", "is_self": false\}\n/g)?.length).toBe(times);
    }
    expect(statSync(out).mode & 0o777).toBe(0o600);
    expect((await shell.run([url, '--tail', '--out', `${out}/no`])).code).toBe(2);
  });

  it('READ-16: --tail continues after a restart and reports it', async () => {
    const own = await start(RELAY, '--port', '0');
    const url = createRoomUrl(own.url);
    const tail = shell.begin([url, '--tail']);
    await post(url, 'bob', 'before');
    await tail.until((stdout) => stdout.includes('before'));
    await own.stop();
    await tail.until((_, stderr) => stderr.includes('connection lost'));
    const again = await start(RELAY, '--port', own.port);
    await new Room(url, { name: 'bob' }).send('after');
    await tail.until((stdout, stderr) => stdout.includes('after') && stderr.includes('recreated'));
    tail.signal('SIGINT');
    expect((await tail.ended).lines.map(({ text }) => text)).toEqual(['before', 'after']);
    await again.stop();
  });

  it('--watch prints text without terminal control sequences', async () => {
    const url = newUrl();
    for (const [text] of HOSTILE) await post(url, 'ev\u001b[31mil\n\u202Ex', text);
    await post(url, 'bob', 'end');
    const watch = shell.begin([url, '--watch']);
    await watch.until((stdout) => stdout.includes('bob: end'));
    watch.signal('SIGINT');
    const { code, stdout, stderr } = await watch.ended;
    expect([code, stderr]).toEqual([130, '']);
    expect(stdout.replaceAll(/\d\d:\d\d:\d\d/g, 'T')).toBe(
      `${HOSTILE.map(([, left]) => `  T evil x: ${left}\n`).join('')}  T bob: end\n`,
    );
  });

  it('JSON output escapes all control characters and loses nothing', async () => {
    const url = newUrl();
    for (const [text] of HOSTILE) await post(url, 'evil\u009b', text);
    const { stdout, lines } = await shell.run([url, '--tail', '--max-idle', '1']);
    expect(stdout).not.toMatch(
      // oxlint-disable-next-line no-control-regex
      /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/,
    );
    expect(lines.map(({ text }) => text)).toEqual(HOSTILE.map(([text]) => text));
  });

  it('--watch uses colours on a terminal unless NO_COLOR is set, and leaves the terminal unchanged', async () => {
    needs('tmux');
    const url = newUrl();
    await post(url, 'mallory', '\u001b]0;pwned\u0007\u001b[2J\u001b[H\u001b[31mred\u001b[?25l');
    const socket = join(shell.folder, 'tmux');
    const env: NodeJS.ProcessEnv = { ...process.env, BOT2BOT_ROOM_URL: url };
    delete env['NO_COLOR'];
    const tmux = (...words: string[]) =>
      spawnSync('tmux', ['-S', socket, ...words], { encoding: 'utf8', env }).stdout;
    const session = (name: string, ...set: string[]) => {
      const size = ['-x', '90', '-y', '20'];
      const command = ['env', ...set, 'node', join(shell.folder, 'bot2bot.mjs'), '--watch'];
      tmux('-f', '/dev/null', 'new-session', '-d', '-s', name, ...size, ...command);
    };
    session('colour');
    session('plain', 'NO_COLOR=1');
    try {
      const shown = async (name: string) => {
        for (;;) {
          const pane = tmux('capture-pane', '-p', '-e', '-t', name);
          if (pane.includes('red')) return pane;
          if (pane === '') throw new Error(`the session ${name} has ended`);
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      };
      const [colour, plain] = [await shown('colour'), await shown('plain')];
      // oxlint-disable-next-line no-control-regex
      expect(colour).toMatch(/^ {2}\u001b\[90m\d\d:\d\d:\d\d\u001b\[39m .*mallory.*: red$/m);
      expect(colour).not.toContain('\u001b[31m');
      expect(plain).toMatch(/^ {2}\d\d:\d\d:\d\d mallory: red$/m);
      expect(tmux('display-message', '-p', '-t', 'colour', '#{pane_title} #{cursor_flag}')).not.toMatch(
        /pwned| 0/,
      );
    } finally {
      tmux('kill-server');
    }
  });
});

describe('the end', () => {
  it('Ctrl-C exits 130 without output', async () => {
    const url = newUrl();
    await post(url, 'bob', 'one');
    const tail = shell.begin([url, '--tail']);
    await tail.until((stdout) => stdout.includes('one'));
    tail.signal('SIGINT');
    const { code, stderr } = await tail.ended;
    expect([code, stderr]).toEqual([130, '']);
  });

  it('a closed pipe is not reported as an error', async () => {
    const url = newUrl();
    await post(url, 'bob', 'one');
    const script = 'node bot2bot.mjs --tail | head -n 1; echo "${PIPESTATUS[@]}"';
    const piped = shell.bash(script, { env: { BOT2BOT_ROOM_URL: url } });
    await piped.until((stdout) => stdout.includes('one'));
    // The next message is written to a closed pipe.
    await post(url, 'bob', 'two');
    await post(url, 'bob', 'three');
    const { stdout, stderr } = await piped.ended;
    expect(stderr).toBe('');
    expect(stdout).toMatch(/"one".*\n141 0\n$/);
  });
});

describe('words', () => {
  it('the room URL can come from the environment or a private file instead of the arguments', async () => {
    const url = newUrl();
    const env = { BOT2BOT_ROOM_URL: url };
    expect((await shell.run(['--say', 'by environment', '--name', 'ada'], { env })).code).toBe(0);
    const file = join(shell.folder, 'room.txt');
    writeFileSync(file, `${url}\n`, { mode: 0o600 });
    expect((await shell.run(['--room-file', file, '--say', 'by file', '--name', 'ada'])).code).toBe(0);
    chmodSync(file, 0o644);
    const open = await shell.run(['--room-file', file, '--say', 'no', '--name', 'ada']);
    expect(open.code).toBe(2);
    expect(open.stderr).toContain('chmod 600');
    const piped = `node bot2bot.mjs --room-file <(printf %s "$URL") --say 'by pipe' --name ada`;
    expect((await shell.bash(piped, { env: { URL: url } }).ended).code).toBe(0);
    expect(await textsOf(url)).toEqual(['by environment', 'by file', 'by pipe']);
  });

  it('--help has examples, and the package has the same command', async () => {
    const { code, stdout } = await shell.run(['--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('Examples:');
    const bin = join(root, 'reference-sdk/bin/bot2bot.mjs');
    expect(spawnSync('node', [bin, '-h'], { encoding: 'utf8' }).stdout).toBe(stdout);
    symlinkSync(join(shell.folder, 'bot2bot.mjs'), join(shell.folder, 'linked.mjs'));
    const linked = spawnSync('node', ['linked.mjs', '-h'], { cwd: shell.folder, encoding: 'utf8' });
    expect(linked.stdout).toBe(stdout);
    const old = ['--import', 'data:text/javascript,delete process.getBuiltinModule', 'bot2bot.mjs', '-h'];
    const { status, stderr } = spawnSync('node', old, { cwd: shell.folder, encoding: 'utf8' });
    expect([status, stderr]).toEqual([2, 'bot2bot: needs Node 20.19 or later\n']);
  });

  it.each([
    [['--hndle', 'x'], 'did you mean --handle?'],
    [['--claim-time', '3'], 'did you mean --claim-timeout?'],
    [['-x'], 'flags begin with --'],
    [['dm', 'send', 'bob', '--- a line'], 'put -- before it'],
    [['dm', 'send', 'bob', '--', '--', 'more'], 'HANDLE TEXT'],
    [['--say'], '--say takes a value'],
    [['--ack', 'c_1'], '--ack takes two words'],
    [['--watch=yes'], '--watch takes no value'],
    [['--say', 'a', '--say', 'b'], 'twice'],
    [['--say', 'a', 'two', 'words'], 'quotes'],
    [[], 'no command is given'],
    [['--tail', '--next'], 'only one command at a time'],
    [['--say', 'a', '--out', 'x'], '--out cannot be used with --say'],
    [['--tail', '--max-idle', 'soon'], 'number'],
    [['--next', '--claim-timeout', '-1'], 'number'],
    [['--ack', 'c_12345678', 'x'], 'seq'],
    [['--renew', 'c_12345678', '--lease-ms', '5'], '1000 to 600000'],
    [['--say', 'a'], 'which room?'],
    [['https://example.org/', '--say', 'a'], 'not a room URL'],
    [['--say', 'a', '--room-file', 'none.txt'], 'none.txt'],
    [['new', 'ftp://example.org'], 'URL'],
    [['dm', 'post'], 'one of send'],
    [['whoami'], '--handle'],
  ])('%j is answered with what is wrong', async (words, said) => {
    const { code, stdout, stderr } = await shell.run(words);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(said);
  });

  it('SEAL-4: no error message contains a key', async () => {
    const url = newUrl();
    const key = url.slice(url.indexOf('k=') + 2);
    for (const words of [
      [`--${url}`],
      [`--url=${url}`],
      [url, url, '--tail'],
      [url.replace('#', '?'), '--tail'],
      ['--room-file', url, '--tail'],
      ['new', url],
      [url, '--claim-timeout', url, '--next'],
      [url, '--next', '--handle', url],
    ]) {
      const { code, stderr } = await shell.run(words);
      expect(code).toBe(2);
      expect(stderr).not.toContain(key);
    }
  });
});
