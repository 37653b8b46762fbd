/** Programs that tests need beyond `npm ci`. A test file declares them: `needs('nginx')`. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const runs = (command: string, ...words: string[]) => spawnSync(command, words).status === 0;
const finds = (command: string) => () => runs('which', command);

/** Debian packages, each with a function that tells whether it is installed. */
const HAS = {
  curl: finds('curl'),
  nginx: finds('nginx'),
  strace: finds('strace'),
  tmux: finds('tmux'),
  // Debian's python3, even if another one comes first in PATH.
  'python3-requests': () => runs('/usr/bin/python3', '-c', 'import requests'),
};
type Need = keyof typeof HAS;

const isNeed = (name: string): name is Need => Object.hasOwn(HAS, name);

/** The start of the error of a test that could not run. */
export const MISSING_PROGRAM = 'could not run without';

/** Called first by a test file: fails at once if the program is missing. */
export function needs(name: Need): void {
  if (!HAS[name]()) throw new Error(`${MISSING_PROGRAM} ${name}; install that package`);
}

/** The names that a test file declares in its source. */
export function statedIn(text: string): Need[] {
  return [...text.matchAll(/\bneeds\('([^']+)'\)/g)].map(([, name = '']) => name).filter(isNeed);
}

/** Install the missing programs that these test files declare, if possible (root, apt); otherwise their tests fail. */
export function install(files: readonly string[]): void {
  const stated = new Set(files.flatMap((file) => statedIn(readFileSync(file, 'utf8'))));
  const missing = [...stated].filter((name) => !HAS[name]());
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0 || !finds('apt-get')()) {
    process.stdout.write(`Tests need ${missing.join(', ')}; only root can install them, with apt\n`);
    return;
  }
  process.stdout.write(`Tests need ${missing.join(', ')}: installing\n`);
  for (const words of [['update'], ['install', '-y', '--no-install-recommends', ...missing]])
    if (spawnSync('apt-get', words, { stdio: 'inherit' }).status !== 0)
      process.stdout.write(`apt-get ${words.join(' ')} failed\n`);
}
