/** Selects the rules and checks of a run. */
import type { Requirement } from '@bot2bot/schemas';
import type { TargetFacts } from '../trace/records.ts';
import { rulesOf, type AnyCheck } from './check.ts';

/** Whether `--only` selects a rule: by its id, its chapter, or one of its checks. */
export function asked(rule: string, only: readonly string[]): boolean {
  return (
    only.length === 0 ||
    only.some((word) => word === rule || rule.startsWith(`${word}-`) || word.startsWith(`${rule}/`))
  );
}

/** Whether a rule applies to a target, by the target's level and profiles. */
export function binds({ level, profile }: Requirement, target: TargetFacts): boolean {
  return (level === 'compat' || target.level === 'hardened') && target.profiles.includes(profile);
}

/** Whether a check runs: it is selected, its rule applies to the target, and the run allows it (`--cert`, lab). */
export function isDue(
  check: AnyCheck,
  rule: Requirement | undefined,
  { target, only, cert }: { target: TargetFacts; only: readonly string[]; cert: boolean },
): boolean {
  const words = only.filter((word) => !word.includes('/'));
  const wanted =
    only.includes(check.id) ||
    ((only.length === 0 || words.length > 0) && rulesOf(check).some((id) => asked(id, words)));
  if (!wanted || rule === undefined || !binds(rule, target)) return false;
  const lab = target.outside.length > 0;
  if (check.lab !== undefined) return lab;
  return (check.cert !== true && check.lane !== 'solo') || cert || lab;
}
