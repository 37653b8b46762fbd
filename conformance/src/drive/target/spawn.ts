/** Starts a target as a child process. */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { connect, createServer } from 'node:net';
import { Interrupted, Unreachable } from '../../script/steps.ts';

const START_MS = 30_000;
/** How long started processes may take to exit by themselves after a signal, in ms. */
const GRACE_MS = 3_000;
const POLL_MS = 25;
/** How long a connection may take, in ms. */
const CONNECT_MS = 1_000;

export interface RunningTarget {
  readonly url: string;
  readonly child: ChildProcess;
  stop(): Promise<void>;
}

/** The addresses at which the command may listen: it may use only one of them. */
const HOSTS = ['127.0.0.1', '::1'] as const;

/** @returns whether the port is free at this address; true if the machine does not have the address. */
function isFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'EADDRINUSE'));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}

/** @returns whether something accepts connections at this address. */
function listens(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host, timeout: CONNECT_MS });
    const done = (accepts: boolean) => {
      socket.destroy();
      resolve(accepts);
    };
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
    socket.once('timeout', () => done(false));
  });
}

/** A free port outside of the ephemeral range, so that no outgoing connection takes it in the meantime. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + randomInt(22_000);
    const free = await Promise.all(HOSTS.map((host) => isFree(port, host)));
    if (free.every(Boolean)) return port;
  }
}

/** Send a signal to a process group. @returns whether any process of it exists. */
function signalGroup(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-pid, name);
  } catch {
    return false;
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Process groups of running targets; they are killed when this process exits. */
const groups = new Set<number>();
process.on('exit', () => {
  for (const pid of groups) signalGroup(pid, 'SIGKILL');
});

/**
 * Start the target. When this process exits, however it does, what it started is killed.
 * @param command run by the shell; `{port}` in it and PORT in its environment are a free port.
 * @throws {Unreachable} when nothing answers on the port in time.
 * @throws {Interrupted} when the signal came before.
 */
export async function startTarget(command: string, signal: AbortSignal): Promise<RunningTarget> {
  const port = await freePort();
  const child = spawn(command.replaceAll('{port}', String(port)), {
    shell: true,
    detached: true,
    env: { ...process.env, PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const { pid } = child;
  if (pid === undefined) throw new Unreachable('the command could not be started');
  groups.add(pid);
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-2_000)));
  /** Stop the command and the processes that it started; kill those that do not exit in time. */
  const stop = async () => {
    signalGroup(pid, 'SIGTERM');
    const deadline = performance.now() + GRACE_MS;
    while (signalGroup(pid, 0) && performance.now() < deadline) await pause(POLL_MS);
    signalGroup(pid, 'SIGKILL');
    groups.delete(pid);
    // A process that still has the other end of the pipe open must not delay the exit.
    child.stderr.destroy();
  };
  try {
    const deadline = performance.now() + START_MS;
    while (performance.now() < deadline) {
      if (signal.aborted) throw new Interrupted('ended before the command served');
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Unreachable(
          `the command ended before it served (exit ${child.exitCode ?? child.signalCode})${said === '' ? '' : `: ${said.trim()}`}`,
        );
      for (const host of HOSTS)
        if (await listens(port, host))
          return { url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`, child, stop };
      await pause(POLL_MS);
    }
    throw new Unreachable(`the command did not listen on port ${port} within ${START_MS / 1000} s`);
  } catch (error) {
    await stop();
    throw error;
  }
}
