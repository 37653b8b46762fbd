/** Drives the checks of a kind of target, and their programs, and writes the trace. */
import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { SPEC_VERSION } from '@bot2bot/schemas';
import { ruleOf, type Check } from '../checks/check.ts';
import { isDue } from '../checks/scope.ts';
import { judgeCase, type CaseResult } from '../judge/case.ts';
import type { Outcome, Script } from '../script/script.ts';
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

const QUICK_AT_ONCE = 6;
const DEADLINE_MS = { quick: 30_000, long: 150_000, solo: 90_000 } as const;
/** What was late is late only if it is so again, each of these times. */
const LATE_TRIES = 2;
const SHRINK_TRIES = 40;
const SHRINK_MS = 10_000;

export interface RunOptions<Facts extends TargetFacts, E extends Event> {
  readonly seed: number;
  /** How many random programs a check is given. */
  readonly runs: number;
  readonly cert: boolean;
  /** Rules (`MSG-4`), chapters (`MSG`) or checks (`MSG-4/at-the-limit`); empty means all. */
  readonly only: readonly string[];
  /** Run this program of this check instead of all that is due. */
  readonly given?: { readonly check: string; readonly program: unknown };
  readonly signal: AbortSignal;
  readonly onRecord?: (record: TraceRecord<Facts, E>) => void;
  readonly onProgress?: (progress: Progress) => void;
}

export interface Progress {
  readonly done: number;
  readonly total: number;
  /** Cases under way. */
  readonly running: readonly string[];
  /** Rules broken so far. */
  readonly broken: ReadonlySet<string>;
}

interface Job<S> {
  readonly name: string;
  readonly check: Check<S>;
  readonly program?: unknown;
}

/** The cases that a run consists of: one of each check that is due, or one of each of its programs. */
export function jobsOf<Facts extends TargetFacts, E extends Event, S extends Script<Facts>>(
  { subject, target, programs }: Driver<Facts, E, S>,
  { seed, runs, cert, only, given }: Omit<RunOptions<Facts, E>, 'signal'>,
): Job<S>[] {
  if (given !== undefined) {
    const check = subject.checks.find(({ id }) => id === given.check);
    return check === undefined ? [] : [{ name: 'replay', check, program: given.program }];
  }
  const rules = new Map(subject.rules.map((rule) => [rule.id, rule]));
  return subject.checks
    .filter((check) => isDue(check, rules.get(ruleOf(check)), { target, only, cert }))
    .flatMap((check): Job<S>[] => {
      const source = programs.get(check.id);
      if (source === undefined) return [{ name: check.id, check }];
      return source
        .of(seed, runs)
        .map((program, index) => ({ name: `${check.id}/${index}`, check, program }));
    });
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
  /** How often each case was run. */
  readonly #attempts = new Map<string, number>();
  /** What was late, perhaps for want of a core: it gets another chance, alone, at the end. */
  readonly #late: Job<S>[] = [];
  #done = 0;
  #total = 0;

  constructor(driver: Driver<Facts, E, S>, options: RunOptions<Facts, E>) {
    this.#driver = driver;
    this.#options = options;
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

  async run(): Promise<Trace<Facts, E>> {
    const jobs = jobsOf(this.#driver, this.#options);
    this.#total = jobs.length;
    this.#run = { ...this.#run, target: await this.#driver.prepare(this.#run, this.#options.signal) };
    this.#options.onRecord?.(this.#run);
    const lane = (name: Check<S>['lane']) => jobs.filter(({ check }) => check.lane === name);
    const long = lane('long').map((job) => this.#drive(job));
    const quick = lane('quick');
    const workers = Array.from({ length: QUICK_AT_ONCE }, async () => {
      for (let job = quick.shift(); job !== undefined; job = quick.shift()) await this.#drive(job);
    });
    await Promise.all([...workers, ...long]);
    for (const job of lane('solo')) await this.#drive(job);
    for (const job of this.#late) {
      for (let tries = 0; tries < LATE_TRIES && !this.#options.signal.aborted; tries++) {
        const { outcomes, trouble } = await this.#case(job);
        if (trouble === '' && outcomes.every((outcome) => outcome.ok)) break;
      }
    }
    this.#driver.close();
    return { run: this.#run, cases: this.#cases, shrunk: this.#shrunk };
  }

  /** Run a case; when it breaks something, once more, and in smaller programs. */
  async #drive(job: Job<S>): Promise<void> {
    const { signal } = this.#options;
    if (signal.aborted) return;
    this.#running.add(job.name);
    this.#progress();
    const first = await this.#case(job);
    const failed = first.outcomes.filter((outcome) => !outcome.ok);
    for (const { rule } of failed) this.#broken.add(rule);
    const firm = failed.filter((outcome) => outcome.late !== true);
    const late = firm.length < failed.length || (first.trouble !== '' && firm.length === 0);
    if (late) this.#late.push(job);
    else if (firm.length > 0 && job.check.lane === 'quick' && !signal.aborted) await this.#case(job);
    if (firm.length > 0 && job.program !== undefined) await this.#shrink(job, firm);
    this.#running.delete(job.name);
    this.#done++;
    this.#progress();
  }

  /** Look for the smallest program that breaks the first of these rules. Its candidates leave no cases in the trace. */
  async #shrink(job: Job<S>, failed: readonly Outcome[]): Promise<void> {
    const rule = failed[0]?.rule ?? '';
    const source = this.#driver.programs.get(job.check.id);
    if (source === undefined || this.#shrunk.some((known) => known.rule === rule)) return;
    const deadline = performance.now() + SHRINK_MS;
    let [best, tries] = [job.program, 0];
    const isOver = () =>
      tries >= SHRINK_TRIES || performance.now() > deadline || this.#options.signal.aborted;
    const next = async (): Promise<unknown> => {
      for (const candidate of source.smaller(best as never)) {
        if (isOver()) return undefined;
        tries++;
        const { result } = await this.#take({ ...job, name: `${job.name}~s${tries}`, program: candidate }, 0);
        if (result.outcomes.some((outcome) => !outcome.ok && outcome.rule === rule)) return candidate;
      }
      return undefined;
    };
    for (let found = await next(); found !== undefined; found = await next()) best = found;
    const record: ShrinkRecord = { t: 'shrink', case: job.name, rule, program: best, tries };
    this.#shrunk.push(record);
    this.#options.onRecord?.(record);
  }

  /** Run a case and keep it. */
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
    const signal = AbortSignal.any([stop.signal, this.#options.signal]);
    // As many steps at once as a case takes listen to it.
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
    const lag = monitorEventLoopDelay({ resolution: 10 });
    lag.enable();
    let outcome: EndRecord['outcome'] = 'done';
    let error: string | undefined;
    try {
      await check.run(open.script, program);
    } catch (thrown) {
      outcome = thrown instanceof Interrupted ? 'interrupted' : 'fault';
      error = thrown instanceof Error ? thrown.message : String(thrown);
    }
    clearTimeout(timer);
    open.close();
    isOpen = false;
    lag.disable();
    const end: EndRecord = {
      t: 'end',
      case: name,
      at: now(),
      outcome,
      lag: Math.round(Math.max(lag.max / 1e6, open.held())),
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
