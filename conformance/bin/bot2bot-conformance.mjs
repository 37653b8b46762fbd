#!/usr/bin/env node
try {
  await import('../dist/cli/main.js');
} catch (error) {
  if (error?.code !== 'ERR_MODULE_NOT_FOUND') throw error;
  process.stderr.write('bot2bot-conformance: is not built or not installed; run `npm ci && npm run build`\n');
  process.exit(5);
}
