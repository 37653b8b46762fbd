/** A target that the suite starts as a process of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { pathOf } from '@bot2bot/schemas';
import { Unreachable } from '../../script/steps.ts';
import { Wire } from '../wire.ts';

const START_MS = 30_000;

export interface RunningTarget {
  readonly url: string;
  /** The process, when the suite started it. */
  readonly child: ChildProcess | null;
  stop(): Promise<void>;
}

/** A port outside the range from which systems take the ports of outgoing connections. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + randomInt(22_000);
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

/**
 * Start the target.
 * @param command run by the shell; `{port}` in it and PORT in its environment are a free port.
 * @throws {Unreachable} when nothing answers on the port in time.
 */
export async function startTarget(command: string, signal: AbortSignal): Promise<RunningTarget> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(command.replaceAll('{port}', String(port)), {
    shell: true,
    detached: true,
    env: { ...process.env, PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-2_000)));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const kill = (name: NodeJS.Signals) => {
      try {
        process.kill(-(child.pid ?? 0), name);
      } catch {
        // It ended by itself.
      }
    };
    kill('SIGTERM');
    const timer = setTimeout(() => kill('SIGKILL'), 3_000);
    await ended;
    clearTimeout(timer);
  };
  const wire = new Wire(url);
  const deadline = performance.now() + START_MS;
  while (performance.now() < deadline && !signal.aborted) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Unreachable(
        `the command ended before it served (exit ${child.exitCode ?? child.signalCode})${said === '' ? '' : `: ${said.trim()}`}`,
      );
    }
    const answer = await wire.http({ method: 'GET', path: pathOf('health'), timeoutMs: 1_000 });
    if (answer.status !== 0 || answer.error !== 'ECONNREFUSED') {
      wire.close();
      return { url, child, stop };
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  wire.close();
  await stop();
  throw new Unreachable(`the command did not listen on port ${port} within ${START_MS / 1000} s`);
}
