/** What of the rules and checks a run is about. */
import type { Requirement } from '@bot2bot/schemas';
import type { TargetFacts } from '../trace/records.ts';
import { rulesOf, type AnyCheck } from './check.ts';

/** Whether a rule was asked for, by its id, its chapter's prefix, or one of its checks. */
export function asked(rule: string, only: readonly string[]): boolean {
  return (
    only.length === 0 ||
    only.some((word) => word === rule || rule.startsWith(`${word}-`) || word.startsWith(`${rule}/`))
  );
}

/** Whether a rule binds a target, by its level and the profiles that it serves. */
export function binds({ level, profile }: Requirement, target: TargetFacts): boolean {
  return (level === 'compat' || target.level === 'hardened') && target.profiles.includes(profile);
}

/** Whether a check runs: what was asked for bears on it, its rule binds the target, and the run is of its kind. */
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
