/** Runs the command line of the suite, and servers for it, for tests. */
import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import type { AddressInfo, Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const bin = join(import.meta.dirname, '../bin/bot2bot-conformance.mjs');

/** Run the command line to its end. @returns also `folder`, which contains the report of `server`. */
export function suite(
  ...words: string[]
): Promise<{ code: number | null; out: string; err: string; folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'bot2bot-report-'));
  const child = spawn('node', [bin, ...words, ...(words[0] === 'server' ? ['--report', folder] : [])]);
  let [out, err] = ['', ''];
  child.stdout.on('data', (text: Buffer) => (out += text.toString()));
  child.stderr.on('data', (text: Buffer) => (err += text.toString()));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err, folder })));
}

/** Start a server on 127.0.0.1. @returns its URL, and what ends it with all its connections. */
export async function listen(server: Server): Promise<{ url: string; close: () => void }> {
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket)).on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.close();
    for (const socket of open) socket.destroy();
  };
  return { url: `http://127.0.0.1:${port}`, close };
}
