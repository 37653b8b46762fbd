import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const SDK = 'imports tweetnacl and @noble/hashes alone';

interface Probe {
  readonly folder: string;
  readonly specifier: string;
  /** The lint's message; undefined if the import is allowed. */
  readonly refused?: string;
}

const probes: Probe[] = [];
const nameOf = (index: number) => `edge-probe-${index}.ts`;
const FOLDERS = ['schemas/src', 'reference-sdk/src', 'reference-server/src', 'conformance/src'];
let said: readonly { readonly filename: string }[] = [];

/** Create a file for each import, in the folder of its layer, and pairs that import each other; one run lints all. */
beforeAll(() => {
  const written: string[] = [];
  const put = (folder: string, name: string, text: string) => {
    written.push(join(folder, name));
    writeFileSync(join(root, folder, name), text);
  };
  try {
    for (const [index, { folder, specifier }] of probes.entries())
      put(folder, nameOf(index), `import * as other from '${specifier}';\nexport const used = other;\n`);
    for (const folder of FOLDERS) {
      put(folder, 'cycle-probe-a.ts', "import { b } from './cycle-probe-b.ts';\nexport const a = () => b;\n");
      put(folder, 'cycle-probe-b.ts', "import { a } from './cycle-probe-a.ts';\nexport const b = () => a;\n");
      put(
        folder,
        'type-probe-a.ts',
        "import type { B } from './type-probe-b.ts';\nexport type A = B | null;\n",
      );
      put(
        folder,
        'type-probe-b.ts',
        "import type { A } from './type-probe-a.ts';\nexport type B = readonly A[];\n",
      );
    }
    const { stdout } = spawnSync('npx', ['--no', '--', 'oxlint', '--format', 'json', ...written], {
      cwd: root,
      encoding: 'utf8',
    });
    said = (JSON.parse(stdout) as { diagnostics: typeof said }).diagnostics;
  } finally {
    for (const path of written) rmSync(join(root, path), { force: true });
  }
}, 60_000);

/** The lint's messages for a file. */
function complaints(folder: string, name: string): string[] {
  return said
    .filter(({ filename }) => filename === join(folder, name))
    .map((diagnostic) => JSON.stringify(diagnostic));
}

function edge(folder: string, specifier: string, refused?: string): void {
  const index = probes.push({ folder, specifier, ...(refused === undefined ? {} : { refused }) }) - 1;
  it(`${folder} ${refused === undefined ? 'may' : 'may not'} import ${specifier}`, () => {
    const found = complaints(folder, nameOf(index));
    if (refused === undefined) expect(found).toEqual([]);
    else expect(found.join('\n')).toContain(refused);
  });
}

describe('packages and layers import only what they may', () => {
  edge('schemas/src', '@bot2bot/server', 'schemas imports no other package');
  edge('schemas/src', '../../conformance/src/index.ts', 'schemas imports no other package');
  edge('reference-server/src', '@bot2bot/conformance', 'the relay imports schemas alone');
  edge('reference-server/src', '@bot2bot/sdk', 'the relay imports schemas alone');
  edge('reference-server/src', 'tweetnacl', 'the relay imports schemas alone');
  edge('reference-server/src', '../../schemas/src/index.ts', 'the relay imports schemas alone');
  edge('reference-sdk/src/room', '@bot2bot/schemas', SDK);
  edge('reference-sdk/src/room', '../../../schemas/src/index.ts', SDK);
  edge('reference-sdk/src/room', 'node:fs', SDK);
  edge('reference-sdk/src/crypto', '@noble/ciphers/salsa.js', SDK);
  edge('reference-sdk/src/wire', 'ws', SDK);
  edge('reference-sdk/src/cli', 'ws', 'imports node:*, tweetnacl and @noble/hashes alone');
  edge('conformance/src', '@bot2bot/server', 'the suite imports schemas alone');
  edge('conformance/src', '../../reference-server/src/index.ts', 'the suite imports schemas alone');
  edge('conformance/src', 'tweetnacl', 'the suite imports schemas alone');
  edge('conformance/src/trace', '../script/script.ts', 'trace imports nothing else of the suite');
  edge('conformance/src/script', '../checks/check.ts', 'script imports trace alone');
  edge('conformance/src/checks', '../programs/run.ts', 'checks import script and trace');
  edge('conformance/src/checks/server', '../../judge/case.ts', 'checks import script and trace');
  edge('conformance/src/checks', 'fast-check', 'checks import script and trace');
  edge('conformance/src/programs', '../judge/case.ts', 'programs import checks, script and trace');
  edge('conformance/src/judge', '../drive/wire.ts', 'the judge opens no socket and loads no driver');
  edge(
    'conformance/src/judge/claims',
    '../../report/report.ts',
    'the judge opens no socket and loads no driver',
  );
  edge('conformance/src/judge', 'ws', 'the judge opens no socket and loads no driver');
  edge('conformance/src/drive', '../report/report.ts', 'what drives a target makes no report');
  edge('conformance/src/drive/target', '../../cli/flags.ts', 'what drives a target makes no report');
  edge('conformance/src/report', '../drive/wire.ts', 'a report is made of verdicts and the trace');
  edge('conformance/src/report/html', '../../programs/run.ts', 'a report is made of verdicts and the trace');
  edge('conformance/src/judge', '@bot2bot/server', 'the suite imports schemas alone');
  edge('conformance/src/judge', '../programs/run.ts');
  edge('conformance/src/drive', '../judge/case.ts');
  edge('conformance/src/report', '../judge/verdict.ts');
  edge('conformance/src/script', '../trace/records.ts');
  edge('conformance/src/cli', '../drive/runner.ts');
  edge('reference-server/src', '@bot2bot/schemas');
  edge('conformance/src', '@bot2bot/schemas');
  edge('reference-sdk/src/crypto', 'tweetnacl');
  edge('reference-sdk/src/crypto', '@noble/hashes/sha2.js');
  edge('reference-sdk/src/cli', 'node:fs/promises');
});

describe('no circular imports', () => {
  it.each(FOLDERS)('%s: two files that import each other are refused', (folder) => {
    expect(complaints(folder, 'cycle-probe-a.ts').join('\n')).toContain('Dependency cycle');
  });

  it.each(FOLDERS)('%s: also if they import only types', (folder) => {
    expect(complaints(folder, 'type-probe-a.ts').join('\n')).toContain('Dependency cycle');
  });
});
