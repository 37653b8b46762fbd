/**
 * `node scripts/built.mjs FILE [arguments]`: build, then run the file in this process, so that it gets the signals and
 * determines the exit code.
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
