/** Every test file belongs to exactly one vitest project, and declares the programs that it needs. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, it } from 'vitest';
import { statedIn } from '../scripts/needs.ts';

const root = join(import.meta.dirname, '..');
const folders = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !['node_modules', '.git'].includes(entry.name))
  .map(({ name }) => name);
const files = folders
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
  )
  .filter((name) => name.endsWith('.test.ts') && !/(?:^|\/)(?:node_modules|dist)\//.test(name));

it('each test file is in exactly one project', () => {
  const words = ['--no', 'vitest', 'list', '--filesOnly', '--json'];
  const { stdout } = spawnSync('npx', words, { cwd: root, encoding: 'utf8' });
  const listed = (JSON.parse(stdout) as { file: string }[]).map(({ file }) => relative(root, file));
  expect(files.length).toBeGreaterThan(40);
  expect(listed.sort()).toEqual(files.sort());
});

it.each([
  ['strace', /'strace', ?\[|\['strace'/],
  ['tmux', /\(\s*'tmux',/],
  ['nginx', /from '\.\/nginx\.ts'/],
  ['python3-requests', /\/usr\/bin\/python3/],
  // A repro script without a URL ends before it calls curl.
  ['curl', /repro\/.*\.sh.*\.url\b/],
])('test files that start %s declare it', (need, starts) => {
  const others = files.filter((file) => file !== 'test/projects.test.ts');
  const users = others.filter((file) =>
    starts.test(readFileSync(join(root, file), 'utf8').replaceAll(/\bneeds\('[^']+'\)/g, '')),
  );
  const stating = files.filter((file) =>
    statedIn(readFileSync(join(root, file), 'utf8')).some((name) => name === need),
  );
  expect(users).not.toEqual([]);
  expect(users.filter((file) => !stating.includes(file))).toEqual([]);
});
