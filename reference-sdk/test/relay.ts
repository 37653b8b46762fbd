/** Starts relays as processes, for the SDK's tests. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '../..');
export const RELAY = join(root, 'reference-server/bin/bot2bot-relay.mjs');
export const TINY = join(root, 'conformance/test/tiny-relay.mjs');

export interface Started {
  readonly url: string;
  readonly port: string;
  stop(): Promise<void>;
}

/** Start a server and wait until it listens. @param script a file that prints its URL when it listens. */
export async function start(script: string, ...flags: string[]): Promise<Started> {
  const child = spawn('node', [script, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    let said = '';
    child.stdout.on('data', (text: Buffer) => {
      said += text.toString();
      const found = /http:\/\/\S+/.exec(said)?.[0];
      if (found !== undefined) resolve(found);
    });
    child.once('exit', (code) => reject(new Error(`the relay ended: ${code}`)));
  });
  return {
    url,
    port: new URL(url).port,
    stop: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
