/** Runs the checks of a kind of target, with their programs, and writes the trace. */
import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { SPEC_VERSION } from '@bot2bot/schemas';
import { ruleOf } from '../checks/check.ts';
import { judgeCase, type CaseResult } from '../judge/case.ts';
import type { Script } from '../script/script.ts';
import { Interrupted } from '../script/steps.ts';
import {
  SUITE_VERSION,
  type CaseRecord,
  type CaseTrace,
  type EndRecord,
  type Event,
  type RunRecord,
  type ShrinkRecord,
  type TargetFacts,
  type Trace,
  type TraceRecord,
} from '../trace/records.ts';
import type { Driver } from './driver.ts';
import { inLanes, jobsOf, type Job, type Selection } from './lanes.ts';
import { smallest } from './shrink.ts';

const DEADLINE_MS = { quick: 30_000, long: 150_000, solo: 90_000 } as const;
/** Repetitions of a late case, without those in which the suite stalled, and with them. Lateness counts if it occurs in each. */
const LATE_TRIES = 2;
const LATE_RUNS = 5;
/**
 * Time limit of a run in which several cases had problems, in ms, and the addition for each random program. For a target
 * without problems there is no limit, however slow it is.
 */
const BUDGET_MS = { usual: 130_000, cert: 240_000, program: 1_000 } as const;
const ILL_CASES = 3;

/** The time limit of a run. @param isLong whether it floods the target, and waits for long timings. */
export function budgetOf(runs: number, isLong: boolean): number {
  return BUDGET_MS[isLong ? 'cert' : 'usual'] + runs * BUDGET_MS.program;
}

/** The part of the limit for first attempts; the rest is for repetitions of late cases, which may take 10 s each. */
const FIRST_SHARE = 0.5;
const BUDGET_POLL_MS = 100;

/** Interval of the timer that detects stalls of this process, in ms. */
const LAG_POLL_MS = 10;

/** Measures the longest stall of this process, including one that lasts until the end. */
class Lag {
  #last = performance.now();
  #most = 0;
  readonly #timer = setInterval(() => this.#look(), LAG_POLL_MS);

  #look(): void {
    const now = performance.now();
    this.#most = Math.max(this.#most, now - this.#last - LAG_POLL_MS);
    this.#last = now;
  }

  /** Stop measuring. @returns the longest stall, in ms. */
  stop(): number {
    clearInterval(this.#timer);
    this.#look();
    return this.#most;
  }
}

export interface RunOptions<Facts extends TargetFacts, E extends Event> extends Selection {
  readonly signal: AbortSignal;
  /** Start of the time limit, by `performance.now()`; default: the start of the run. */
  readonly since?: number;
  /** Overrides the time limit of a run in which several cases had problems, in ms. */
  readonly budgetMs?: number;
  readonly onRecord?: (record: TraceRecord<Facts, E>) => void;
  readonly onProgress?: (progress: Progress) => void;
}

export interface Progress {
  readonly done: number;
  readonly total: number;
  /** Cases in progress. */
  readonly running: readonly string[];
  /** Rules broken so far. */
  readonly broken: ReadonlySet<string>;
}

/** A case that was late, or did not end in time. */
interface Late<S> {
  readonly job: Job<S>;
  /** Rules that only lateness broke. */
  readonly rules: readonly string[];
  readonly ms: number;
}

export class Runner<Facts extends TargetFacts, E extends Event, S extends Script<Facts>> {
  readonly #driver: Driver<Facts, E, S>;
  readonly #options: RunOptions<Facts, E>;
  readonly #epoch = performance.now();
  #run: RunRecord<Facts>;
  readonly #cases: CaseTrace<E>[] = [];
  readonly #shrunk: ShrinkRecord[] = [];
  readonly #running = new Set<string>();
  readonly #broken = new Set<string>();
  /** Rules that are certainly broken (not only by lateness, unless it repeated), and whether a check of their own shows it. */
  readonly #proven = new Map<string, boolean>();
  /** Number of runs of each case. */
  readonly #attempts = new Map<string, number>();
  /** Late cases, possibly because of a busy machine: they are repeated alone at the end of the run. */
  readonly #late: Late<S>[] = [];
  /** Ends the run early. */
  readonly #stop = new AbortController();
  /** Aborted at the end of the current part of the run; interrupts its cases. */
  #part: AbortSignal;
  /** Number of programs tried while shrinking: each runs under its own name, and so in rooms of its own. */
  #tried = 0;
  #ill = 0;
  #ended = '';
  #done = 0;
  #total = 0;

  constructor(driver: Driver<Facts, E, S>, options: RunOptions<Facts, E>) {
    this.#driver = driver;
    this.#options = options;
    this.#part = options.signal;
    this.#run = {
      t: 'run',
      subject: driver.subject.name,
      suite: SUITE_VERSION,
      spec: SPEC_VERSION,
      startedAt: new Date().toISOString(),
      seed: options.seed,
      salt: randomBytes(9).toString('base64url'),
      cert: options.cert,
      only: options.only,
      target: driver.target,
    };
  }

  /** Why the run ended early; empty if it did not. */
  get ended(): string {
    return this.#ended;
  }

  async run(): Promise<Trace<Facts, E>> {
    const { cert, runs, budgetMs } = this.#options;
    const isCert = cert || this.#run.target.outside.length > 0;
    const budget = budgetMs ?? budgetOf(runs, isCert);
    const jobs = jobsOf(this.#driver, this.#options);
    this.#total = jobs.length;
    await this.#within(budget * FIRST_SHARE, async () => {
      const end = (why: string) => this.#end(why);
      this.#run = { ...this.#run, target: await this.#driver.prepare(this.#run, this.#part, end) };
      this.#options.onRecord?.(this.#run);
      await inLanes(jobs, (job) => this.#drive(job));
    });
    await this.#within(budget, () => this.#again());
    this.#driver.close();
    return { run: this.#run, cases: this.#cases, shrunk: this.#shrunk };
  }

  #end(why: string): void {
    if (this.#ended === '') this.#ended = why;
    this.#stop.abort();
  }

  /** Run a part of the run; interrupt it if its time is over and the target has problems. @param ms end, since the start of the time limit. */
  async #within(ms: number, work: () => Promise<void>): Promise<void> {
    const over = new AbortController();
    this.#part = AbortSignal.any([over.signal, this.#stop.signal, this.#options.signal]);
    // Every case adds a listener.
    setMaxListeners(0, this.#part);
    const timer = setInterval(() => {
      const passed = performance.now() - (this.#options.since ?? this.#epoch);
      if (passed < ms || this.#ill < ILL_CASES || this.#part.aborted) return;
      if (this.#ended === '')
        this.#ended = `the target kept it going for ${Math.round(passed / 1000)} s, and ${this.#ill} cases did not go well`;
      over.abort();
    }, BUDGET_POLL_MS);
    try {
      await work();
    } finally {
      clearInterval(timer);
    }
  }

  /** Repeat late cases, one by one: the quickest first, and only those that can still decide a rule. */
  async #again(): Promise<void> {
    const undecided = ({ job, rules }: Late<S>) => rules.some((rule) => !this.#isSettled(rule, job));
    const order = [...this.#late].sort(
      (a, b) => Number(b.rules.length > 0) - Number(a.rules.length > 0) || a.ms - b.ms,
    );
    for (const late of order) {
      if (late.rules.length > 0 && !undecided(late)) continue;
      let [always, tries] = [late.rules, 0];
      for (let runs = 0; runs < LATE_RUNS && tries < LATE_TRIES && !this.#part.aborted; runs++) {
        const { outcomes, stalled, trouble } = await this.#case(late.job);
        const failed = outcomes.filter((outcome) => !outcome.ok);
        always = always.filter((rule) => failed.some((outcome) => outcome.rule === rule));
        if (trouble === '' && failed.length === 0) break;
        if (!stalled) tries++;
      }
      if (tries === LATE_TRIES) for (const rule of always) this.#prove(rule, late.job);
      if (always[0] !== undefined && this.#proven.has(always[0])) await this.#shrink(late.job, always[0]);
    }
  }

  #prove(rule: string, { check }: Job<S>): void {
    this.#proven.set(rule, this.#proven.get(rule) === true || ruleOf(check) === rule);
  }

  /**
   * Whether repeating this case could show nothing new: a check of the rule itself has proven the breach, or another check
   * has and this one is not the rule's own.
   */
  #isSettled(rule: string, { check }: Job<S>): boolean {
    const byOwn = this.#proven.get(rule);
    return byOwn === true || (byOwn === false && ruleOf(check) !== rule);
  }

  /** Run a case; if it breaks a rule, repeat it once, and shrink its program. */
  async #drive(job: Job<S>): Promise<void> {
    if (this.#part.aborted) {
      this.#leave(job);
      return;
    }
    const from = performance.now();
    this.#running.add(job.name);
    this.#progress();
    const first = await this.#case(job);
    const failed = first.outcomes.filter((outcome) => !outcome.ok);
    for (const { rule } of failed) this.#broken.add(rule);
    const firm = failed.filter((outcome) => outcome.late !== true);
    for (const { rule } of firm) this.#prove(rule, job);
    if (failed.length > 0 || first.trouble !== '') this.#ill++;
    const late = firm.length < failed.length || (first.trouble !== '' && firm.length === 0);
    if (late) {
      const rules = failed.flatMap((outcome) => (outcome.late === true ? [outcome.rule] : []));
      if (rules.length > 0 || !this.#part.aborted)
        this.#late.push({ job, rules: [...new Set(rules)], ms: performance.now() - from });
    } else if (firm.length > 0 && job.check.lane === 'quick' && !this.#part.aborted) await this.#case(job);
    if (firm[0] !== undefined) await this.#shrink(job, firm[0].rule);
    this.#running.delete(job.name);
    this.#done++;
    this.#progress();
  }

  /** Record a case that was not run because the run ended early. */
  #leave({ name, check, program }: Job<S>): void {
    const at = Math.round(performance.now() - this.#epoch);
    const start: CaseRecord = {
      t: 'case',
      case: name,
      check: check.id,
      attempt: 0,
      at,
      ...(program === undefined ? {} : { program }),
    };
    const end: EndRecord = {
      t: 'end',
      case: name,
      at,
      outcome: 'interrupted',
      lag: 0,
      error: 'the run was ended before it',
    };
    for (const record of [start, end]) this.#options.onRecord?.(record);
    this.#cases.push({ start, end, events: [] });
  }

  /** Search for the smallest program of this check that breaks this rule. The tried programs are not cases of the trace. */
  async #shrink({ name, check, program: failed }: Job<S>, rule: string): Promise<void> {
    const source = this.#driver.programs.get(check.id);
    if (source === undefined || failed === undefined) return;
    if (this.#shrunk.some((known) => known.rule === rule && known.check === check.id)) return;
    const breaks = async (program: unknown) => {
      const tried = `${name}~s${(this.#tried += 1)}`;
      const { result } = await this.#take({ name: tried, check, program }, 0);
      return result.outcomes.some((outcome) => !outcome.ok && outcome.rule === rule);
    };
    const found = await smallest(failed, source.smaller, breaks, () => this.#part.aborted);
    const record: ShrinkRecord = { t: 'shrink', case: name, check: check.id, rule, ...found };
    this.#shrunk.push(record);
    this.#options.onRecord?.(record);
  }

  /** Run a case and add it to the trace. */
  async #case(job: Job<S>): Promise<CaseResult> {
    const attempt = this.#attempts.get(job.name) ?? 0;
    this.#attempts.set(job.name, attempt + 1);
    const name = attempt === 0 ? job.name : `${job.name}~${attempt}`;
    const { trace, result } = await this.#take({ ...job, name }, attempt, this.#options.onRecord);
    this.#cases.push(trace);
    return result;
  }

  async #take(
    { name, check, program }: Job<S>,
    attempt: number,
    write?: (record: CaseRecord | EndRecord | E) => void,
  ): Promise<{ trace: CaseTrace<E>; result: CaseResult }> {
    const events: E[] = [];
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), DEADLINE_MS[check.lane]);
    const signal = AbortSignal.any([stop.signal, this.#part]);
    // Every concurrent step of the case adds a listener.
    setMaxListeners(0, signal);
    const now = () => Math.round(performance.now() - this.#epoch);
    const start: CaseRecord = {
      t: 'case',
      case: name,
      check: check.id,
      attempt,
      at: now(),
      ...(program === undefined ? {} : { program }),
    };
    write?.(start);
    let isOpen = true;
    const open = this.#driver.open({
      run: this.#run,
      case: name,
      epoch: this.#epoch,
      signal,
      write: (record) => {
        if (!isOpen) return;
        events.push(record);
        write?.(record);
      },
    });
    const lag = new Lag();
    let outcome: EndRecord['outcome'] = 'done';
    let error: string | undefined;
    try {
      await check.run(open.script, program);
    } catch (thrown) {
      outcome = thrown instanceof Interrupted ? 'interrupted' : 'fault';
      error = thrown instanceof Error ? thrown.message : String(thrown);
    }
    if (outcome === 'interrupted' && stop.signal.aborted)
      error = `not done within ${DEADLINE_MS[check.lane] / 1000} s`;
    else if (outcome === 'interrupted' && signal.aborted) error = 'the run was ended during it';
    clearTimeout(timer);
    open.close();
    isOpen = false;
    const end: EndRecord = {
      t: 'end',
      case: name,
      at: now(),
      outcome,
      lag: Math.round(Math.max(lag.stop(), open.held())),
      ...(error === undefined ? {} : { error }),
    };
    write?.(end);
    const trace: CaseTrace<E> = { start, end, events };
    return { trace, result: await judgeCase(this.#driver.subject, this.#run, trace) };
  }

  #progress(): void {
    this.#options.onProgress?.({
      done: this.#done,
      total: this.#total,
      running: [...this.#running],
      broken: this.#broken,
    });
  }
}
