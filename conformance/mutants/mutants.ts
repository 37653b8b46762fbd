/** All mutants, by chapter. */
import { CLAIM_MUTANTS } from './claims.ts';
import { CORE_MUTANTS } from './core.ts';
import { DIRECTORY_MUTANTS } from './directory.ts';
import { DM_MUTANTS } from './dms.ts';
import { ROOM_MUTANTS } from './rooms.ts';
import { IDENTITY_MUTANTS } from './identities.ts';
import { MESSAGE_MUTANTS } from './messages.ts';
import { STREAM_MUTANTS } from './streams.ts';
import { READ_MUTANTS } from './reads.ts';
import type { Mutant } from './mutant.ts';

/** Flags with short timings, with which every mutant runs, so that nothing takes longer than a few seconds. */
export const LAB: readonly string[] = [
  '--room-idle-ms',
  '3000',
  '--ttl-min-ms',
  '1000',
  '--keepalive-ms',
  '400',
  '--retention-ms',
  '15000',
  '--listening-ms',
  '2000',
  '--presence-ms',
  '200',
  '--dedup-ms',
  '3000',
  '--buffer-messages',
  '60',
  '--lease-default-ms',
  '1500',
  '--profile-min-ms',
  '300',
];

export const MUTANTS: readonly Mutant[] = [
  ...CORE_MUTANTS,
  ...ROOM_MUTANTS,
  ...MESSAGE_MUTANTS,
  ...STREAM_MUTANTS,
  ...READ_MUTANTS,
  ...CLAIM_MUTANTS,
  ...IDENTITY_MUTANTS,
  ...DM_MUTANTS,
  ...DIRECTORY_MUTANTS,
];

/** The mutants of each rule by id, with their faults. `mutants.test.ts` proves that the rule kills each of them. */
export function killMatrix(): Record<string, Record<string, string>> {
  const matrix: Record<string, Record<string, string>> = {};
  for (const { id, what } of MUTANTS) (matrix[id.split('/')[0] ?? ''] ??= {})[id] = what;
  return matrix;
}
