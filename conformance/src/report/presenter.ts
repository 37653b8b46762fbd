/** The parts of a report that differ between kinds of targets. */
import type { Failure } from '../judge/verdict.ts';
import type { CaseTrace, Event, RunRecord, TargetFacts } from '../trace/records.ts';
import type { Arrow } from './exchange.ts';

export interface Presenter<Facts extends TargetFacts, E extends Event> {
  /** Where the target was reached: a URL, or the command that started it. */
  readonly where: (target: Facts) => string;
  /** The command of the suite that certifies such a target. */
  readonly verb: string;
  /** The option of that command that names the target. It holds no secret. */
  readonly option: (target: Facts) => string;
  /** Values that it declares below the default of the specification, as `name = value`. */
  readonly belowDefault: (target: Facts) => string[];
  /** Events as arrows between the suite and the target, in the order of the trace. */
  readonly arrows: (events: readonly E[]) => Arrow[];
  /** A shell script that reproduces a failure, or null if there is none. */
  readonly script: (
    run: RunRecord<Facts>,
    trace: CaseTrace<E>,
    failure: Failure,
    sentence: string,
  ) => string | null;
}
