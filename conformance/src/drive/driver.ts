/** The interface between the runner and a kind of target. */
import type { Script } from '../script/script.ts';
import type { Subject } from '../judge/subject.ts';
import type { Event, RunRecord, TargetFacts } from '../trace/records.ts';

/** A case in progress. */
interface OpenCase<S> {
  readonly script: S;
  /** The longest delay of a step by the driver itself, in ms. */
  readonly held: () => number;
  /** Close everything that the case left open. */
  readonly close: () => void;
}

/** The random programs of a check. */
export interface Programs {
  /** The programs of a run; the same for the same seed. @param runs requested number. */
  readonly of: (seed: number, runs: number) => readonly unknown[];
  /** Smaller variants of a failed program, the smallest first. */
  readonly smaller: (program: never) => Iterable<unknown>;
}

export interface Driver<Facts extends TargetFacts, E extends Event, S extends Script<Facts>> {
  readonly subject: Subject<Facts, E, S>;
  readonly target: Facts;
  /** Random programs, by the id of the check that runs them. */
  readonly programs: ReadonlyMap<string, Programs>;
  /**
   * Prepare the target for the cases of a run.
   * @param end ends the run early, with a reason.
   * @returns the facts about the target after the preparation.
   */
  readonly prepare: (
    run: RunRecord<Facts>,
    signal: AbortSignal,
    end: (why: string) => void,
  ) => Promise<Facts>;
  readonly open: (given: {
    readonly run: RunRecord<Facts>;
    readonly case: string;
    readonly write: (event: E) => void;
    /** `performance.now()` at the start of the run. */
    readonly epoch: number;
    readonly signal: AbortSignal;
  }) => OpenCase<S>;
  readonly close: () => void;
}
