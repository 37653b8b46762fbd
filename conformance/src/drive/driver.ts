/** What a kind of target is to the runner: how its cases are driven. */
import type { Script } from '../script/script.ts';
import type { Subject } from '../judge/subject.ts';
import type { Event, RunRecord, TargetFacts } from '../trace/records.ts';

/** One case under way. */
interface OpenCase<S> {
  readonly script: S;
  /** Longest time for which the driver itself kept a step waiting, in ms. */
  readonly held: () => number;
  /** End whatever the case left open. */
  readonly close: () => void;
}

/** The random programs of a check. */
interface Programs {
  /** The same for the same seed. @param runs how many were asked for. */
  readonly of: (seed: number, runs: number) => readonly unknown[];
  /** Programs that are smaller than one that failed, the smallest first. */
  readonly smaller: (program: never) => Iterable<unknown>;
}

export interface Driver<Facts extends TargetFacts, E extends Event, S extends Script<Facts>> {
  readonly subject: Subject<Facts, E, S>;
  readonly target: Facts;
  /** By the id of the check that is given them. */
  readonly programs: ReadonlyMap<string, Programs>;
  /** Prepare the target for the cases of a run. @returns what is known of it then. */
  readonly prepare: (run: RunRecord<Facts>, signal: AbortSignal) => Promise<Facts>;
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
