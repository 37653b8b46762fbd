/** Selects the cases of a run, and decides which of them run concurrently. */
import { ruleOf, type Check } from '../checks/check.ts';
import { isDue } from '../checks/scope.ts';
import type { Script } from '../script/script.ts';
import type { Event, TargetFacts } from '../trace/records.ts';
import type { Driver } from './driver.ts';

const QUICK_AT_ONCE = 6;

/** One case: a check, with one of its programs if it has programs. */
export interface Job<S> {
  readonly name: string;
  readonly check: Check<S>;
  readonly program?: unknown;
}

export interface Selection {
  readonly seed: number;
  /** Number of random programs for each check that runs programs. */
  readonly runs: number;
  readonly cert: boolean;
  /** Rules (`MSG-4`), chapters (`MSG`) or checks (`MSG-4/at-the-limit`); empty means all. */
  readonly only: readonly string[];
  /** Run only this program of this check. */
  readonly given?: { readonly check: string; readonly program: unknown };
}

/** The cases of a run: one for each check that applies, or one for each of its programs. */
export function jobsOf<Facts extends TargetFacts, E extends Event, S extends Script<Facts>>(
  { subject, target, programs }: Driver<Facts, E, S>,
  { seed, runs, cert, only, given }: Selection,
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

/** Run the cases of each lane: long ones all at once, beside a few quick ones at a time; then solo ones one by one. */
export async function inLanes<S>(
  jobs: readonly Job<S>[],
  drive: (job: Job<S>) => Promise<void>,
): Promise<void> {
  const lane = (name: Check<S>['lane']) => jobs.filter(({ check }) => check.lane === name);
  const long = lane('long').map(drive);
  const quick = lane('quick');
  const workers = Array.from({ length: QUICK_AT_ONCE }, async () => {
    for (let job = quick.shift(); job !== undefined; job = quick.shift()) await drive(job);
  });
  await Promise.all([...workers, ...long]);
  for (const job of lane('solo')) await drive(job);
}
