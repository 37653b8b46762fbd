/** Runs the suite in this process against a command, for the tests of the suite itself. */
import type { Benign, Through } from '../mutants/benign.ts';
import { broken } from '../mutants/broken.ts';
import { LAB } from '../mutants/mutants.ts';
import { startProxy } from '../mutants/proxy.ts';
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

export interface Given {
  readonly seed?: number;
  readonly runs?: number;
  readonly only?: readonly string[];
  readonly cert?: boolean;
}

/**
 * @param command as `--cmd`.
 * @param through the proxy through which the target is reached; none when absent.
 */
export async function certify(command: string, given: Given = {}, through?: Through): Promise<Certified> {
  const { signal } = new AbortController();
  const started = await startTarget(command, signal);
  const proxy = through === undefined ? null : await startProxy(started.url, through);
  proxy?.alter(through?.alteration ?? null);
  try {
    const target = await probe(proxy?.url ?? started.url, undefined);
    const options = { seed: 1, runs: 6, cert: false, only: [], signal, ...given };
    const trace = await new Runner(relayDriver(target), options).run();
    return { trace, ...makeReport(RELAY_PRESENTER, trace, await judge(RELAY, trace)) };
  } finally {
    await proxy?.stop();
    await started.stop();
  }
}

/**
 * A relay that conforms, judged by what its difference bears on.
 * @param flags timings of the lab when absent; none where it declares no timings.
 */
export async function certifyBenign(
  { name, only, level, patches, through }: Benign,
  given: Given = {},
  flags: readonly string[] = level === 'compat' ? [] : LAB,
): Promise<Certified> {
  const path = await broken(`benign-${name.replaceAll(/\W+/g, '-')}`, patches);
  return certify(`exec node ${path} --port {port} ${flags.join(' ')}`, { only, ...given }, through);
}

/** What a report accuses its target of. */
export function accusations({ failures }: Report): string[][] {
  return failures.map(({ rule, required, observed }) => [rule, required, observed]);
}
