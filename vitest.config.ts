import { defineConfig } from 'vitest/config';

/** Tests that measure time or memory, or depend on timing: each file runs alone. */
const ALONE = [
  'reference-server/test/{hostile,handed-out,validation-cost,regexes,authorization}.test.ts',
  'reference-sdk/test/storm.test.ts',
  'test/supply.test.ts',
];
/** Slow tests that prove the suite (with mutants) and the relay (with attacks): they take twice as long as all others. */
const PROOF = [
  'conformance/test/{mutants,targets,benign-agents,fields}.test.ts',
  'reference-server/test/attacks.test.ts',
];
/** Tests that start no relay and no built command, and so need no build. */
const UNIT = [
  'schemas/test/**/*.test.ts',
  'reference-sdk/test/{ed25519,identity,vectors}.test.ts',
  'reference-server/test/{deployed-shapes,leases,log,nulls,replay,hub}.test.ts',
  'conformance/test/{identity,linearize,golden,subjects}.test.ts',
  'test/projects.test.ts',
];
const RELAY = ['reference-server/test/**/*.test.ts'];
const SDK = ['reference-sdk/test/**/*.test.ts'];
const ALL = ['test/**/*.test.ts', '*/test/**/*.test.ts'];

/** A project whose files run in parallel, also with those of other such projects. @param others files of other projects. */
const together = (name: string, include: string[], others: string[]) => ({
  extends: true as const,
  test: {
    name,
    include,
    exclude: ['**/node_modules/**', ...ALONE, ...PROOF, ...others],
    maxWorkers: 4,
    sequence: { groupOrder: 0 },
  },
});
/** A project whose files run one after the other, after all projects with a lower `groupOrder`. */
const inTurn = (name: string, include: string[], groupOrder: number) => ({
  extends: true as const,
  test: { name, include, fileParallelism: false, sequence: { groupOrder } },
});

export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    testTimeout: 90_000,
    hookTimeout: 60_000,
    maxConcurrency: 10,
    reporters: ['default', './scripts/closing-line.ts'],
    projects: [
      together('unit', UNIT, []),
      together('relay', RELAY, UNIT),
      together('sdk', SDK, UNIT),
      together('suite', ALL, [...UNIT, ...RELAY, ...SDK]),
      inTurn('alone', ALONE, 1),
      inTurn('mutants', PROOF, 2),
    ],
  },
});
