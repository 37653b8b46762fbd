import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    include: ['test/**/*.test.ts', '*/test/**/*.test.ts'],
    testTimeout: 90_000,
    maxConcurrency: 8,
    reporters: ['default', './scripts/closing-line.ts'],
  },
});
