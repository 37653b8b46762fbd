/** The subject `relay` for the judge. */
import { REQUIREMENTS, type OperationId } from '@bot2bot/schemas';
import { CHECKS } from '../checks/index.ts';
import { HISTORIES_CHECK } from '../programs/histories.ts';
import { PROGRAM_CHECK } from '../programs/run.ts';
import { RelayScript } from '../script/claims.ts';
import { frameOf } from '../trace/frames.ts';
import { operationOf } from '../trace/operations.ts';
import { Value } from '../trace/value.ts';
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

/** The longest delay of the relay: of an answer, of the first frame of a stream, or of a message on a stream; in ms. */
function slowest({ events }: RelayCase): number {
  let most = 0;
  /** When the answer to each post arrived, by seq; and when each stream was opened, by key. */
  const accepted = new Map<number, number>();
  const opened = new Map<string, number>();
  for (const event of events) {
    if (event.t === 'open') {
      opened.set(event.key, event.t1);
      most = Math.max(most, event.t1 - event.t0);
    }
    if (event.t !== 'http') continue;
    const operation = operationOf(event.method, event.path);
    if (event.flood !== true && !PARKING.has(operation)) most = Math.max(most, event.t1 - event.t0);
    if (operation === 'postMessage' && event.status === 200)
      accepted.set(Value.parse(event.resBody).get('seq').number, event.t1);
  }
  for (const event of events) {
    if (event.t !== 'frame') continue;
    const [stream = '', place] = event.key.split('#');
    const due =
      place === '0' ? opened.get(stream) : accepted.get(frameOf(event)?.json.get('seq').number ?? NaN);
    const since = Math.max(due ?? Infinity, opened.get(stream) ?? 0);
    most = Math.max(most, event.at - since);
  }
  return most;
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
  checks: [
    ...CHECKS,
    { ...HISTORIES_CHECK, also: claims.rules },
    { ...PROGRAM_CHECK, also: [...rooms.rules, ...claims.rules] },
  ],
  models: [schemas, rooms, claims],
  replay: (run, trace) => new RelayScript({ run, case: trace.start.case, steps: new TapeSteps(trace) }),
  slowest,
};
