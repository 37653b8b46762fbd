import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const probe = 'edge-probe.ts';
const written: string[] = [];

afterEach(() => {
  for (const path of written.splice(0)) rmSync(path, { force: true });
});

/** Lint a file with this one import in it, where it would stand. */
function lint(folder: string, specifier: string): { status: number | null; output: string } {
  const path = join(root, folder, probe);
  written.push(path);
  writeFileSync(path, `import * as other from '${specifier}';\nexport const used = other;\n`);
  const { status, stdout } = spawnSync('npx', ['--no', 'oxlint', join(folder, probe)], {
    cwd: root,
    encoding: 'utf8',
  });
  return { status, output: stdout };
}

describe('packages import along the edges of their package.json', () => {
  it.each([
    ['schemas/src', '@bot2bot/server', 'schemas imports no other package'],
    ['schemas/src', '../../conformance/src/index.ts', 'schemas imports no other package'],
    ['reference-server/src', '@bot2bot/conformance', 'the relay imports schemas alone'],
    ['reference-server/src', '@bot2bot/sdk', 'the relay imports schemas alone'],
    ['reference-server/src', 'tweetnacl', 'the relay imports schemas alone'],
    ['reference-server/src', '../../schemas/src/index.ts', 'the relay imports schemas alone'],
    ['reference-sdk/src', '@bot2bot/schemas', 'on tweetnacl alone'],
    ['reference-sdk/src', 'node:fs', 'on tweetnacl alone'],
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

  it('no file imports in a circle', () => {
    const folder = 'conformance/src/trace';
    const back = join(root, folder, 'edge-probe-back.ts');
    written.push(back);
    writeFileSync(back, `import * as other from './${probe}';\nexport const used = other;\n`);
    const { status, output } = lint(folder, './edge-probe-back.ts');
    expect(status).not.toBe(0);
    expect(output).toContain('no-cycle');
  });

  it.each([
    ['reference-server/src', '@bot2bot/schemas'],
    ['conformance/src', '@bot2bot/schemas'],
    ['reference-sdk/src', 'tweetnacl'],
  ])('%s may import %s', (folder, specifier) => {
    expect(lint(folder, specifier)).toMatchObject({ status: 0 });
  });
});

it('files of the relay may not import each other, not even for types', () => {
  const [folder, other] = ['reference-server/src', 'edge-other.ts'];
  const path = join(root, folder, other);
  written.push(path);
  writeFileSync(path, `import type { used } from './${probe}';\nexport type Used = typeof used;\n`);
  const { status, output } = lint(folder, `./${other}`);
  expect(status).not.toBe(0);
  expect(output).toContain('Dependency cycle detected');
});
