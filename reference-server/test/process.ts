/** Starts the relay as a process, for tests. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const bin = join(import.meta.dirname, '../bin/bot2bot-relay.mjs');

export interface Started {
  readonly url: string;
  /** URL of the metrics; empty when they are not served. */
  readonly metrics: string;
  readonly child: ChildProcess;
  readonly said: () => { out: string; err: string };
}

/** Start the relay and wait until it listens. @param wrapper command that runs it, such as a tracer. */
export async function start(flags: readonly string[], wrapper: readonly string[] = []): Promise<Started> {
  const [command = 'node', ...words] = [...wrapper, 'node', bin, '--port', '0', ...flags];
  const child = spawn(command, words);
  const said = { out: '', err: '' };
  child.stderr.on('data', (text: Buffer) => (said.err += text.toString()));
  const lines = flags.includes('--metrics-port') ? 2 : 1;
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (text: Buffer) => {
      said.out += text.toString();
      if (said.out.split('\n').length > lines) resolve();
    });
    child.once('exit', (code) => reject(new Error(`the relay ended (${code}): ${said.err}`)));
  });
  const [url = '', metrics = ''] = said.out.match(/http:\S+/g) ?? [];
  return { url, metrics, child, said: () => said };
}

export async function stop({ child }: Started, signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const ended = once(child, 'exit');
  child.kill(signal);
  return (await ended)[0] as number | null;
}

/** Resident memory of a process, in MiB. */
export function residentMiB({ child }: Started): number {
  const kB = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1];
  return Number(kB) / 1024;
}

/** The value of a metric. */
export async function figure({ metrics }: Started, name: string): Promise<number> {
  const text = await (await fetch(metrics)).text();
  return Number(new RegExp(`^bot2bot_${name} (\\S+)$`, 'm').exec(text)?.[1]);
}
