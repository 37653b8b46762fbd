import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { Identity } from '../src/index.ts';
import { loadIdentity, loadOrCreateIdentity, openPins, saveIdentity } from '../src/node/index.ts';

let folder: string;
let path: string;
const identity = Identity.create('keeper');
const { box_sk_b64u, sign_seed_b64u } = identity.exportSecrets();
const secrets = Buffer.concat([box_sk_b64u, sign_seed_b64u].map((text) => Buffer.from(text, 'base64url')));
const mode = (of: string) => (statSync(of).mode & 0o777).toString(8);
const FORMS = ['sdk', 'mcp', 'export'] as const;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bot2bot-identity-'));
  path = join(folder, 'made', 'mcp_identity.key');
});

/** Expect an error whose message matches `part` and contains no secrets. */
async function refused(part: RegExp | string): Promise<void> {
  const error = await loadIdentity(path).then(
    () => null,
    (thrown: unknown) => thrown as Error,
  );
  expect(error).toMatchObject({ code: 'private-file', definite: true });
  expect(error?.message).toMatch(part);
  const shown = `${error?.message}${error?.stack}${JSON.stringify(error)}`;
  for (const secret of [box_sk_b64u, sign_seed_b64u]) expect(shown).not.toContain(secret.slice(0, 12));
}

describe('an identity file', () => {
  it.each(FORMS)(
    '%s: is read back as written, with mode 0600 in a folder with mode 0700, whatever the umask',
    async (form) => {
      for (const mask of [0, 0o777]) {
        const before = process.umask(mask === 0o777 ? 0o177 : mask);
        try {
          await saveIdentity(path, identity, form);
        } finally {
          process.umask(before);
        }
        const files = readdirSync(join(folder, 'made'));
        expect(files).toEqual(
          form === 'mcp' ? ['mcp_identity.json', 'mcp_identity.key'] : ['mcp_identity.key'],
        );
        for (const file of files) expect(mode(join(folder, 'made', file))).toBe('600');
        expect((await loadIdentity(path)).exportSecrets()).toEqual(identity.exportSecrets());
        if (mask === 0) expect(mode(join(folder, 'made'))).toBe('700');
      }
    },
  );

  it('has the format of deployed clients', async () => {
    await saveIdentity(path, identity);
    expect(readFileSync(path)).toEqual(Buffer.concat([Buffer.from('\x06keeper'), secrets]));
    await saveIdentity(path, identity, 'mcp');
    expect(readFileSync(path)).toEqual(secrets);
    const beside = JSON.parse(readFileSync(path.replace('.key', '.json'), 'utf8')) as object;
    expect(beside).toMatchObject({ handle: 'keeper' });
    await saveIdentity(path, identity, 'export');
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(identity.exportSecrets());
  });

  it.each([0o640, 0o604, 0o620, 0o601, 0o660, 0o777])(
    'is refused with mode %o, with advice',
    async (loose) => {
      await saveIdentity(path, identity);
      chmodSync(path, loose);
      await refused(`chmod 600 '${path}'`);
    },
  );

  it('is refused when it is a link, a folder, a pipe, or missing', async () => {
    await refused('there is no identity at');
    const real = join(folder, 'real.key');
    await saveIdentity(real, identity);
    path = join(folder, 'link.key');
    symlinkSync(real, path);
    await refused('symbolic link');
    await expect(loadOrCreateIdentity(path, 'keeper')).rejects.toThrow('symbolic link');
    path = folder;
    await refused('regular file');
    path = join(folder, 'pipe.key');
    expect(spawnSync('mkfifo', ['-m', '600', path]).status).toBe(0);
    await refused('regular file');
  });

  it.each(FORMS)('%s: truncated at any length, is refused and not changed', async (form) => {
    await saveIdentity(path, identity, form);
    const whole = readFileSync(path);
    for (const length of [0, 1, 6, 7, 38, whole.length - 2]) {
      // Lengths at which the file is still valid are left out: JSON without its line end, and the length of an `mcp` file.
      writeFileSync(path, whole);
      truncateSync(path, length);
      await refused('not a complete identity file');
      await expect(loadOrCreateIdentity(path, 'keeper', form)).rejects.toThrow(
        'not a complete identity file',
      );
      expect(statSync(path).size).toBe(length);
    }
    writeFileSync(path, Buffer.concat([whole, Buffer.from('more')]));
    await refused('not a complete identity file');
    writeFileSync(path, Buffer.alloc(5_000));
    await refused('too long');
  });

  it('a refused write leaves the old file, and no temporary file', async () => {
    await saveIdentity(path, identity);
    const held = join(folder, 'made', 'sub');
    await saveIdentity(join(held, 'x.key'), identity);
    await expect(saveIdentity(held, identity)).rejects.toThrow();
    expect(readdirSync(join(folder, 'made')).sort()).toEqual(['mcp_identity.key', 'sub']);
  });

  it.each(FORMS)('%s: processes that create it at the same time all get the same identity', async (form) => {
    const script = `import { loadOrCreateIdentity } from '${join(import.meta.dirname, '../src/node/index.ts')}';
process.stdout.write('ready\\n');
await new Promise((resolve) => process.stdin.once('data', resolve));
const { signPub, boxPub } = await loadOrCreateIdentity(${JSON.stringify(path)}, 'racer', '${form}');
process.stdout.write(signPub + boxPub); process.exit();`;
    writeFileSync(join(folder, 'race.mts'), script);
    const children = Array.from({ length: 6 }, () =>
      spawn('node', ['--import', 'tsx', join(folder, 'race.mts')], { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    const outs = children.map((child) => {
      let out = '';
      child.stdout.on('data', (text: Buffer) => (out += text.toString()));
      return { ended: once(child, 'close'), out: () => out };
    });
    await Promise.all(children.map((child) => once(child.stdout, 'data')));
    for (const child of children) child.stdin.write('go\n');
    await Promise.all(outs.map(({ ended }) => ended));
    const { signPub, boxPub } = await loadIdentity(path);
    expect(new Set(outs.map(({ out }) => out()))).toEqual(new Set([`ready\n${signPub}${boxPub}`]));
    expect(readdirSync(join(folder, 'made')).length).toBe(form === 'mcp' ? 2 : 1);
  });

  it('is refused for another handle', async () => {
    await loadOrCreateIdentity(path, '@First');
    expect((await loadOrCreateIdentity(path, 'first')).handle).toBe('first');
    await expect(loadOrCreateIdentity(path, 'second')).rejects.toThrow('holds @first, not @second');
  });
});

describe('a file of pins', () => {
  const kept = { signPub: identity.signPub, boxPub: identity.boxPub, sig2: false };

  it('stores keys by relay, for other processes too', () => {
    const [one, other] = [openPins(path, 'http://one.example/'), openPins(path, 'http://other.example')];
    expect(one.get('keeper')).toBeUndefined();
    expect(existsSync(path)).toBe(false);
    one.set('keeper', kept);
    one.set('__proto__', { ...kept, sig2: true });
    expect(other.get('keeper')).toBeUndefined();
    const again = openPins(path, 'http://one.example');
    expect([again.get('keeper'), again.get('__proto__'), again.get('toString')]).toEqual([
      kept,
      { ...kept, sig2: true },
      undefined,
    ]);
    other.set('keeper', { ...kept, sig2: true });
    expect(one.get('keeper')).toEqual(kept);
    expect(mode(path)).toBe('600');
  });

  it('is refused when it is damaged, and not overwritten', () => {
    const pins = openPins(path, 'http://one.example');
    pins.set('keeper', kept);
    for (const text of [
      '',
      '{"http://one.example":{"keeper":{}}}',
      readFileSync(path, 'utf8').slice(0, -9),
      '[]',
    ]) {
      writeFileSync(path, text);
      expect(() => pins.get('keeper')).toThrow('not a file of pinned keys');
      expect(() => pins.set('keeper', kept)).toThrow('not a file of pinned keys');
      expect(() => openPins(path, 'http://one.example')).toThrow('not a file of pinned keys');
      expect(readFileSync(path, 'utf8')).toBe(text);
    }
  });
});
