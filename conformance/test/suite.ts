/** Runs the command line of the suite, for tests. */
import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
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
