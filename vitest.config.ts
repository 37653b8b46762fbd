import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    include: ['test/**/*.test.ts', '*/test/**/*.test.ts'],
    testTimeout: 90_000,
    maxConcurrency: 10,
    // The suite's tests measure; they run beside nothing else.
    fileParallelism: false,
    globalSetup: './scripts/needs.ts',
    reporters: ['default', './scripts/closing-line.ts'],
  },
});
