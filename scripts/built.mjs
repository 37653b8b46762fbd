/**
 * `node scripts/built.mjs FILE [words]`: build, then run the file in this process, as if node had been given it: its
 * signals and its exit are those of the file.
 */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [, , file = '', ...words] = process.argv;
const { status } = spawnSync('npm', ['run', '--silent', 'build'], {
  stdio: 'inherit',
  shell: process.platform === 'win32',
});
if (status !== 0) process.exit(1);
process.argv.splice(1, process.argv.length, resolve(file), ...words);
await import(pathToFileURL(resolve(file)).href);
