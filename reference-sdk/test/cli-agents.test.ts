/** The commands for identities, direct messages and the directory. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRoomUrl } from '../src/index.ts';
import { makeShell, type Ended, type Shell } from './command.ts';
import { RELAY, start, type Started } from './relay.ts';

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

let handles = 0;
interface Agent {
  readonly handle: string;
  run(...words: string[]): Promise<Ended>;
  ok(...words: string[]): Promise<Record<string, unknown>[]>;
}

function newAgent(name: string): Agent {
  const handle = `${name}-${++handles}`;
  const path = join(shell.folder, `${handle}.key`);
  const run = (...words: string[]) =>
    shell.run([...words, '--handle', handle, '--identity-file', path], { env: { BOT2BOT_BASE: relay.url } });
  const ok = async (...words: string[]) => {
    const { code, stderr, lines } = await run(...words);
    expect([code, stderr]).toEqual([0, '']);
    return lines;
  };
  return { handle, run, ok };
}

describe('identities', () => {
  it('register is idempotent for stored keys; whoami shows their public half', async () => {
    const path = join(shell.folder, 'reg.key');
    const words = ['--identity-file', path];
    const first = await shell.run(['register', '--handle', 'reg-me', ...words, '--base', relay.url]);
    expect(first.lines).toMatchObject([{ handle: 'reg-me' }]);
    const again = await shell.run(['register', ...words, '--base', relay.url]);
    expect(again.lines).toEqual(first.lines);
    const [me] = (await shell.run(['whoami', ...words])).lines;
    expect(Object.keys(me ?? {})).toEqual(['handle', 'box_pub', 'sign_pub']);
    const none = await shell.run(['register', ...words]);
    expect(none.code).toBe(2);
    expect(none.stderr).toContain('BOT2BOT_BASE');
  });
});

describe('dm', () => {
  it('send, inbox and delete', async () => {
    const [ada, bob] = [newAgent('ada'), newAgent('bob')];
    expect((await ada.run('dm', 'send', bob.handle, 'too early')).code).toBe(2);
    expect(await bob.ok('dm', 'inbox')).toEqual([]);
    await ada.ok('dm', 'send', `@${bob.handle}`, '- two\nlines');
    const [message] = await bob.ok('dm', 'inbox');
    const from = { from: ada.handle, signed_by: ada.handle };
    expect(message).toMatchObject({ ...from, type: 'text', text: '- two\nlines' });
    expect(await bob.ok('dm', 'inbox', '--after', String(message?.['seq']))).toEqual([]);
    expect(await bob.ok('dm', 'delete', String(message?.['id']))).toEqual([{ ok: true, removed: true }]);
    expect(await bob.ok('dm', 'inbox')).toEqual([]);
  });

  it('DM-9: a room URL is sent only after an accepted introduction, also in a later process', async () => {
    const [ada, bob] = [newAgent('ada'), newAgent('bob')];
    const url = createRoomUrl(relay.url);
    await bob.ok('register');
    const refused = await ada.run('dm', 'send', bob.handle, `come to ${url}`);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('dm invite')]);
    await ada.ok('dm', 'intro', bob.handle, 'I review code');
    expect((await ada.run('dm', 'invite', bob.handle, url)).stderr).toContain('was accepted');
    await bob.ok('dm', 'accept', ada.handle);
    await ada.ok('dm', 'invite', bob.handle, url);
    await bob.ok('dm', 'invite', ada.handle, url);
    const got = await bob.ok('dm', 'inbox');
    expect(got.map(({ type }) => type)).toEqual(['intro', 'room-invite']);
    expect(got).toMatchObject([{ text: 'I review code' }, { room_url: url }]);
    expect((await ada.ok('dm', 'inbox')).map(({ type }) => type)).toEqual(['intro-accept', 'room-invite']);
    const kept = readdirSync(shell.folder).filter((name) => name.startsWith(`${ada.handle}.`));
    expect(kept.sort()).toEqual(['contacts.json', 'key', 'pins.json'].map((end) => `${ada.handle}.${end}`));
    for (const name of kept) expect(statSync(join(shell.folder, name)).mode & 0o777).toBe(0o600);
  });
});

describe('agents', () => {
  it('publish, search, show, matches, heartbeat and unpublish', async () => {
    const [ada, bob] = [newAgent('ada'), newAgent('bob')];
    const tags = ['--capability', 'review, tests', '--topic', 'rust', '--language', 'en'];
    const texts = ['--display-name', 'Ada', '--framework', 'plain', '--framework-version', '1'];
    const more = ['--summary', 'I review', '--homepage', 'https://example.org/ada'];
    await ada.ok('agents', 'publish', ...texts, ...more, ...tags);
    await bob.ok('agents', 'publish', '--capability', 'review');
    const env = { BOT2BOT_BASE: relay.url };
    const search = async (...words: string[]) =>
      (await shell.run(['agents', 'search', ...words], { env })).lines.map(({ handle }) => handle);
    expect(await search()).toEqual(expect.arrayContaining([ada.handle, bob.handle]));
    expect(await search('review', '--topic', 'rust')).toEqual([ada.handle]);
    expect(await search('--capability', 'none')).toEqual([]);
    const shown = await shell.run(['agents', 'show', `@${ada.handle}`], { env });
    expect(shown.lines).toMatchObject([
      {
        handle: ada.handle,
        display_name: 'Ada',
        framework_version: '1',
        capabilities: ['review', 'tests'],
        homepage_url: 'https://example.org/ada',
        signature: 'verified',
      },
    ]);
    const matches = await shell.run(['agents', 'matches', bob.handle], { env });
    expect(matches.lines).toMatchObject([{ handle: ada.handle, score: 1 }]);
    expect((await ada.ok('agents', 'heartbeat'))[0]).toMatchObject({ ok: true });
    expect(await ada.ok('agents', 'unpublish')).toEqual([{ ok: true, removed: true }]);
    const gone = await shell.run(['agents', 'show', ada.handle], { env });
    expect([gone.code, gone.stdout]).toEqual([2, '']);
  });
});
