import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const probe = 'edge-probe.ts';
const SDK = 'imports tweetnacl and @noble/hashes alone';
const written: string[] = [];

afterEach(() => {
  for (const path of written.splice(0)) rmSync(path, { force: true });
});

function put(folder: string, name: string, text: string): void {
  const path = join(root, folder, name);
  written.push(path);
  writeFileSync(path, text);
}

function oxlint(path: string): { status: number | null; output: string } {
  const { status, stdout } = spawnSync('npx', ['--no', 'oxlint', path], { cwd: root, encoding: 'utf8' });
  return { status, output: stdout };
}

/** Lint a file with this one import in it, where it would stand. */
function lint(folder: string, specifier: string): { status: number | null; output: string } {
  put(folder, probe, `import * as other from '${specifier}';\nexport const used = other;\n`);
  return oxlint(join(folder, probe));
}

describe('packages import along the edges of their package.json', () => {
  it.each([
    ['schemas/src', '@bot2bot/server', 'schemas imports no other package'],
    ['schemas/src', '../../conformance/src/index.ts', 'schemas imports no other package'],
    ['reference-server/src', '@bot2bot/conformance', 'the relay imports schemas alone'],
    ['reference-server/src', '@bot2bot/sdk', 'the relay imports schemas alone'],
    ['reference-server/src', 'tweetnacl', 'the relay imports schemas alone'],
    ['reference-server/src', '../../schemas/src/index.ts', 'the relay imports schemas alone'],
    ['reference-sdk/src/room', '@bot2bot/schemas', SDK],
    ['reference-sdk/src/room', '../../../schemas/src/index.ts', SDK],
    ['reference-sdk/src/room', 'node:fs', SDK],
    ['reference-sdk/src/crypto', '@noble/ciphers/salsa.js', SDK],
    ['reference-sdk/src/wire', 'ws', SDK],
    ['reference-sdk/src/cli', 'ws', 'imports node:*, tweetnacl and @noble/hashes alone'],
    ['conformance/src', '@bot2bot/server', 'the suite imports schemas alone'],
    ['conformance/src', '../../reference-server/src/index.ts', 'the suite imports schemas alone'],
    ['conformance/src', 'tweetnacl', 'the suite imports schemas alone'],
  ])('%s may not import %s', (folder, specifier, message) => {
    const { status, output } = lint(folder, specifier);
    expect(status).not.toBe(0);
    expect(output).toContain(message);
  });

  it.each([
    ['trace', '../script/script.ts', 'trace imports nothing else of the suite'],
    ['script', '../checks/check.ts', 'script imports trace alone'],
    ['checks', '../programs/run.ts', 'checks import script and trace'],
    ['checks/server', '../../judge/case.ts', 'checks import script and trace'],
    ['checks', 'fast-check', 'checks import script and trace'],
    ['programs', '../judge/case.ts', 'programs import checks, script and trace'],
    ['judge', '../drive/wire.ts', 'the judge opens no socket and loads no driver'],
    ['judge/claims', '../../report/report.ts', 'the judge opens no socket and loads no driver'],
    ['judge', 'ws', 'the judge opens no socket and loads no driver'],
    ['drive', '../report/report.ts', 'what drives a target makes no report'],
    ['drive/target', '../../cli/flags.ts', 'what drives a target makes no report'],
    ['report', '../drive/wire.ts', 'a report is made of verdicts and the trace'],
    ['report/html', '../../programs/run.ts', 'a report is made of verdicts and the trace'],
    ['judge', '@bot2bot/server', 'the suite imports schemas alone'],
  ])('in the suite, %s may not import %s', (folder, specifier, message) => {
    const { status, output } = lint(`conformance/src/${folder}`, specifier);
    expect(status).not.toBe(0);
    expect(output).toContain(message);
  });

  it.each([
    ['judge', '../programs/run.ts'],
    ['drive', '../judge/case.ts'],
    ['report', '../judge/verdict.ts'],
    ['script', '../trace/records.ts'],
    ['cli', '../drive/runner.ts'],
  ])('in the suite, %s may import %s', (folder, specifier) => {
    expect(lint(`conformance/src/${folder}`, specifier)).toMatchObject({ status: 0 });
  });

  it.each([
    ['reference-server/src', '@bot2bot/schemas'],
    ['conformance/src', '@bot2bot/schemas'],
    ['reference-sdk/src/crypto', 'tweetnacl'],
    ['reference-sdk/src/crypto', '@noble/hashes/sha2.js'],
    ['reference-sdk/src/cli', 'node:fs/promises'],
  ])('%s may import %s', (folder, specifier) => {
    expect(lint(folder, specifier)).toMatchObject({ status: 0 });
  });
});

describe('no file imports in a circle', () => {
  const first = 'cycle-probe-a.ts';
  const second = 'cycle-probe-b.ts';

  it.each(['schemas/src', 'reference-sdk/src', 'reference-server/src', 'conformance/src'])(
    '%s: two files that import each other are refused',
    (folder) => {
      put(folder, first, `import { b } from './${second}';\nexport const a = () => b;\n`);
      put(folder, second, `import { a } from './${first}';\nexport const b = () => a;\n`);
      const { status, output } = oxlint(join(folder, first));
      expect(status).not.toBe(0);
      expect(output).toContain('Dependency cycle');
    },
  );

  it.each(['schemas/src', 'reference-sdk/src', 'reference-server/src', 'conformance/src'])(
    '%s: nor by their types',
    (folder) => {
      put(folder, first, `import type { B } from './${second}';\nexport type A = B | null;\n`);
      put(folder, second, `import type { A } from './${first}';\nexport type B = readonly A[];\n`);
      const { status, output } = oxlint(join(folder, first));
      expect(status).not.toBe(0);
      expect(output).toContain('Dependency cycle');
    },
  );
});
