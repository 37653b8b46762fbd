/** Installs what the tests need beyond `npm ci`, where it is missing, and says so. */
import { spawnSync } from 'node:child_process';

const NEEDS: Readonly<Record<string, string>> = {
  curl: 'curl',
  nginx: 'nginx',
  strace: 'strace',
  tmux: 'tmux',
};

/** Modules of Debian's own python3, whatever other one there is, and the packages that they are in. */
const PYTHON_NEEDS: Readonly<Record<string, string>> = { requests: 'python3-requests' };
const hasModule = (name: string) => spawnSync('/usr/bin/python3', ['-c', `import ${name}`]).status === 0;

export function setup(): void {
  const missing = Object.entries(NEEDS).filter(([command]) => spawnSync('which', [command]).status !== 0);
  const modules = Object.entries(PYTHON_NEEDS).filter(([name]) => !hasModule(name));
  const packages = [...missing, ...modules].map(([, name]) => name);
  if (packages.length === 0) return;
  process.stdout.write(`The tests need ${packages.join(', ')}: installing\n`);
  for (const words of [['update'], ['install', '-y', '--no-install-recommends', ...packages]]) {
    const { status } = spawnSync('apt-get', words, { stdio: 'inherit' });
    if (status !== 0)
      throw new Error(`apt-get ${words.join(' ')} failed; install ${packages.join(', ')} yourself`);
  }
}
