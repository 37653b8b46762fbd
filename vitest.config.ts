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
const ALL = ['test/**/*.test.ts', '*/test/**/*.test.ts'];

export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    testTimeout: 90_000,
    maxConcurrency: 10,
    globalSetup: './scripts/needs.ts',
    reporters: ['default', './scripts/closing-line.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'together',
          include: ALL,
          exclude: ['**/node_modules/**', ...ALONE, ...PROOF],
          maxWorkers: 4,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'alone',
          include: ALONE,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'proof',
          include: PROOF,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
