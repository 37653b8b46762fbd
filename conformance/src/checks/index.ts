import type { Check } from './check.ts';
import type { RelayScript } from '../script/claims.ts';
import { ACK_CHECKS } from './server/acks.ts';
import { REPETITION_CHECKS } from './server/repetition.ts';
import { MALFORMED_CHECKS } from './server/malformed.ts';
import { CLAIM_LIFE_CHECKS } from './server/claim-life.ts';
import { CLAIM_CHECKS } from './server/claims.ts';
import { DISCOVERY_CHECKS } from './server/discovery.ts';
import { INBOX_CHECKS } from './server/inboxes.ts';
import { EPOCH_CHECKS } from './server/epochs.ts';
import { ERROR_CHECKS } from './server/errors.ts';
import { ORDERING_CHECKS } from './server/ordering.ts';
import { PRESENCE_CHECKS } from './server/presence.ts';
import { RATE_CHECKS } from './server/rates.ts';
import { RETENTION_CHECKS } from './server/retention.ts';
import { SOCKET_CHECKS } from './server/sockets.ts';
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
import { SOCKET_POST_CHECKS } from './server/socket-posts.ts';

/** All checks of a relay, by chapter. */
export const CHECKS: readonly Check<RelayScript>[] = [
  ...ERROR_CHECKS,
  ...MALFORMED_CHECKS,
  ...DISCOVERY_CHECKS,
  ...ROOM_CHECKS,
  ...MESSAGE_CHECKS,
  ...ORDERING_CHECKS,
  ...RATE_CHECKS,
  ...STREAM_CHECKS,
  ...SOCKET_CHECKS,
  ...SOCKET_POST_CHECKS,
  ...PRESENCE_CHECKS,
  ...READ_CHECKS,
  ...EPOCH_CHECKS,
  ...RETENTION_CHECKS,
  ...REPETITION_CHECKS,
  ...CLAIM_CHECKS,
  ...ACK_CHECKS,
  ...LEASE_CHECKS,
  ...CLAIM_LIFE_CHECKS,
  ...IDENTITY_CHECKS,
  ...REQUEST_CHECKS,
  ...SIGNATURE_CHECKS,
  ...DM_CHECKS,
  ...INBOX_CHECKS,
  ...PROFILE_CHECKS,
  ...DIRECTORY_CHECKS,
];
