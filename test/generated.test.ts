import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { staleFiles } from '../scripts/generated.ts';

const root = join(import.meta.dirname, '..');

function treeOf(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'bot2bot-tree-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

it('reports files that differ, are missing, or are no longer generated, but no hand-written files', () => {
  const fresh = treeOf({ 'spec/generated/a': '1', 'spec/generated/b/c': '2', 'x/y.gen.ts': '3' });
  const tree = treeOf({
    'spec/generated/a': '1',
    'spec/generated/old': '0',
    'x/y.gen.ts': '4',
    'x/z.ts': '5',
  });
  expect(staleFiles(fresh, tree)).toEqual(['spec/generated/b/c', 'spec/generated/old', 'x/y.gen.ts']);
  expect(staleFiles(fresh, fresh)).toEqual([]);
});

it('the generators, given a folder, write the committed files there, and nothing elsewhere', () => {
  const committed = [
    'spec/generated/openapi.json',
    'schemas/src/requirements.gen.ts',
    'reference-sdk/src/wire/wire.gen.ts',
    'reference-sdk/src/wire/signing.gen.ts',
    'conformance/src/report/kills.gen.ts',
    'spec/generated/report.schema.json',
    'spec/vectors/signatures.json',
  ];
  const times = () => committed.map((name) => statSync(join(root, name)).mtimeMs);
  const before = times();
  const fresh = treeOf({});
  for (const script of [
    'schemas/scripts/generate',
    'conformance/scripts/generate',
    'conformance/scripts/vectors',
  ]) {
    const words = ['--no', 'tsx', `${script}.ts`, fresh];
    expect(spawnSync('npx', words, { cwd: root, encoding: 'utf8' })).toMatchObject({ status: 0 });
  }
  expect(times()).toEqual(before);
  for (const name of committed)
    expect(readFileSync(join(fresh, name))).toEqual(readFileSync(join(root, name)));
  expect(staleFiles(fresh, root)).toEqual([]);
  rmSync(fresh, { recursive: true });
});
