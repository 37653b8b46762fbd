#!/usr/bin/env node
try {
  await import('../dist/cli/main.js');
} catch (error) {
  const why =
    error?.code === 'ERR_MODULE_NOT_FOUND'
      ? 'is not built or not installed; run `npm ci && npm run build`'
      : `a fault of the suite itself: ${error?.stack ?? error}`;
  process.stderr.write(`bot2bot-conformance: ${why}\n`);
  process.exit(5);
}
