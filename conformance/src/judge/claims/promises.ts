/**
 * Invariants of chapter 05 over a whole case, checked directly on the recorded answers: unlike the search with model.ts, they
 * do not depend on an assumed order.
 */
import { judgeAnswers } from './answers.ts';
import { answerOf, historiesOf, isPassedOver, type Claiming, type ClaimOp, type History } from './history.ts';
import { CLOCK_MS, type Known } from '../room/known.ts';
import { judgeOrder } from './model.ts';
import type { Outcome } from '../../script/script.ts';
import type { RelayCase, RelayRun } from '../../trace/records.ts';

/** @param ops the evidence; the last is the operation with the wrong answer. */
function outcome(rule: string, ok: boolean, want: string, ...ops: ClaimOp[]): Outcome {
  const last = ops.at(-1);
  const got = ok || last === undefined ? '' : answerOf(last);
  return { rule, ok, want, got, evidence: ops.map(({ key }) => key) };
}

/** A granted claim, with bounds of its lease. */
interface Lease {
  /** The first request that was answered with its id. */
  readonly op: Claiming;
  /** The requests that may have created it: those answered with it, and those without an answer. */
  readonly makers: readonly Claiming[];
  /** The earliest start of its lease: when the first of these requests was sent. */
  readonly from: number;
  /** Minimum length of its lease, in ms. */
  readonly leaseMs: number;
}

function leasesOf({ ops }: History): Lease[] {
  const claims = ops.filter((op) => op.kind === 'claim');
  const first = new Map<string, Claiming>();
  for (const op of claims) {
    if (op.outcome !== 'granted') continue;
    const known = first.get(op.claimId);
    if (known === undefined || op.t1 < known.t1) first.set(op.claimId, op);
  }
  return [...first.values()].map((op) => {
    const makers = claims.filter(
      (c) =>
        c.t0 < op.t1 && (c.outcome === 'unknown' || (c.outcome === 'granted' && c.claimId === op.claimId)),
    );
    const renewals = ops
      .filter((other) => other.kind === 'renew')
      .filter(({ claimId }) => claimId === op.claimId);
    return {
      op,
      makers,
      from: Math.min(...makers.map(({ t0 }) => t0)),
      leaseMs: Math.min(...[...makers, ...renewals].map(({ leaseMs }) => leaseMs)),
    };
  });
}

/** No grant at or below an acked seq. Claims before the first ack do not test this. @see CLAIM-2 */
function neverBack({ ops }: History): Outcome[] {
  return ops.flatMap((claim) => {
    if (claim.kind !== 'claim' || claim.outcome !== 'granted') return [];
    const [highest] = ops
      .filter((op) => op.kind === 'ack')
      .filter((op) => op.outcome === 'advanced' && op.t1 < claim.t0)
      .sort((a, b) => b.seq - a.seq);
    if (highest === undefined) return [];
    return [
      outcome(
        'CLAIM-2',
        claim.seq > highest.seq,
        `a seq above ${highest.seq}, which was acked`,
        highest,
        claim,
      ),
    ];
  });
}

/** Only one live claim at a time; a seq is granted again only after its lease or a release. @see CLAIM-3 CLAIM-7 */
function oneAtATime(history: History): Outcome[] {
  const { ops, log } = history;
  const leases = leasesOf(history);
  const outcomes: Outcome[] = [];
  for (const [index, a] of leases.entries()) {
    for (const b of leases.slice(index + 1)) {
      const [from, upTo] = [Math.min(a.from, b.from), Math.max(a.op.t1, b.op.t1)];
      if (upTo >= from + Math.min(a.leaseMs, b.leaseMs) - CLOCK_MS) continue;
      const ended = ops.some(
        (op) =>
          (op.kind === 'ack' || op.kind === 'release') &&
          op.outcome !== 'gone' &&
          op.outcome !== 'idle' &&
          op.t0 < upTo &&
          (op.claimId === a.op.claimId || op.claimId === b.op.claimId),
      );
      const gone = [a, b].some(({ op }) => {
        const message = log.get(op.seq);
        return message === undefined || log.mayBeGone(message, upTo);
      });
      if (ended || gone) continue;
      const rule = a.op.seq === b.op.seq ? 'CLAIM-7' : 'CLAIM-3';
      const want = `no other claim while ${a.op.claimId} of seq ${a.op.seq} is live`;
      outcomes.push(outcome(rule, false, want, a.op, b.op));
    }
  }
  if (outcomes.length > 0) return outcomes;
  // A request that was sent again while the claim was live could have got a new claim.
  const again = ops.find(
    (op) => op.kind === 'claim' && op.outcome === 'granted' && !leases.some((first) => first.op === op),
  );
  return again === undefined
    ? []
    : ['CLAIM-3', 'CLAIM-7'].map((rule) => outcome(rule, true, 'one live claim at a time', again));
}

/** Claims are granted in the order of seq. @see CLAIM-6 */
function inOrder(history: History): Outcome[] {
  const { handle, log } = history;
  const leases = leasesOf(history);
  return leases.flatMap(({ op: later }) => {
    const before = leases.filter(({ op }) => op.t1 < later.t0);
    const message = log.get(later.seq);
    if (before.length === 0 || message === undefined) return [];
    const jump = before.find(
      ({ op, makers, from }) =>
        op.seq > later.seq &&
        message.since < from &&
        !makers.some((maker) => isPassedOver(handle, maker, message)),
    );
    const want = `seq ${later.seq} before ${jump?.op.seq ?? 'any above it'}`;
    return [outcome('CLAIM-6', jump === undefined, want, ...(jump ? [jump.op] : []), later)];
  });
}

/** Before an empty answer, every message that was due has been granted. @see CLAIM-1 */
function nothingLost({ handle, ops, log }: History): Outcome[] {
  const claims = ops.filter((op) => op.kind === 'claim');
  return claims.flatMap((empty) => {
    if (empty.outcome !== 'empty') return [];
    const due = log.messages.filter(
      (message) =>
        message.since < empty.t0 &&
        !log.mayBeGone(message, empty.t1) &&
        !claims.some((claim) => isPassedOver(handle, claim, message)),
    );
    const isGranted = ({ seq }: Known) =>
      claims.some((claim) => claim.outcome === 'granted' && claim.seq === seq && claim.t0 < empty.t1);
    const lost = due.find((message) => !isGranted(message));
    const want = `seq ${lost?.seq ?? 'of every message'} to be granted before the room is empty`;
    return due.length === 0 ? [] : [outcome('CLAIM-1', lost === undefined, want, empty)];
  });
}

/** Judge every claim of a case. */
export function judgeClaims(run: RelayRun, trace: RelayCase): Outcome[] {
  return historiesOf(run, trace).flatMap((history) => [
    ...judgeAnswers(history),
    ...judgeOrder(history),
    ...neverBack(history),
    ...oneAtATime(history),
    ...inOrder(history),
    ...nothingLost(history),
  ]);
}
