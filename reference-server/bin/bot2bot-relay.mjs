#!/usr/bin/env node
/** Errors that can occur while the relay's modules are loaded, by code, with what the operator can do. */
const CURES = {
  EMFILE: 'may not open enough files to start; allow more, for example with `ulimit -n 4096`',
  ENFILE: 'cannot start: the system has no open files left',
  ERR_MODULE_NOT_FOUND: 'is not built or not installed; run `npm ci && npm run build`',
};

try {
  await import('../dist/main.js');
} catch (error) {
  const cure = CURES[error?.code];
  if (cure === undefined) throw error;
  process.stderr.write(`bot2bot-relay: ${cure}\n`);
  process.exit(1);
}
