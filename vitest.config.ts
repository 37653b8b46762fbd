import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    include: ['test/**/*.test.ts', '*/test/**/*.test.ts'],
    testTimeout: 30_000,
    reporters: ['default', './scripts/closing-line.ts'],
  },
});
