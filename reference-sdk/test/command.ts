/** Runs `bot2bot.mjs` as downloaded from a relay. */
import { spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';

/** A base64 string as long as the key of a room or a secret key of an identity. */
const SECRET = /[A-Za-z0-9_+/-]{43}/;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Each line of stdout, parsed as JSON. */
  readonly lines: Record<string, unknown>[];
}

interface Running {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Resolves when stdout and stderr satisfy `test`. */
  until(test: (stdout: string, stderr: string) => boolean): Promise<void>;
  signal(name: 'SIGINT' | 'SIGKILL'): void;
}

interface Options {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Buffer;
}

export interface Shell {
  /** Working directory of all commands; contains `bot2bot.mjs`. */
  readonly folder: string;
  readonly home: string;
  begin(words: readonly string[], options?: Options): Running;
  run(words: readonly string[], options?: Options): Promise<Ended>;
  /** Run a bash script in a new process group. */
  bash(script: string, options?: Options): Running;
  stop(): void;
}

/** Expect that the output contains no secret, and that an invalid command line is reported as `bot2bot: …`. */
function judged(ended: Omit<Ended, 'lines'>): Ended {
  expect(ended.stderr).not.toMatch(SECRET);
  if (ended.code === 2) expect(ended.stderr).toMatch(/^(?:bot2bot: [^\n]+\n)+$/);
  return {
    ...ended,
    get lines() {
      return ended.stdout
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    },
  };
}

/** @param relayUrl relay from which the file is downloaded. */
export async function makeShell(relayUrl: string): Promise<Shell> {
  const folder = mkdtempSync(join(tmpdir(), 'bot2bot-cli-'));
  const home = mkdtempSync(join(tmpdir(), 'bot2bot-home-'));
  const file = await fetch(`${relayUrl}/sdk/bot2bot.mjs`);
  writeFileSync(join(folder, 'bot2bot.mjs'), await file.text());
  const groups = new Set<number>();

  const start = (command: string, words: readonly string[], { env = {}, input }: Options = {}): Running => {
    const child = spawn(command, words, {
      cwd: folder,
      env: { PATH: process.env['PATH'], HOME: home, TZ: 'UTC', LANG: 'C.UTF-8', ...env },
      detached: true,
    });
    const pid = child.pid ?? 0;
    groups.add(pid);
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    const text = (of: Buffer[]) => Buffer.concat(of).toString();
    const waiting = new Set<() => void>();
    const wake = () => {
      for (const look of waiting) look();
    };
    child.stdout.on('data', (data: Buffer) => {
      out.push(data);
      wake();
    });
    child.stderr.on('data', (data: Buffer) => {
      err.push(data);
      wake();
    });
    // A command that fails before it reads its input closes the pipe: ignore that error.
    child.stdin.on('error', () => undefined);
    if (input !== undefined) child.stdin.end(input);
    let over = false;
    const ended = new Promise<Ended>((resolve, reject) =>
      child.once('close', (code) => {
        over = true;
        groups.delete(pid);
        wake();
        try {
          resolve(judged({ code, stdout: text(out), stderr: text(err) }));
        } catch (error) {
          reject(error as Error);
        }
      }),
    );
    ended.catch(() => undefined);
    return {
      pid,
      ended,
      stdout: () => text(out),
      stderr: () => text(err),
      signal: (name) => process.kill(pid, name),
      until: (test) =>
        new Promise((resolve, reject) => {
          const look = () => {
            if (!test(text(out), text(err))) {
              if (!over) return;
              reject(new Error(`it ended first\n${text(out)}\n${text(err)}`));
            } else resolve();
            waiting.delete(look);
          };
          waiting.add(look);
          look();
        }),
    };
  };

  const begin = (words: readonly string[], options?: Options) =>
    start('node', [join(folder, 'bot2bot.mjs'), ...words], options);
  return {
    folder,
    home,
    begin,
    run: (words, options) => begin(words, { input: '', ...options }).ended,
    bash: (script, options) => start('bash', ['-c', script], options),
    stop: () => {
      for (const pid of groups) process.kill(-pid, 'SIGKILL');
    },
  };
}
