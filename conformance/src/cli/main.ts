/** The command: what it loads depends on what it is asked. */
import { EXIT } from '../report/report.ts';
import { Unreachable } from '../script/steps.ts';
import { SUITE_VERSION } from '../trace/records.ts';
import { HELP, NAME, read, UsageError } from './flags.ts';

async function main(): Promise<number> {
  const given = read(process.argv.slice(2));
  if (given === 'help' || given === 'version') {
    process.stdout.write(given === 'help' ? HELP : `${SUITE_VERSION}\n`);
    return EXIT.conformant;
  }
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
  const { verb, operands, flags } = given;
  switch (verb) {
    case 'server':
      return (await import('./certify.ts')).certify(flags, stop.signal);
    case 'judge':
      return (await import('./judge.ts')).judgeAgain(operands[0], flags);
    case 'replay':
      return (await import('./replay.ts')).replay(operands[0], flags, stop.signal);
    case 'list':
      return (await import('./explain.ts')).list();
    case 'explain':
      return (await import('./explain.ts')).explain(operands[0]);
    default:
      throw new UsageError(verb === '' ? 'say what to do' : `there is no command '${verb}'`);
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof UsageError) {
    process.stderr.write(`${NAME}: ${error.message}; see ${NAME} --help\n`);
    process.exitCode = EXIT.usage;
  } else if (error instanceof Unreachable) {
    process.stderr.write(`${NAME}: ${error.message}\n`);
    process.exitCode = EXIT.unreachable;
  } else {
    process.stderr.write(
      `${NAME}: a fault of the suite itself: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exitCode = EXIT.fault;
  }
}
