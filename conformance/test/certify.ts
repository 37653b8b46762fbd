/** Certifies a relay in this process, for tests of the suite. */
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
  type Made,
  type Report,
  type RelayTrace,
} from '../src/index.ts';

export interface Certified extends Made {
  readonly trace: RelayTrace;
}

export interface Given {
  readonly seed?: number;
  readonly runs?: number;
  readonly only?: readonly string[];
  readonly cert?: boolean;
}

/**
 * Start a relay and certify it.
 * @param command value of `--cmd`.
 * @param through changes by a proxy in front of the relay; absent: no proxy.
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
 * Certify a conformant relay, with the chapters that its difference may affect.
 * @param flags default: LAB, or none for a relay at compat, which declares no timings.
 */
export async function certifyBenign(
  { name, only, level, patches, through }: Benign,
  given: Given = {},
  flags: readonly string[] = level === 'compat' ? [] : LAB,
): Promise<Certified> {
  const path = await broken(`benign-${name.replaceAll(/\W+/g, '-')}`, patches);
  return certify(`exec node ${path} --port {port} ${flags.join(' ')}`, { only, ...given }, through);
}

/** The failures in a report: rules with details. */
export function accusations({ failures }: Report): string[][] {
  return failures.map(({ rule, required, observed }) => [rule, required, observed]);
}
