/** What a check of any kind of target is written with. */
import type { RunRecord, TargetFacts } from '../trace/records.ts';
import { Random } from './random.ts';

/** One thing that a rule required, and whether it held. */
export interface Outcome {
  readonly rule: string;
  readonly ok: boolean;
  /** What the rule required here. */
  readonly want: string;
  /** What came instead; empty when it held. */
  readonly got: string;
  /** Keys of the records that show it. */
  readonly evidence: readonly string[];
  /** The requirement was a bound on time: only a repetition on a quiet machine proves its breach. */
  readonly late?: true;
  /** Whether it held could not be decided; `ok` is false. */
  readonly undecided?: true;
}

/** Something that came from the target, and shows whether a rule held. */
export interface Evidence {
  /** Of the records that hold it. */
  readonly keys: readonly string[];
  /** One line about what came. */
  describe(): string;
}

/** Where a script stands: in a case, and perhaps in one of the branches that run at the same time. */
export interface Place<Facts extends TargetFacts> {
  readonly run: RunRecord<Facts>;
  readonly case: string;
  /** Empty, or what the keys of the branch's steps begin with. */
  readonly branch?: string;
  /** Where outcomes go; branches share it. */
  readonly outcomes?: Outcome[];
}

/**
 * What the checks of every kind of target share: names for steps, bytes that follow from the seed, branches, and what the
 * rules require. The steps themselves are added by the script of each kind.
 */
export abstract class Script<Facts extends TargetFacts> {
  readonly run: RunRecord<Facts>;
  readonly outcomes: Outcome[];
  protected readonly case: string;
  protected readonly branch: string;
  readonly #random: Random;
  #step = 0;

  constructor(place: Place<Facts>) {
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

  /** Bytes that follow from the seed and the case. */
  bytes(count: number): Buffer {
    return this.#random.bytes(count);
  }

  /** A script of the same kind for a branch of this one. */
  protected abstract fork(place: Place<Facts>): this;

  /** Do several things at once. Each gets a script of its own, so that steps keep their names in any interleaving. */
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
   * State what a rule requires here, and whether it held.
   * @param want the requirement, as "an answer of 400 to a ttl_ms of -1".
   * @param evidence the answers or streams that show it.
   */
  require(rule: string, ok: boolean, want: string, ...evidence: readonly Evidence[]): boolean {
    this.outcomes.push(this.#outcome(rule, ok, want, evidence));
    return ok;
  }

  /** As `require`, for an upper bound on time: a breach counts only when it happens again on a quiet machine. */
  requireInTime(rule: string, ok: boolean, want: string, ...evidence: readonly Evidence[]): boolean {
    this.outcomes.push({ ...this.#outcome(rule, ok, want, evidence), late: true });
    return ok;
  }

  #outcome(rule: string, ok: boolean, want: string, evidence: readonly Evidence[]): Outcome {
    const got = ok ? '' : evidence.map((item) => item.describe()).join('; ') || 'it did not hold';
    return { rule, ok, want, got, evidence: evidence.flatMap(({ keys }) => keys) };
  }
}
