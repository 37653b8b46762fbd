import { defineConfig } from 'vitest/config';

/** They measure, or judge what is late: each runs beside nothing else. */
const ALONE = [
  'reference-server/test/{hostile,handed-out,validation-cost,regexes,authorization}.test.ts',
  'reference-sdk/test/storm.test.ts',
  'test/supply.test.ts',
];
/** The proof of the suite, and of what the relay withstands. It takes twice as long as all others together. */
const PROOF = [
  'conformance/test/{mutants,targets,benign-agents,fields}.test.ts',
  'reference-server/test/attacks.test.ts',
];
/** They start no process and wait for none: nothing has to be built for them. */
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

/** A project of tests that run beside those of each other; what a later project has not named falls to the suite's. */
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
/** A project whose files run one after the other, after those of the groups before it. */
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
