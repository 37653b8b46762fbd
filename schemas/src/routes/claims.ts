import { Type } from 'typebox';
import {
  AckAnswer,
  AckBody,
  ClaimAnswer,
  ClaimBody,
  ClaimEmpty,
  ClaimRef,
  ReleaseAnswer,
  RenewAnswer,
} from '../claims.ts';
import { TIMINGS } from '../limits.ts';
import { Epoch } from '../scalars.ts';
import { BODY_PROBLEMS, SIGNED_PROBLEMS, timeout, type Route } from './route.ts';

const lease_ms = Type.Integer({
  minimum: TIMINGS.lease_min_ms.default,
  maximum: TIMINGS.lease_max_ms.default,
  default: TIMINGS.lease_default_ms.default,
  description: 'Milliseconds until the claim ends unless it is acked or renewed.',
});
/** Problems of every operation on a claim. */
const CLAIM_PROBLEMS = [...BODY_PROBLEMS, 'bad-room-id', ...SIGNED_PROBLEMS] as const;

/** Claims: chapter 05. */
export const CLAIM_ROUTES = {
  claimMessage: {
    method: 'POST',
    path: '/api/rooms/{room}/claim',
    tag: 'claims',
    profile: 'claims',
    signed: 1,
    summary: 'Claim the next message for a handle',
    answers: 'json',
    query: {
      timeout,
      lease_ms,
      ttl_ms: Type.Integer({ description: 'As lease_ms, clamped to at least a minute; lease_ms wins.' }),
      epoch: Epoch,
    },
    body: ClaimBody,
    replies: [ClaimAnswer, ClaimEmpty],
    problems: [...CLAIM_PROBLEMS, 'bad-lease'],
    rules: ['CLAIM-3', 'CLAIM-8', 'CLAIM-9', 'CLAIM-13'],
  },
  ackMessage: {
    method: 'POST',
    path: '/api/rooms/{room}/ack',
    tag: 'claims',
    profile: 'claims',
    signed: 1,
    summary: 'Acknowledge the claimed message',
    answers: 'json',
    body: AckBody,
    replies: [AckAnswer],
    problems: [...CLAIM_PROBLEMS, 'claim-gone'],
    rules: ['CLAIM-5', 'CLAIM-15', 'CLAIM-16'],
  },
  renewClaim: {
    method: 'POST',
    path: '/api/rooms/{room}/claim/renew',
    tag: 'claims',
    profile: 'claims',
    signed: 2,
    summary: 'Extend the lease of a live claim',
    answers: 'json',
    query: { lease_ms },
    body: ClaimRef,
    replies: [RenewAnswer],
    problems: [...CLAIM_PROBLEMS, 'bad-lease', 'claim-gone'],
    rules: ['CLAIM-21', 'CLAIM-23'],
  },
  releaseClaim: {
    method: 'POST',
    path: '/api/rooms/{room}/claim/release',
    tag: 'claims',
    profile: 'claims',
    signed: 2,
    summary: 'Give a claimed message back at once',
    answers: 'json',
    body: ClaimRef,
    replies: [ReleaseAnswer],
    problems: CLAIM_PROBLEMS,
    rules: ['CLAIM-22', 'CLAIM-23'],
  },
} as const satisfies Record<string, Route>;
