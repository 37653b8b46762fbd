import { HELP, readConfig, UsageError, type Config } from './config.ts';
import { NAME, VERSION } from './routes/meta.ts';
import { createRelay } from './server.ts';
import { StoreError } from './store.ts';

/** Clients get this long to take their goodbye. */
const DRAIN_MS = 1_500;

function fail(message: string, code: number): never {
  process.stderr.write(`${NAME}: ${message}\n`);
  process.exit(code);
}

function configured(): Config {
  try {
    const config = readConfig(process.argv.slice(2), process.env);
    if (config === 'help' || config === 'version') {
      process.stdout.write(config === 'help' ? HELP : `${VERSION}\n`);
      process.exit(0);
    }
    return config;
  } catch (error) {
    if (error instanceof UsageError) fail(`${error.message}; see ${NAME} --help`, 2);
    throw error;
  }
}

const config = configured();
try {
  const relay = await createRelay(config);
  process.stdout.write(`${NAME} listening on ${relay.url}\n`);
  if (relay.metricsUrl !== null) process.stdout.write(`metrics on ${relay.metricsUrl}\n`);
  const stop = () => {
    setTimeout(() => process.exit(0), DRAIN_MS).unref();
    void relay.close().then(() => process.exit(0));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
} catch (error) {
  if (error instanceof StoreError) fail(error.message, 1);
  const code = error instanceof Error && 'code' in error ? error.code : '';
  if (code === 'EADDRINUSE') fail(`${config.host}:${config.port} is in use; choose another with --port`, 1);
  if (code === 'EACCES' || code === 'EADDRNOTAVAIL')
    fail(
      `cannot listen on ${config.host}:${config.port} (${code}); choose another with --host and --port`,
      1,
    );
  throw error;
}
