/** Drives a relay: over HTTP, events and WebSocket, within its declared rates. */
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

export function relayDriver(target: RelayFacts): Driver<RelayFacts, RelayEvent, RelayScript> {
  const wire = new Wire(target.url);
  const pacer = new Pacer(target.limits);
  const claims = target.profiles.includes('claims');
  return {
    subject: RELAY,
    target,
    programs: new Map([
      [PROGRAM_CHECK.id, { of: (seed, runs) => programsOf(seed, runs, claims), smaller }],
      [HISTORIES_CHECK.id, { of: (seed) => [plansOf(seed)], smaller: smallerPlans }],
    ]),
    /** Register the agents that cases share; fewer when one is refused, and cases make their own. */
    prepare: async (run, signal) => {
      let agents = 0;
      for (; target.profiles.includes('identity') && agents < SHARED_AGENTS; agents++) {
        await pacer.write('', signal);
        const { status } = await wire.http({
          method: ROUTES.registerIdentity.method,
          path: pathOf('registerIdentity'),
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify(registrationOf(sharedAgent(run, agents))),
          timeoutMs: REGISTER_MS,
        });
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
