/** `npm run check`: everything short of the tests. Each step says what it is; the first that fails ends it. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const GENERATED = [
  'spec/generated',
  'schemas/src/requirements.gen.ts',
  'conformance/src/report/kills.gen.ts',
  'reference-sdk/src/wire/wire.gen.ts',
  'reference-sdk/src/wire/signing.gen.ts',
  'spec/vectors',
];

function run(title, ...words) {
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

function fingerprint(path) {
  let names;
  try {
    names = readdirSync(path, { recursive: true, encoding: 'utf8' }).sort();
  } catch {
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  }
  const sum = createHash('sha256');
  for (const name of names) {
    try {
      sum.update(name).update(readFileSync(join(path, name)));
    } catch {
      // A folder.
    }
  }
  return sum.digest('hex');
}

const before = GENERATED.map(fingerprint);
run('regenerate', 'tsx', 'schemas/scripts/generate.ts');
// What follows reads the built schemas.
run('types', 'tsc', '-b');
run('regenerate what reports need', 'tsx', 'conformance/scripts/generate.ts');
run('regenerate the vectors', 'tsx', 'conformance/scripts/vectors.ts');
const stale = GENERATED.filter((path, index) => fingerprint(path) !== before[index]);
if (stale.length > 0) {
  process.stderr.write(
    `check: ${stale.join(', ')} was not what the sources generate; commit what has been written now\n`,
  );
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
