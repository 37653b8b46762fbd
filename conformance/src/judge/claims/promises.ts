/**
 * The promises of chapter 05 over everything that a case did: pure counting, beside the search of claim-model.ts and
 * without its freedom.
 */
import { judgeAnswers } from './answers.ts';
import { CLOCK_MS, historiesOf, isPassedOver, type Claiming, type ClaimOp, type History } from './history.ts';
import { judgeOrder } from './model.ts';
import type { Outcome } from '../../script/script.ts';
import type { RelayCase, RelayRun } from '../../trace/records.ts';

function outcome(rule: string, ok: boolean, want: string, got: string, ...ops: ClaimOp[]): Outcome {
  return { rule, ok, want, got: ok ? '' : got, evidence: ops.map(({ key }) => key) };
}

/** A claim as it was first told. */
interface Told {
  readonly op: Claiming;
  /** When its lease began at the earliest: with a claim whose answer was lost, if one may have made it. */
  readonly from: number;
  /** The shortest that its lease can be. */
  readonly leaseMs: number;
}

function toldOf({ ops }: History): Told[] {
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
      from: Math.min(...makers.map(({ t0 }) => t0)),
      leaseMs: Math.min(...[...makers, ...renewals].map(({ leaseMs }) => leaseMs)),
    };
  });
}

/** No seq at or below one that was acked. @see CLAIM-2 */
function neverBack({ ops }: History): Outcome[] {
  return ops.flatMap((claim) => {
    if (claim.kind !== 'claim' || claim.outcome !== 'granted') return [];
    const acked = ops.find(
      (op) => op.kind === 'ack' && op.outcome === 'advanced' && op.t1 < claim.t0 && op.seq >= claim.seq,
    );
    const want = `a seq above ${acked?.kind === 'ack' ? acked.seq : 'what was acked'}`;
    return [
      outcome('CLAIM-2', acked === undefined, want, `seq ${claim.seq}`, ...(acked ? [acked] : []), claim),
    ];
  });
}

/** One live claim at a time; a seq again only after its lease or a release. @see CLAIM-3 CLAIM-7 */
function oneAtATime(history: History): Outcome[] {
  const { ops, log } = history;
  const told = toldOf(history);
  const outcomes: Outcome[] = [];
  for (const [index, a] of told.entries()) {
    for (const b of told.slice(index + 1)) {
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
      outcomes.push(outcome(rule, false, want, `${b.op.claimId} of seq ${b.op.seq}`, a.op, b.op));
    }
  }
  const rules = told.length > 1 && outcomes.length === 0 ? ['CLAIM-3', 'CLAIM-7'] : [];
  return [...outcomes, ...rules.map((rule) => outcome(rule, true, 'one live claim at a time', ''))];
}

/** Claims are granted in the order of seq. @see CLAIM-6 */
function inOrder(history: History): Outcome[] {
  const { handle, log } = history;
  const told = toldOf(history);
  return told.map(({ op: later }) => {
    const jump = told.find(({ op }) => {
      const message = log.get(later.seq);
      return (
        op.t1 < later.t0 &&
        op.seq > later.seq &&
        message !== undefined &&
        message.since < op.t0 &&
        !isPassedOver(handle, op, message)
      );
    });
    const want = `seq ${later.seq} before ${jump?.op.seq ?? 'any above it'}`;
    return outcome('CLAIM-6', jump === undefined, want, 'it after', ...(jump ? [jump.op] : []), later);
  });
}

/** Who was told that nothing is left has been granted everything. @see CLAIM-1 */
function nothingLost({ handle, ops, log }: History): Outcome[] {
  const claims = ops.filter((op) => op.kind === 'claim');
  return claims.flatMap((empty) => {
    if (empty.outcome !== 'empty') return [];
    const lost = log.messages.find(
      (message) =>
        message.since < empty.t0 &&
        !log.mayBeGone(message, empty.t1) &&
        !claims.some((claim) => isPassedOver(handle, claim, message)) &&
        !claims.some(
          (claim) => claim.outcome === 'granted' && claim.seq === message.seq && claim.t0 < empty.t1,
        ),
    );
    const want = `seq ${lost?.seq ?? 'of every message'} to be granted before the room is empty`;
    return [outcome('CLAIM-1', lost === undefined, want, 'it was not', empty)];
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
