/** Starts nginx with a configuration from `examples/`, for tests of the relay behind a proxy. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const examples = join(import.meta.dirname, '../examples');

export interface Nginx {
  /** Origin at which nginx listens. */
  readonly origin: string;
  stop(): Promise<void>;
}

/** A port that is free now: nginx cannot choose one itself, and its configuration needs the port of the relay. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** @throws {Error} when a passage does not occur exactly once. */
function replaceOnce(text: string, from: string, to: string): string {
  if (text.split(from).length !== 2) throw new Error(`not once in the example: ${from}`);
  return text.replace(from, () => to);
}

/**
 * Start nginx on 127.0.0.1 as one process, and wait until it listens.
 * @param example a file of `examples/`; only the ports in it are replaced.
 * @param relay base URL of the relay.
 * @param changes further replacements: each passage must occur exactly once in the example.
 */
export async function startNginx(
  example: 'nginx.conf' | 'nginx-prefix.conf',
  port: number,
  relay: string,
  changes: Readonly<Record<string, string>> = {},
): Promise<Nginx> {
  const folder = mkdtempSync(join(tmpdir(), 'bot2bot-nginx-'));
  const all = {
    'listen 80;': `listen 127.0.0.1:${port};`,
    'server 127.0.0.1:3000;': `server ${new URL(relay).host};`,
    ...changes,
  };
  const site = Object.entries(all).reduce(
    (text, [from, to]) => replaceOnce(text, from, to),
    readFileSync(join(examples, example), 'utf8'),
  );
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(folder, name)};`,
  );
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; pid ${join(folder, 'pid')}; error_log stderr notice;
events { worker_connections 1024; }
http { access_log off; ${places.join(' ')}
${site}
}
`,
  );
  const child = spawn('nginx', ['-p', folder, '-e', 'stderr', '-c', join(folder, 'nginx.conf')]);
  const ended = once(child, 'exit');
  let said = '';
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`nginx ended: ${said}`)));
    child.stderr.on('data', (text: Buffer) => {
      said += text.toString();
      // nginx logs the operating system when it listens.
      if (said.includes('OS: ')) resolve();
    });
  });
  return {
    origin: `http://127.0.0.1:${port}`,
    stop: async () => {
      // SIGKILL is safe: it is a single process without data to keep.
      child.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
