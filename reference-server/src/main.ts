import { HELP, readConfig, UsageError, type Config } from './config.ts';
import { NAME, VERSION } from './routes/meta.ts';
import { createRelay } from './server.ts';
import { StoreError } from './store.ts';
import { fitToOpenFiles, prepareFolder } from './environment.ts';

/** How long a shutdown waits for clients to receive their last answers before the process exits. */
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

/** The message for an error that the operator can correct; null for any other error. */
function operatorMessage(error: unknown, { host, port }: Config): string | null {
  if (error instanceof StoreError || error instanceof UsageError) return error.message;
  if (!(error instanceof Error && 'code' in error && 'syscall' in error)) return null;
  if (error.code === 'EADDRINUSE') return `${host}:${port} is in use; choose another with --port`;
  if (error.syscall === 'getaddrinfo')
    return `--host ${host} is neither an address nor a known host name (${String(error.code)})`;
  if (error.syscall === 'listen' || error.syscall === 'bind')
    return `cannot listen on ${host}:${port} (${String(error.code)}); choose another with --host and --port`;
  return `cannot start: ${error.message}`;
}

const { config, warning } = fitToOpenFiles(configured());
if (warning !== null) process.stderr.write(`${NAME}: ${warning}\n`);
try {
  if (config.dataDir !== null) prepareFolder(config.dataDir);
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
  const message = operatorMessage(error, config);
  if (message === null) throw error;
  fail(message, 1);
}
