/** The command `server`: drives a relay, judges the trace, writes the report. */
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { relayDriver } from '../drive/relay.ts';
import { jobsOf } from '../drive/lanes.ts';
import { Runner } from '../drive/runner.ts';
import { probe } from '../drive/target/probe.ts';
import { startTarget, type RunningTarget } from '../drive/target/spawn.ts';
import { RELAY } from '../judge/relay.ts';
import { judge } from '../judge/verdict.ts';
import { RELAY_PRESENTER } from '../report/relay.ts';
import { EXIT, makeReport } from '../report/report.ts';
import { summary } from '../report/terminal.ts';
import { writeReport } from '../report/write.ts';
import { colour, NAME, UsageError, type Flags } from './flags.ts';
import { progressLine } from './progress.ts';

async function withTarget<T>(
  flags: Flags,
  signal: AbortSignal,
  use: (url: string) => Promise<T>,
): Promise<T> {
  if ((flags.url === undefined) === (flags.cmd === undefined))
    throw new UsageError('give one of --url and --cmd');
  let target: RunningTarget | null = null;
  try {
    if (flags.cmd !== undefined) target = await startTarget(flags.cmd, signal);
    return await use(flags.url ?? target?.url ?? '');
  } finally {
    await target?.stop();
  }
}

/** @param given run only this program of this check. */
export async function certify(
  flags: Flags,
  signal: AbortSignal,
  given?: { readonly check: string; readonly program: unknown },
): Promise<number> {
  return withTarget(flags, signal, async (url) => {
    const found = await probe(url, flags.level, signal);
    const target = flags.cmd === undefined ? found : { ...found, started: true as const };
    if (flags.profile !== undefined && !target.profiles.includes(flags.profile)) {
      process.stderr.write(`${NAME}: the relay does not serve the profile ${flags.profile}\n`);
      return EXIT.violation;
    }
    if (!target.profiles.includes('rooms')) {
      process.stderr.write(`${NAME}: ${target.url} does not serve rooms: nothing here can be judged\n`);
      return EXIT.incomplete;
    }
    const driver = relayDriver(target);
    const options = {
      seed: flags.seed,
      runs: flags.runs,
      cert: flags.cert,
      only: flags.only,
      signal,
      ...(given === undefined ? {} : { given }),
    };
    if (jobsOf(driver, options).length === 0)
      throw new UsageError(`no check matches ${flags.only.join(',')}; see ${NAME} list`);
    mkdirSync(flags.report, { recursive: true });
    const file = createWriteStream(join(flags.report, 'trace.ndjson'));
    const line = progressLine();
    const runner = new Runner(driver, {
      ...options,
      // The start of this process: starting and probing the target count.
      since: 0,
      onRecord: (record) => file.write(`${JSON.stringify(record)}\n`),
      onProgress: line.show,
    });
    const trace = await runner.run();
    line.clear();
    if (runner.ended !== '') process.stderr.write(`${NAME}: the run was ended early: ${runner.ended}\n`);
    await new Promise((resolve) => file.end(resolve));
    const { strict, baseline } = flags;
    const made = makeReport(RELAY_PRESENTER, trace, await judge(RELAY, trace), { strict, baseline });
    writeReport(flags.report, made);
    process.stdout.write(
      `${summary(made.report, colour(process.stdout), { columns: process.stdout.columns, folder: flags.report })}\nReport: ${join(flags.report, 'report.html')}, with report.json and junit.xml beside it\n`,
    );
    if (signal.aborted) return EXIT.incomplete;
    return made.report.exit_code;
  });
}
