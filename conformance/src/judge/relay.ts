/** The subject `relay` for the judge. */
import { REQUIREMENTS } from '@bot2bot/schemas';
import { CHECKS } from '../checks/index.ts';
import { HISTORIES_CHECK } from '../programs/histories.ts';
import { PROGRAM_CHECK } from '../programs/run.ts';
import { RelayScript } from '../script/claims.ts';
import type { RelayEvent, RelayFacts } from '../trace/records.ts';
import { CLAIM_ANSWER_RULES } from './claims/answers.ts';
import { CLAIM_MODEL_RULES } from './claims/model.ts';
import { judgeClaims } from './claims/promises.ts';
import { slowest } from './delays.ts';
import { TapeSteps } from './replay-steps.ts';
import { judgeRooms, MODEL_RULES } from './room/model.ts';
import { judgeSchemas, SCHEMA_RULES } from './schema.ts';
import type { Model, Subject } from './subject.ts';

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
  checks: [
    ...CHECKS,
    { ...HISTORIES_CHECK, also: claims.rules },
    { ...PROGRAM_CHECK, also: [...rooms.rules, ...claims.rules] },
  ],
  models: [schemas, rooms, claims],
  replay: (run, trace) => new RelayScript({ run, case: trace.start.case, steps: new TapeSteps(trace) }),
  slowest,
};
