/** Runs the suite in this process against a command, for the tests of the suite itself. */
import {
  judge,
  makeReport,
  probe,
  RELAY,
  RELAY_PRESENTER,
  relayDriver,
  Runner,
  startTarget,
  type Report,
  type RelayTrace,
} from '../src/index.ts';

export interface Certified {
  readonly report: Report;
  readonly scripts: ReadonlyMap<string, string>;
  readonly trace: RelayTrace;
}

interface Given {
  readonly seed?: number;
  readonly runs?: number;
  readonly only?: readonly string[];
  readonly cert?: boolean;
}

/** @param command as `--cmd`. */
export async function certify(command: string, given: Given = {}): Promise<Certified> {
  const { signal } = new AbortController();
  const started = await startTarget(command, signal);
  try {
    const target = await probe(started.url, undefined);
    const options = { seed: 1, runs: 6, cert: false, only: [], signal, ...given };
    const trace = await new Runner(relayDriver(target), options).run();
    return { trace, ...makeReport(RELAY_PRESENTER, trace, await judge(RELAY, trace)) };
  } finally {
    await started.stop();
  }
}
