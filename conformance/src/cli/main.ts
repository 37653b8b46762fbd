/** Entry point: imports only the modules of the given command. */
import { EXIT } from '../report/report.ts';
import { Interrupted, Unreachable } from '../script/steps.ts';
import { SUITE_VERSION } from '../trace/records.ts';
import { HELP, NAME, read, UsageError } from './flags.ts';

/** A second signal within this time (ms) is ignored: at Ctrl-C, the terminal signals this process, and npm forwards the signal too. */
const SAME_MS = 100;
/** How long open connections may delay the exit, in ms. */
const LINGER_MS = 1_000;

/** @returns aborted at the first signal, so that the run ends with a report. A second signal ends the process at once. */
function endOnSignal(): AbortSignal {
  const stop = new AbortController();
  let first = 0;
  const end = () => {
    if (!stop.signal.aborted) {
      first = performance.now();
      stop.abort();
    } else if (performance.now() - first > SAME_MS) process.exit(EXIT.incomplete);
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, end);
  return stop.signal;
}

async function main(): Promise<number> {
  const given = read(process.argv.slice(2));
  if (given === 'help' || given === 'version') {
    process.stdout.write(given === 'help' ? HELP : `${SUITE_VERSION}\n`);
    return EXIT.conformant;
  }
  const signal = endOnSignal();
  const { verb, operands, flags } = given;
  switch (verb) {
    case 'server':
      return (await import('./certify.ts')).certify(flags, signal);
    case 'judge':
      return (await import('./judge.ts')).judgeAgain(operands[0], flags);
    case 'replay':
      return (await import('./replay.ts')).replay(operands[0], flags, signal);
    case 'list':
      return (await import('./explain.ts')).list();
    case 'explain':
      return (await import('./explain.ts')).explain(operands[0]);
    default:
      throw new UsageError(verb === '' ? 'no command given' : `unknown command '${verb}'`);
  }
}

/** Report an error of the suite itself, with an exit code of its own. The exit also stops the relay that was started. */
function fault(error: unknown): never {
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`${NAME}: a fault of the suite itself: ${what}\n`);
  process.exit(EXIT.fault);
}

process.on('uncaughtException', fault);
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // The pipe is closed, as with `| head -1`, or the terminal is gone: this does not change the verdict.
    if (error.code !== 'EPIPE' && error.code !== 'EIO') fault(error);
  });
}
try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof UsageError) {
    process.stderr.write(`${NAME}: ${error.message}; see ${NAME} --help\n`);
    process.exitCode = EXIT.usage;
  } else if (error instanceof Unreachable || error instanceof Interrupted) {
    process.stderr.write(`${NAME}: ${error.message}\n`);
    process.exitCode = error instanceof Unreachable ? EXIT.unreachable : EXIT.incomplete;
  } else fault(error);
}
// Connections that the target left open must not prevent the exit.
setTimeout(() => process.exit(), LINGER_MS).unref();
