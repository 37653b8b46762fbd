/** Installs what the tests need beyond `npm ci`, where it is missing, and says so. */
import { spawnSync } from 'node:child_process';

const NEEDS: Readonly<Record<string, string>> = {
  curl: 'curl',
  nginx: 'nginx',
  strace: 'strace',
  tmux: 'tmux',
};

export function setup(): void {
  const missing = Object.entries(NEEDS).filter(([command]) => spawnSync('which', [command]).status !== 0);
  if (missing.length === 0) return;
  const packages = missing.map(([, name]) => name);
  process.stdout.write(`The tests need ${packages.join(', ')}: installing\n`);
  for (const words of [['update'], ['install', '-y', '--no-install-recommends', ...packages]]) {
    const { status } = spawnSync('apt-get', words, { stdio: 'inherit' });
    if (status !== 0)
      throw new Error(`apt-get ${words.join(' ')} failed; install ${packages.join(', ')} yourself`);
  }
}
