import { createReadStream } from 'node:fs';
import { RELAY } from '../judge/relay.ts';
import { isTraceOf } from '../judge/subject.ts';
import { judge } from '../judge/verdict.ts';
import { RELAY_PRESENTER } from '../report/relay.ts';
import { makeReport } from '../report/report.ts';
import { summary } from '../report/terminal.ts';
import { readTrace } from '../trace/parse.ts';
import { colour, UsageError, type Flags } from './flags.ts';

/** The command `judge`: judges a saved trace again. Opens no connection, and imports no driver. */
export async function judgeAgain(path: string | undefined, flags: Flags): Promise<number> {
  if (path === undefined) throw new UsageError('name the trace: judge bot2bot-report/trace.ndjson');
  let trace;
  try {
    trace = await readTrace(createReadStream(path, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) throw new UsageError(`${path} is not a trace: ${error.message}`);
    throw new UsageError(`cannot read ${path}`);
  }
  if (!isTraceOf(RELAY, trace)) throw new UsageError(`${path} is not a trace of a relay`);
  const made = makeReport(RELAY_PRESENTER, trace, await judge(RELAY, trace), {
    strict: flags.strict,
    baseline: flags.baseline,
  });
  process.stdout.write(
    `${summary(made.report, colour(process.stdout), { columns: process.stdout.columns })}\n`,
  );
  return made.report.exit_code;
}
