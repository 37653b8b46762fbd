import { readFileSync } from 'node:fs';
import { certify } from './certify.ts';
import { UsageError, type Flags } from './flags.ts';

/** The command `replay`: runs a failing case of a report again. */
export async function replay(path: string | undefined, flags: Flags, signal: AbortSignal): Promise<number> {
  if (path === undefined)
    throw new UsageError('name the case: replay bot2bot-report/cases/MSG-14.json --url …');
  let kept: { check?: unknown; seed?: unknown; program?: unknown };
  try {
    kept = JSON.parse(readFileSync(path, 'utf8')) as typeof kept;
  } catch {
    throw new UsageError(`cannot read a case from ${path}`);
  }
  if (typeof kept.check !== 'string' || typeof kept.seed !== 'number')
    throw new UsageError(`${path} is not a case of a report`);
  const again = { ...flags, seed: kept.seed, only: [kept.check], cert: true };
  const { check, program } = kept;
  return certify(again, signal, program ? { check, program } : undefined);
}
