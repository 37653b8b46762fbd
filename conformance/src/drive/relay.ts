/** The driver for relays: HTTP, SSE and WebSocket, within the declared rates. */
import { pathOf, ROUTES } from '@bot2bot/schemas';
import { RELAY } from '../judge/relay.ts';
import { plansOf, programsOf, smaller, smallerPlans } from '../programs/arbitrary.ts';
import { HISTORIES_CHECK } from '../programs/histories.ts';
import { PROGRAM_CHECK } from '../programs/run.ts';
import { RelayScript } from '../script/claims.ts';
import { registrationOf, sharedAgent } from '../script/keys.ts';
import type { RelayEvent, RelayFacts } from '../trace/records.ts';
import type { Driver } from './driver.ts';
import { LiveSteps } from './live-steps.ts';
import { Pacer } from './pacer.ts';
import { Wire } from './wire.ts';

const SHARED_AGENTS = 6;
const REGISTER_MS = 10_000;
/** Several times the data that a run with `--cert` receives. All of it is kept in memory until the report is written. */
const MAX_RUN_BYTES = 256 << 20;

/** @param maxBytes maximum size of all received bodies and frames; a target that sends more ends the run. */
export function relayDriver(
  target: RelayFacts,
  maxBytes: number = MAX_RUN_BYTES,
): Driver<RelayFacts, RelayEvent, RelayScript> {
  let bytes = 0;
  let end: (why: string) => void = () => undefined;
  const wire = new Wire(target.url, (count) => {
    bytes += count;
    if (bytes > maxBytes) end(`the target sent more than ${Math.round(maxBytes / (1 << 20))} MB`);
  });
  const pacer = new Pacer(target.limits);
  const claims = target.profiles.includes('claims');
  return {
    subject: RELAY,
    target,
    programs: new Map([
      [PROGRAM_CHECK.id, { of: (seed, runs) => programsOf(seed, runs, claims), smaller }],
      [HISTORIES_CHECK.id, { of: (seed, runs) => (runs > 0 ? [plansOf(seed)] : []), smaller: smallerPlans }],
    ]),
    /** Register the agents that cases share. If one is refused there are fewer, and cases register their own. */
    prepare: async (run, signal, endRun) => {
      end = endRun;
      let agents = 0;
      for (; target.profiles.includes('identity') && agents < SHARED_AGENTS; agents++) {
        await pacer.write('', signal);
        const register = {
          method: ROUTES.registerIdentity.method,
          path: pathOf('registerIdentity'),
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify(registrationOf(sharedAgent(run, agents))),
          timeoutMs: REGISTER_MS,
        };
        const { status } = await wire.http(register, signal);
        if (status !== 201) break;
      }
      return { ...target, agents };
    },
    open: ({ run, ...given }) => {
      const steps = new LiveSteps({ ...given, wire, pacer });
      return {
        script: new RelayScript({ run, case: given.case, steps }),
        held: () => steps.held,
        close: () => steps.closeAll(),
      };
    },
    close: () => wire.close(),
  };
}
