/** Runs the suite in this process against a command, for the tests of the suite itself. */
import { judge, makeReport, probe, Runner, startTarget, type RunOptions } from '../src/index.ts';
import type { Report } from '../src/report/report.ts';
import type { Trace } from '../src/trace/records.ts';

export interface Certified {
  readonly report: Report;
  readonly scripts: ReadonlyMap<string, string>;
  readonly trace: Trace;
}

/** @param command as `--cmd`. */
export async function certify(
  command: string,
  options: Partial<Pick<RunOptions, 'seed' | 'runs' | 'only' | 'cert'>> = {},
): Promise<Certified> {
  const { signal } = new AbortController();
  const target = await startTarget(command, signal);
  try {
    return await certifyUrl(target.url, options);
  } finally {
    await target.stop();
  }
}

/** @param url as `--url`. */
async function certifyUrl(
  url: string,
  options: Partial<Pick<RunOptions, 'seed' | 'runs' | 'only' | 'cert'>> = {},
): Promise<Certified> {
  const { signal } = new AbortController();
  const facts = await probe(url, undefined);
  const runner = new Runner({ target: facts, seed: 1, runs: 6, cert: false, only: [], signal, ...options });
  const trace = await runner.run();
  return { trace, ...makeReport(trace, await judge(trace), { shrunk: runner.shrunk }) };
}
