/** The base of the scripts in which checks are written, for any kind of target. */
import type { RunRecord, TargetFacts } from '../trace/records.ts';
import { Random } from './random.ts';

/** A requirement of a rule in a case, and whether it held. */
export interface Outcome {
  readonly rule: string;
  readonly ok: boolean;
  /** What the rule requires here. */
  readonly want: string;
  /** What was observed instead; empty if the requirement held. */
  readonly got: string;
  /** Keys of the records that prove it. */
  readonly evidence: readonly string[];
  /** The requirement is an upper bound on time: a breach counts only if it repeats on a quiet machine. */
  readonly late?: true;
  /** It could not be decided whether the requirement held; `ok` is false. */
  readonly undecided?: true;
}

/** Something received from the target that shows whether a rule held. */
export interface Evidence {
  /** Keys of the records that contain it. */
  readonly keys: readonly string[];
  /** A description in one line. */
  describe(): string;
}

/** The context of a script: its case, and its branch, if branches run concurrently. */
export interface ScriptContext<Facts extends TargetFacts> {
  readonly run: RunRecord<Facts>;
  readonly case: string;
  /** Prefix of the keys of the branch's steps; absent outside of branches. */
  readonly branch?: string;
  /** The list to which outcomes are added; branches share it. */
  readonly outcomes?: Outcome[];
}

/**
 * The common part of all scripts: keys of steps, pseudo-random bytes, branches, and requirements. The script of each kind of
 * target adds the steps.
 */
export abstract class Script<Facts extends TargetFacts> {
  readonly run: RunRecord<Facts>;
  readonly outcomes: Outcome[];
  protected readonly case: string;
  protected readonly branch: string;
  readonly #random: Random;
  #step = 0;

  constructor(place: ScriptContext<Facts>) {
    this.run = place.run;
    this.case = place.case;
    this.branch = place.branch ?? '';
    this.outcomes = place.outcomes ?? [];
    this.#random = new Random(place.run.seed, this.case, this.branch);
  }

  get target(): Facts {
    return this.run.target;
  }

  /** Whether rules of level hardened are judged. */
  get hardened(): boolean {
    return this.target.level === 'hardened';
  }

  /** The key of the next step. */
  protected key(): string {
    return `${this.branch}${this.#step++}`;
  }

  /** Pseudo-random bytes derived from the seed and the case. */
  bytes(count: number): Buffer {
    return this.#random.bytes(count);
  }

  /** Create a script of the same kind for a branch. */
  protected abstract fork(place: ScriptContext<Facts>): this;

  /** Run branches concurrently. Each gets its own script, so that the keys of its steps do not depend on the interleaving. */
  async all<T>(...branches: readonly ((script: this) => Promise<T>)[]): Promise<T[]> {
    const base = this.key();
    const settled = await Promise.allSettled(
      branches.map((branch, index) =>
        branch(
          this.fork({
            run: this.run,
            case: this.case,
            branch: `${base}b${index}.`,
            outcomes: this.outcomes,
          }),
        ),
      ),
    );
    return settled.map((result) => {
      if (result.status === 'rejected') throw result.reason as unknown;
      return result.value;
    });
  }

  /**
   * Record a requirement of a rule, and whether it held. Without evidence of the target it can fail, but never counts as held.
   * @param want the requirement, as "an answer of 400 to a ttl_ms of -1".
   * @param evidence the answers or streams that prove it.
   */
  require(rule: string, ok: boolean, want: string, ...evidence: readonly Evidence[]): boolean {
    this.#record(rule, ok, want, evidence);
    return ok;
  }

  /** Like `require`, for an upper bound on time: a breach counts only if it repeats on a quiet machine. */
  requireInTime(rule: string, ok: boolean, want: string, ...evidence: readonly Evidence[]): boolean {
    this.#record(rule, ok, want, evidence, true);
    return ok;
  }

  #record(rule: string, ok: boolean, want: string, evidence: readonly Evidence[], late?: true): void {
    if (ok && evidence.length === 0) return;
    const got = ok ? '' : evidence.map((item) => item.describe()).join('; ') || 'it did not hold';
    const keys = evidence.flatMap((item) => item.keys);
    this.outcomes.push({ rule, ok, want, got, evidence: keys, ...(late === undefined ? {} : { late }) });
  }
}
