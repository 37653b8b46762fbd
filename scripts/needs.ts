/** What tests need beyond `npm ci`. A test says so itself: `needs('nginx')`. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const runs = (command: string, ...words: string[]) => spawnSync(command, words).status === 0;
const finds = (command: string) => () => runs('which', command);

/** Debian packages, and whether what tests use of them is there. */
const HAS = {
  curl: finds('curl'),
  nginx: finds('nginx'),
  strace: finds('strace'),
  tmux: finds('tmux'),
  // Of Debian's own python3, whatever other one there is.
  'python3-requests': () => runs('/usr/bin/python3', '-c', 'import requests'),
};
type Need = keyof typeof HAS;

const isNeed = (name: string): name is Need => Object.hasOwn(HAS, name);

/** How the failure of a test begins that could not run. */
export const WANTING = 'could not run for want of';

/** Stated by a test, first of all: it fails at once where what it needs is missing. */
export function needs(name: Need): void {
  if (!HAS[name]()) throw new Error(`${WANTING} ${name}; install that package`);
}

/** The names that tests state in their text. */
export function statedIn(text: string): Need[] {
  return [...text.matchAll(/\bneeds\('([^']+)'\)/g)].map(([, name = '']) => name).filter(isNeed);
}

/** Install what these files of tests state and what is missing, where that can be done; where not, each of the tests fails. */
export function install(files: readonly string[]): void {
  const stated = new Set(files.flatMap((file) => statedIn(readFileSync(file, 'utf8'))));
  const missing = [...stated].filter((name) => !HAS[name]());
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0 || !finds('apt-get')()) {
    process.stdout.write(`Tests need ${missing.join(', ')}, which only root can install, with apt\n`);
    return;
  }
  process.stdout.write(`Tests need ${missing.join(', ')}: installing\n`);
  for (const words of [['update'], ['install', '-y', '--no-install-recommends', ...missing]])
    if (spawnSync('apt-get', words, { stdio: 'inherit' }).status !== 0)
      process.stdout.write(`apt-get ${words.join(' ')} failed\n`);
}
