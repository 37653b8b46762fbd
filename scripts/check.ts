/** `npm run check`: all checks except the tests. It prints each step and stops at the first that fails. It changes no file of the repository. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { staleFiles } from './generated.ts';

function run(title: string, ...words: string[]): void {
  process.stdout.write(`check: ${title}\n`);
  const { status } = spawnSync('npx', ['--no', '--', ...words], {
    stdio: 'inherit',
    env: { ...process.env, REDOCLY_TELEMETRY: 'off' },
  });
  if (status !== 0) {
    process.stderr.write(`check: ${title} failed\n`);
    process.exit(1);
  }
}

const fresh = mkdtempSync(join(tmpdir(), 'bot2bot-generated-'));
process.on('exit', () => rmSync(fresh, { recursive: true }));
run('generate', 'tsx', 'schemas/scripts/generate.ts', fresh);
// The next steps import the built schemas.
run('types', 'tsc', '-b');
run('generate what reports need', 'tsx', 'conformance/scripts/generate.ts', fresh);
run('generate the vectors', 'tsx', 'conformance/scripts/vectors.ts', fresh);
const stale = staleFiles(fresh, '.');
if (stale.length > 0) {
  process.stderr.write(`check: ${stale.join(', ')}: not what the sources generate; npm run generate\n`);
  process.exit(1);
}
run('types of the tests', 'tsc', '-p', 'tsconfig.test.json');
run('lint', 'oxlint', '--deny-warnings');
run('format', 'prettier', '--check', '.', '--log-level', 'warn');
run('unused code', 'knip');
run(
  'the OpenAPI document',
  'redocly',
  'lint',
  '--extends',
  'recommended-strict',
  'spec/generated/openapi.json',
);
