/** Drives checks and programs against a target and writes the trace. */
import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { pathOf, REQUIREMENTS, ROUTES, SPEC_VERSION } from '@bot2bot/schemas';
import { asked, ruleOf, type Check } from '../checks/check.ts';
import { CHECKS } from '../checks/index.ts';
import { binds, judgeCase, type CaseResult } from '../judge/verdict.ts';
import { registrationOf, sharedAgent } from '../script/keys.ts';
import { Pacer } from './pacer.ts';
import { PROGRAM_CHECK, programsOf, runProgram, smaller, type Program } from '../programs/program.ts';
import { Script, type Outcome } from '../script/script.ts';
import { Interrupted, LiveSteps } from './live-steps.ts';
import type {
  CaseRecord,
  CaseTrace,
  EndRecord,
  RunRecord,
  TargetFacts,
  Trace,
  TraceRecord,
} from '../trace/records.ts';
import { Wire } from './wire.ts';

export const SUITE_VERSION = '0.1.0';
const QUICK_AT_ONCE = 6;
const SHARED_AGENTS = 6;
const REGISTER_MS = 10_000;
const DEADLINE_MS = { quick: 30_000, long: 150_000, solo: 90_000 } as const;
/** What was late is late only if it is so again, each of these times. */
const LATE_TRIES = 2;
const SHRINK_TRIES = 40;
const SHRINK_MS = 10_000;
export const DEFAULT_RUNS = 24;

export interface RunOptions {
  readonly target: TargetFacts;
  readonly seed: number;
  readonly runs: number;
  readonly cert: boolean;
  /** Rules (`MSG-4`), chapters (`MSG`) or checks (`MSG-4/at-the-limit`); empty means all. */
  readonly only: readonly string[];
  /** Run this program instead of checks and seeded programs. */
  readonly given?: { readonly name: string; readonly program: Program };
  readonly signal: AbortSignal;
  readonly onRecord?: (record: TraceRecord) => void;
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

interface Job {
  readonly name: string;
  readonly check: Check;
  readonly program?: Program;
}

/** Programs bear on every rule of the model; they run when a whole chapter of it is asked for, or by name. */
const PROGRAM_WORDS: ReadonlySet<string> = new Set([
  'MSG',
  'READ',
  'STREAM',
  'CLAIM',
  'READ-8',
  'STREAM-3',
  PROGRAM_CHECK.id,
]);

/** The checks and programs that a run consists of. */
export function jobsOf(options: Pick<RunOptions, 'target' | 'seed' | 'runs' | 'cert' | 'only'>): Job[] {
  const { target, seed, runs, cert, only } = options;
  const rules = new Map(REQUIREMENTS.map((rule) => [rule.id, rule]));
  const lab = target.outside.length > 0;
  const checks = CHECKS.filter((check) => {
    if (!only.includes(check.id) && ![ruleOf(check), ...(check.also ?? [])].some((rule) => asked(rule, only)))
      return false;
    const rule = rules.get(ruleOf(check));
    if (rule === undefined || !binds(rule, target)) return false;
    if (check.lab !== undefined) return lab;
    return (check.cert !== true && check.lane !== 'solo') || cert || lab;
  });
  const withPrograms = only.length === 0 || only.some((word) => PROGRAM_WORDS.has(word));
  const programs = withPrograms ? programsOf(seed, runs, target.profiles.includes('claims')) : [];
  return [
    ...checks.map((check) => ({ name: check.id, check })),
    ...programs.map((program, index) => programJob(`${PROGRAM_CHECK.id}/${index}`, program)),
  ];
}

function programJob(name: string, program: Program): Job {
  return { name, check: { ...PROGRAM_CHECK, run: (script) => runProgram(script, program) }, program };
}

export class Runner {
  readonly #options: RunOptions;
  readonly #wire: Wire;
  readonly #pacer: Pacer;
  readonly #epoch = performance.now();
  #run: RunRecord;
  readonly #records: CaseTrace[] = [];
  readonly #running = new Set<string>();
  readonly #broken = new Set<string>();
  /** What was late, perhaps for want of a core: it gets another chance, alone, at the end. */
  readonly #late: Job[] = [];
  /** The smallest program that still broke each rule. */
  readonly shrunk = new Map<string, Program>();
  #done = 0;
  #total = 0;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#wire = new Wire(options.target.url);
    this.#pacer = new Pacer(options.target.limits);
    this.#run = {
      t: 'run',
      suite: SUITE_VERSION,
      spec: SPEC_VERSION,
      startedAt: new Date().toISOString(),
      seed: options.seed,
      salt: randomBytes(9).toString('base64url'),
      cert: options.cert,
      only: options.only,
      target: options.target,
    };
  }

  async run(): Promise<Trace> {
    const { given } = this.#options;
    const jobs = given === undefined ? jobsOf(this.#options) : [programJob(given.name, given.program)];
    this.#total = jobs.length;
    this.#run = { ...this.#run, agents: await this.#registered() };
    this.#options.onRecord?.(this.#run);
    const lane = (name: Check['lane']) => jobs.filter(({ check }) => check.lane === name);
    const long = lane('long').map((job) => this.#drive(job));
    const quick = lane('quick');
    const workers = Array.from({ length: QUICK_AT_ONCE }, async () => {
      for (let job = quick.shift(); job !== undefined; job = quick.shift()) await this.#drive(job);
    });
    await Promise.all([...workers, ...long]);
    for (const job of lane('solo')) await this.#drive(job);
    for (const job of this.#late) {
      for (let attempt = 1; attempt <= LATE_TRIES && !this.#options.signal.aborted; attempt++) {
        const { outcomes, trouble } = await this.#case(job, attempt);
        if (trouble === '' && outcomes.every((outcome) => outcome.ok)) break;
      }
    }
    this.#wire.close();
    return { run: this.#run, cases: this.#records };
  }

  /** Register the agents that cases share. @returns how many: fewer when one was refused, and cases make their own. */
  async #registered(): Promise<number> {
    const { target, signal } = this.#options;
    if (!target.profiles.includes('identity')) return 0;
    for (let index = 0; index < SHARED_AGENTS; index++) {
      await this.#pacer.write('', signal);
      const { status } = await this.#wire.http({
        method: ROUTES.registerIdentity.method,
        path: pathOf('registerIdentity'),
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(registrationOf(sharedAgent(this.#run, index))),
        timeoutMs: REGISTER_MS,
      });
      if (status !== 201) return index;
    }
    return SHARED_AGENTS;
  }

  /** Run a case; when it breaks something, once more, and in smaller programs. */
  async #drive(job: Job): Promise<void> {
    const { signal } = this.#options;
    if (signal.aborted) return;
    this.#running.add(job.name);
    this.#progress();
    const first = await this.#case(job, 0);
    const failed = first.outcomes.filter((outcome) => !outcome.ok);
    for (const { rule } of failed) this.#broken.add(rule);
    const firm = failed.filter((outcome) => outcome.late !== true);
    const late = firm.length < failed.length || (first.trouble !== '' && firm.length === 0);
    if (late) this.#late.push(job);
    else if (firm.length > 0 && job.check.lane === 'quick' && !signal.aborted) await this.#case(job, 1);
    if (firm.length > 0 && job.program !== undefined && !signal.aborted) await this.#shrink(job, firm);
    this.#running.delete(job.name);
    this.#done++;
    this.#progress();
  }

  async #shrink(job: Job, failed: readonly Outcome[]): Promise<void> {
    const rule = failed[0]?.rule ?? '';
    if (this.shrunk.has(rule) || job.program === undefined) return;
    let best = job.program;
    this.shrunk.set(rule, best);
    const deadline = performance.now() + SHRINK_MS;
    let tries = 0;
    for (let found = true; found;) {
      found = false;
      for (const candidate of smaller(best)) {
        if (++tries > SHRINK_TRIES || performance.now() > deadline || this.#options.signal.aborted) return;
        const { outcomes } = await this.#case(programJob(job.name, candidate), tries + 1);
        if (!outcomes.some((outcome) => !outcome.ok && outcome.rule === rule)) continue;
        best = candidate;
        this.shrunk.set(rule, best);
        found = true;
        break;
      }
    }
  }

  async #case(job: Job, attempt: number): Promise<CaseResult> {
    const name = attempt === 0 ? job.name : `${job.name}~${attempt}`;
    const events: CaseTrace['events'][number][] = [];
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), DEADLINE_MS[job.check.lane]);
    const signal = AbortSignal.any([stop.signal, this.#options.signal]);
    // As many steps at once as a case takes listen to it.
    setMaxListeners(0, signal);
    const now = () => Math.round(performance.now() - this.#epoch);
    const start: CaseRecord = {
      t: 'case',
      case: name,
      check: job.check.id,
      attempt,
      at: now(),
      ...(job.program === undefined ? {} : { program: job.program }),
    };
    this.#options.onRecord?.(start);
    let open = true;
    const steps = new LiveSteps({
      case: name,
      wire: this.#wire,
      pacer: this.#pacer,
      epoch: this.#epoch,
      signal,
      write: (record) => {
        if (!open || record.t === 'run' || record.t === 'case' || record.t === 'end') return;
        events.push(record);
        this.#options.onRecord?.(record);
      },
    });
    const lag = monitorEventLoopDelay({ resolution: 10 });
    lag.enable();
    let outcome: EndRecord['outcome'] = 'done';
    let error: string | undefined;
    try {
      await job.check.run(new Script({ steps, run: this.#run, case: name }));
    } catch (thrown) {
      outcome = thrown instanceof Interrupted ? 'interrupted' : 'fault';
      error = thrown instanceof Error ? thrown.message : String(thrown);
    }
    clearTimeout(timer);
    steps.closeAll();
    open = false;
    lag.disable();
    const end: EndRecord = {
      t: 'end',
      case: name,
      at: now(),
      outcome,
      lag: Math.round(Math.max(lag.max / 1e6, steps.held)),
      ...(error === undefined ? {} : { error }),
    };
    this.#options.onRecord?.(end);
    const trace: CaseTrace = { start, end, events };
    this.#records.push(trace);
    return judgeCase(this.#run, trace);
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
