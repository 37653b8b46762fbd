/** Rules about single answers to claims, or about several answers with the same claim. */
import { ClaimId } from '@bot2bot/schemas';
import { Compile } from 'typebox/compile';
import {
  answerOf,
  isPassedOver,
  type Claiming,
  type ClaimOp,
  type History,
  type Renewing,
} from './history.ts';
import { CLOCK_MS, type Known } from '../room/known.ts';
import type { Outcome } from '../../script/script.ts';

/** The rules that are judged here. */
export const CLAIM_ANSWER_RULES: readonly string[] = [
  'CLAIM-8',
  'CLAIM-9',
  'CLAIM-10',
  'CLAIM-11',
  'CLAIM-17',
  'CLAIM-18',
  'CLAIM-19',
  'CLAIM-20',
  'CLAIM-21',
  'CLAIM-24',
  'CLAIM-27',
];

/** A parked claim is granted a message this soon after its acceptance. @see CLAIM-9 */
const WAKE_MS = 2_000;
const LATE_EMPTY_MS = 5_000;
/** An answer that must come at once must arrive within this time, in ms. */
const SOON_MS = 2_000;
const isClaimId = Compile(ClaimId);
const POSTED = ['ciphertext', 'nonce', 'reply_to', 'ext'] as const;

/** Judges the answers of one history. */
class Answers {
  readonly outcomes: Outcome[] = [];
  readonly #history: History;
  readonly #claims: readonly Claiming[];
  readonly #granted: readonly Claiming[];

  constructor(history: History) {
    this.#history = history;
    this.#claims = history.ops.filter((op) => op.kind === 'claim');
    this.#granted = this.#claims.filter(({ outcome }) => outcome === 'granted');
  }

  #judge(rule: string, ok: boolean, want: string, op: ClaimOp, ...others: string[]): void {
    const evidence = [...new Set([...others, op.key])];
    this.outcomes.push({
      rule,
      ok,
      want,
      got: ok ? '' : answerOf(op),
      evidence,
    });
  }

  #inTime(rule: string, ok: boolean, want: string, op: ClaimOp, ...others: string[]): void {
    const got = ok ? '' : `after ${Math.round(op.t1 - op.t0)} ms ${answerOf(op)}`;
    this.outcomes.push({ rule, ok, want, got, evidence: [...others, op.key], late: true });
  }

  judge(): void {
    for (const op of this.#granted) {
      this.#message(op);
      this.#lease(op);
      this.#resumption(op);
      this.#delivery(op);
    }
    for (const op of this.#claims) {
      if (op.outcome === 'empty') this.#empty(op);
      if (op.outcome === 'no-room') this.#noRoom(op);
      else if (op.outcome !== 'unknown') this.#standing(op);
    }
    for (const op of this.#history.ops)
      if (op.kind === 'renew' && op.outcome === 'renewed') this.#renewed(op);
  }

  #message(op: Claiming): void {
    this.#judge('CLAIM-8', isClaimId.Check(op.claimId), 'a claim_id of 8 to 64 characters', op);
    const known = this.#history.log.get(op.seq);
    if (known === undefined) return;
    const message = op.json.get('message');
    const wrong = POSTED.find(
      (field) => (known.body.get(field).raw ?? null) !== (message.get(field).raw ?? null),
    );
    const ok = wrong === undefined && message.get('id').string === known.id;
    this.#judge('CLAIM-8', ok, `the ${wrong ?? 'id'} of the message as it was posted`, op);
    const soon = op.t1 - Math.max(op.t0, known.since) <= WAKE_MS;
    if (!this.#renewedBefore(op)) this.#inTime('CLAIM-9', soon, 'a message within 2 s of its acceptance', op);
  }

  #renewedBefore(op: Claiming): boolean {
    return this.#history.ops.some(
      (other) => other.kind === 'renew' && other.claimId === op.claimId && other.t0 < op.t1,
    );
  }

  /** @see CLAIM-17 CLAIM-18 */
  #lease(op: Claiming): void {
    const left = op.json.get('lease_remaining_ms').number;
    if (Number.isNaN(left) || op.json.has('resumed')) return;
    const ok = left <= op.leaseMs + CLOCK_MS && left >= op.leaseMs - (op.t1 - op.t0) - CLOCK_MS;
    this.#judge(op.leaseGiven ? 'CLAIM-18' : 'CLAIM-17', ok, `a lease of ${op.leaseMs} ms`, op);
  }

  /** @see CLAIM-20 */
  #resumption(op: Claiming): void {
    const others = this.#granted.filter((other) => other !== op && other.claimId === op.claimId);
    const first = others.find(({ t1 }) => t1 < op.t0);
    const resumed = op.json.get('resumed').raw === true;
    if (first !== undefined) {
      this.#judge('CLAIM-20', resumed, 'resumed: true, for the claim was granted before', op, first.key);
      if (this.#renewedBefore(op)) return;
      const [was, is] = [deadlineOf(first), deadlineOf(op)];
      const same = !(is.from > was.to || is.to < was.from);
      if (!Number.isNaN(is.from)) this.#judge('CLAIM-20', same, 'the deadline that it had', op, first.key);
    } else if (
      !this.#claims.some((c) => c !== op && c.t0 < op.t1 && (c.outcome === 'unknown' || others.includes(c)))
    )
      this.#judge('CLAIM-20', !op.json.has('resumed'), 'no resumed, for the claim is new', op);
  }

  /** @see CLAIM-19 */
  #delivery(op: Claiming): void {
    const delivery = op.json.get('delivery').number;
    if (Number.isNaN(delivery)) return;
    const mine = this.#granted.filter(({ claimId }) => claimId === op.claimId);
    const [t0, t1] = [Math.min(...mine.map((m) => m.t0)), Math.min(...mine.map((m) => m.t1))];
    const others = this.#granted.filter(({ seq, claimId }) => seq === op.seq && claimId !== op.claimId);
    const ids = (ops: readonly Claiming[]) => new Set(ops.map(({ claimId }) => claimId)).size;
    const least = ids(others.filter((other) => other.t1 < t0)) + 1;
    const lost = this.#claims.filter((claim) => claim.outcome === 'unknown' && claim.t0 < t1).length;
    const most = ids(others.filter((other) => other.t0 < t1)) + lost + 1;
    const want = least === most ? `delivery ${least}` : `a delivery from ${least} to ${most}`;
    this.#judge('CLAIM-19', delivery >= least && delivery <= most, want, op);
  }

  /** @see CLAIM-9 CLAIM-10 */
  #empty(op: Claiming): void {
    const took = op.t1 - op.t0;
    const early = `nothing before ${op.timeoutMs} ms, instead of after ${Math.round(took)}`;
    this.#judge('CLAIM-10', took >= op.timeoutMs - CLOCK_MS, early, op);
    this.#inTime(
      'CLAIM-9',
      took <= op.timeoutMs + LATE_EMPTY_MS,
      `an answer within ${op.timeoutMs} ms and 5 s`,
      op,
    );
    const missed = this.#history.log.messages.find((message) => this.#isMissed(message, op));
    if (missed !== undefined)
      this.#inTime('CLAIM-9', false, `seq ${missed.seq} within 2 s of its acceptance`, op);
  }

  #isMissed(message: Known, op: Claiming): boolean {
    const { handle, log, ops } = this.#history;
    return (
      message.since > op.t0 &&
      message.since + WAKE_MS < op.t1 &&
      !isPassedOver(handle, op, message) &&
      !log.mayBeGone(message, op.t1) &&
      !ops.some((other) => other.kind === 'ack' && other.t0 < op.t1 && other.seq >= message.seq)
    );
  }

  /** @see CLAIM-11 CLAIM-27 */
  #noRoom(op: Claiming): void {
    const { json } = op;
    const ok =
      json.get('ok').raw === true &&
      json.get('empty').raw === true &&
      json.get('last_seq').raw === 0 &&
      json.get('cursor').raw === 0;
    this.#judge('CLAIM-11', ok, '{ok, empty: true, last_seq: 0, cursor: 0, exists: false}', op);
    this.#inTime('CLAIM-11', op.t1 - op.t0 < SOON_MS, 'an answer at once', op);
    if (op.epochAsked !== null)
      this.#judge('CLAIM-27', json.get('reset').raw === true, 'reset: true, for the room does not exist', op);
  }

  /** @see CLAIM-24 CLAIM-27 */
  #standing(op: Claiming): void {
    const { json, epochAsked } = op;
    const [cursor, oldest] = [json.get('cursor').number, json.get('oldest_seq').number];
    const epoch = json.get('epoch').string;
    if (!Number.isNaN(oldest)) {
      const due = cursor > 0 && cursor < oldest - 1;
      const gap = json.get('gap');
      const ok = due
        ? gap.get('from').number === cursor + 1 && gap.get('to').number === oldest - 1
        : !json.has('gap');
      this.#judge('CLAIM-24', ok, due ? `gap from ${cursor + 1} to ${oldest - 1}` : 'no gap', op);
    }
    if (epoch === '') return;
    const foreign = epochAsked !== null && epochAsked !== epoch;
    const ok = (json.get('reset').raw === true) === foreign;
    this.#judge('CLAIM-27', ok, foreign ? 'reset: true to another epoch' : 'no reset', op);
  }

  /** @see CLAIM-21 */
  #renewed(op: Renewing): void {
    const left = op.json.get('lease_remaining_ms').number;
    const ok = left <= op.leaseMs + CLOCK_MS && left >= op.leaseMs - (op.t1 - op.t0) - CLOCK_MS;
    this.#judge('CLAIM-21', ok, `ok: true and a lease of ${op.leaseMs} ms`, op);
  }
}

/** The interval in which the lease ends, according to an answer. */
function deadlineOf({ t0, t1, json }: Claiming): { from: number; to: number } {
  const left = json.get('lease_remaining_ms').number;
  return { from: t0 + left - CLOCK_MS, to: t1 + left + CLOCK_MS };
}

/** Judge every answer of a history. */
export function judgeAnswers(history: History): Outcome[] {
  const answers = new Answers(history);
  answers.judge();
  return answers.outcomes;
}
