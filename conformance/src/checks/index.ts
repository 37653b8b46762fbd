import type { Check } from './check.ts';
import type { RelayScript } from '../script/claims.ts';
import { ACK_CHECKS } from './server/acks.ts';
import { CLAIM_LIFE_CHECKS } from './server/claim-life.ts';
import { CLAIM_CHECKS } from './server/claims.ts';
import { CORE_CHECKS } from './server/core.ts';
import { IDENTITY_CHECKS } from './server/identities.ts';
import { LEASE_CHECKS } from './server/leases.ts';
import { DIRECTORY_CHECKS } from './server/directory.ts';
import { DM_CHECKS } from './server/dms.ts';
import { MESSAGE_CHECKS } from './server/messages.ts';
import { PROFILE_CHECKS } from './server/profiles.ts';
import { READ_CHECKS } from './server/reads.ts';
import { REQUEST_CHECKS } from './server/requests.ts';
import { ROOM_CHECKS } from './server/rooms.ts';
import { SIGNATURE_CHECKS } from './server/signatures.ts';
import { STREAM_CHECKS } from './server/streams.ts';

/** Every check of a relay, chapter by chapter. */
export const CHECKS: readonly Check<RelayScript>[] = [
  ...CORE_CHECKS,
  ...ROOM_CHECKS,
  ...MESSAGE_CHECKS,
  ...STREAM_CHECKS,
  ...READ_CHECKS,
  ...CLAIM_CHECKS,
  ...ACK_CHECKS,
  ...LEASE_CHECKS,
  ...CLAIM_LIFE_CHECKS,
  ...IDENTITY_CHECKS,
  ...REQUEST_CHECKS,
  ...SIGNATURE_CHECKS,
  ...DM_CHECKS,
  ...PROFILE_CHECKS,
  ...DIRECTORY_CHECKS,
];
