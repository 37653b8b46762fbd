/** The subject `relay` for the judge. */
import { REQUIREMENTS, type OperationId } from '@bot2bot/schemas';
import { CHECKS } from '../checks/index.ts';
import { HISTORIES_CHECK } from '../programs/histories.ts';
import { PROGRAM_CHECK } from '../programs/run.ts';
import { RelayScript } from '../script/claims.ts';
import { operationOf } from '../trace/operations.ts';
import type { RelayCase, RelayEvent, RelayFacts } from '../trace/records.ts';
import { CLAIM_ANSWER_RULES } from './claims/answers.ts';
import { CLAIM_MODEL_RULES } from './claims/model.ts';
import { judgeClaims } from './claims/promises.ts';
import { TapeSteps } from './replay-steps.ts';
import { judgeRooms, MODEL_RULES } from './room/model.ts';
import { judgeSchemas, SCHEMA_RULES } from './schema.ts';
import type { Model, Subject } from './subject.ts';

/** Operations whose answer may be delayed by design. */
const PARKING: ReadonlySet<OperationId | null> = new Set<OperationId>([
  'waitForMessages',
  'claimMessage',
  'waitForDms',
]);

function slowest({ events }: RelayCase): number {
  return Math.max(
    0,
    ...events.map((event) =>
      event.t === 'http' && event.flood !== true && !PARKING.has(operationOf(event.method, event.path))
        ? event.t1 - event.t0
        : 0,
    ),
  );
}

const rooms: Model<RelayFacts, RelayEvent> = { rules: MODEL_RULES, judge: judgeRooms };
const claims: Model<RelayFacts, RelayEvent> = {
  rules: [...CLAIM_MODEL_RULES, ...CLAIM_ANSWER_RULES],
  judge: judgeClaims,
};
const schemas: Model<RelayFacts, RelayEvent> = { rules: SCHEMA_RULES, judge: judgeSchemas };

export const RELAY: Subject<RelayFacts, RelayEvent, RelayScript> = {
  name: 'relay',
  rules: REQUIREMENTS,
  actor: 'relay',
  // Programs test all rules that the models decide.
  checks: [...CHECKS, HISTORIES_CHECK, { ...PROGRAM_CHECK, also: [...rooms.rules, ...claims.rules] }],
  models: [schemas, rooms, claims],
  replay: (run, trace) => new RelayScript({ run, case: trace.start.case, steps: new TapeSteps(trace) }),
  slowest,
};
