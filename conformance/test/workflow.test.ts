import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';

const root = join(import.meta.dirname, '../..');

interface Workflow {
  readonly jobs: {
    readonly conformance: {
      readonly env: Readonly<Record<string, string>>;
      readonly steps: readonly {
        readonly name?: string;
        readonly run?: string;
        readonly with?: Readonly<Record<string, unknown>>;
      }[];
    };
  };
}

/** Enough for an install and a complete run of the suite. */
const LONG_MS = 400_000;

it('the example GitHub workflow works with packed packages', { timeout: LONG_MS }, async () => {
  const text = readFileSync(join(root, 'conformance/examples/github-workflow.yml'), 'utf8');
  const { env, steps } = (parse(text) as Workflow).jobs.conformance;
  const place = mkdtempSync(join(tmpdir(), 'bot2bot-workflow-'));
  const [repository, temp] = [join(place, 'repository'), join(place, 'temp')];
  mkdirSync(repository);
  mkdirSync(temp);
  writeFileSync(join(repository, 'conformance-baseline.json'), '{"failures":[]}\n');
  const packed: unknown = JSON.parse(
    execFileSync(
      'npm',
      ['pack', '--json', '--pack-destination', place, '-w', '@bot2bot/schemas', '-w', '@bot2bot/conformance'],
      { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    ),
  );
  const names = Array.isArray(packed)
    ? packed.map((each: { filename: string }) => each.filename)
    : Object.values(packed as Record<string, { filename: string }>).map(({ filename }) => filename);
  expect(names).toHaveLength(2);
  const ours: Readonly<Record<string, string>> = {
    RELAY: `exec node ${join(root, 'reference-server/bin/bot2bot-relay.mjs')} --port {port}`,
    BOT2BOT_CONFORMANCE: names.map((name) => join(place, name)).join(' '),
  };
  expect(Object.keys(env).sort()).toEqual(Object.keys(ours).sort());
  const scripts = steps.flatMap(({ run }) => (run === undefined ? [] : [run]));
  expect(scripts.length).toBeGreaterThanOrEqual(2);
  for (const script of scripts) {
    // GitHub would substitute an expression into the script before the shell reads it: an injection risk.
    expect(script).not.toContain('${{');
    const child = spawn('bash', ['-e', '-o', 'pipefail', '-c', script], {
      cwd: repository,
      // The variables of the outer npm would direct the install to this workspace.
      env: {
        PATH: process.env['PATH'],
        HOME: process.env['HOME'],
        ...Object.fromEntries(
          Object.entries(process.env).filter(([name]) =>
            /^(https?_proxy|no_proxy|npm_config_registry|npm_config_cafile|node_extra_ca_certs)$/i.test(name),
          ),
        ),
        RUNNER_TEMP: temp,
        ...ours,
      },
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (piece: Buffer) => (said += piece.toString()));
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect([code, said]).toEqual([0, said]);
  }
  const published = steps
    .flatMap((step) => [step.with?.['path'], step.with?.['report_paths']])
    .filter(Boolean);
  expect(published).toEqual(['bot2bot-report', 'bot2bot-report/junit.xml']);
  for (const path of [...published.map(String), 'bot2bot-report/report.html', 'bot2bot-report/report.json'])
    expect([path, existsSync(join(repository, path))]).toEqual([path, true]);
  const report: unknown = JSON.parse(readFileSync(join(repository, 'bot2bot-report/report.json'), 'utf8'));
  expect(report).toMatchObject({
    outcome: 'conformant',
    seed: 1,
    baseline: { known: [], stale: [], not_tested: [] },
  });
});
