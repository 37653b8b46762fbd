/**
 * The executable specification of one handle's claims in one room: a cursor, and at most one live claim, whose deadline is
 * known as an interval. Answers do not show in which order operations took effect: linearize.ts searches for an order.
 */
import {
  answerOf,
  isPassedOver,
  type Acking,
  type Claiming,
  type ClaimOp,
  type History,
  type Releasing,
  type Renewing,
} from './history.ts';
import { CLOCK_MS, mustBeGone, type Known } from '../room/known.ts';
import { linearize, type Refusal, type Spec } from './linearize.ts';
import type { Outcome } from '../../script/script.ts';

/** The rules that the model decides. */
export const CLAIM_MODEL_RULES: readonly string[] = [
  'CLAIM-1',
  'CLAIM-2',
  'CLAIM-3',
  'CLAIM-4',
  'CLAIM-5',
  'CLAIM-6',
  'CLAIM-7',
  'CLAIM-13',
  'CLAIM-15',
  'CLAIM-16',
  'CLAIM-21',
  'CLAIM-22',
  'CLAIM-25',
  'CLAIM-26',
];

/** A claim that was granted and that no operation has ended; its lease may have expired. */
interface Held {
  /** Null if the answer with the id was lost, and no later answer repeated it. */
  readonly id: string | null;
  readonly seq: number;
  /** The earliest and the latest time at which its lease began. */
  readonly from: number;
  readonly to: number;
  readonly leaseMs: number;
  /** Key of the operation that granted or renewed it. */
  readonly key: string;
}

interface State {
  /** Earliest time of the last linearization point. */
  readonly now: number;
  readonly cursor: number;
  /** Whether the handle has a cursor. `perhaps`: it only claimed without a grant, which may or may not create one. */
  readonly claimed: 'never' | 'perhaps' | 'granted';
  readonly held: Held | null;
  /** The claim_ids and seqs granted so far. */
  readonly ids: ReadonlySet<string>;
  readonly granted: ReadonlySet<number>;
}

const START: State = {
  now: -Infinity,
  cursor: 0,
  claimed: 'never',
  held: null,
  ids: new Set(),
  granted: new Set(),
};

function no(rule: string, want: string, ...evidence: (string | undefined)[]): Refusal {
  return { rule, want, evidence: evidence.filter((key) => key !== undefined) };
}

function mayBeLive(held: Held, at: number): boolean {
  return at < held.to + held.leaseMs + CLOCK_MS;
}

function mayBeOver(held: Held, at: number): boolean {
  return at >= held.from + held.leaseMs - CLOCK_MS;
}

/** The state at the operation's linearization point, which lies between its request and its answer. */
function at(state: State, op: ClaimOp): State {
  const held = state.held === null ? null : { ...state.held, to: Math.min(state.held.to, op.t1) };
  return { ...state, held, now: Math.max(state.now, op.t0) };
}

/** A claim that was live at `now`: its lease began at most its own length before. */
function seenLive(held: Held, now: number): Held {
  return { ...held, from: Math.max(held.from, now - held.leaseMs - CLOCK_MS) };
}

/** The sequential specification that the search runs. */
class ClaimSpec implements Spec<State, ClaimOp> {
  readonly start = START;
  readonly #history: History;
  readonly #claims: readonly Claiming[];

  constructor(history: History) {
    this.#history = history;
    this.#claims = history.ops.filter((op) => op.kind === 'claim');
  }

  readonly key = ({ cursor, claimed, held }: State): string =>
    held === null
      ? `${cursor} ${claimed}`
      : `${cursor} ${claimed} ${held.id} ${held.seq} ${held.from} ${held.to} ${held.leaseMs}`;

  readonly step = (before: State, op: ClaimOp): readonly State[] | Refusal => {
    const state = at(before, op);
    switch (op.kind) {
      case 'claim':
        return this.#claim(state, op);
      case 'ack':
        return this.#ack(state, op);
      case 'renew':
        return this.#renew(state, op);
      case 'release':
        return this.#release(state, op);
    }
  };

  /** Whether the live claim may have ended by this time because its message was gone. @see CLAIM-26 */
  #mayHaveEnded(held: Held, at: number): boolean {
    const message = this.#history.log.get(held.seq);
    return (
      message !== undefined &&
      this.#claims.some((c) => c.t0 <= at && this.#history.log.mayBeGone(message, Math.min(at, c.t1)))
    );
  }

  /** Whether there may be no live claim at this time. */
  #mayBeFree({ held }: State, at: number): boolean {
    return held === null || mayBeOver(held, at) || this.#mayHaveEnded(held, at);
  }

  /** The live claim, if it may be the one with this id. */
  #mine({ held, now }: State, claimId: string, seq?: number): Held | null {
    return held !== null &&
      held.id === claimId &&
      (seq === undefined || held.seq === seq) &&
      mayBeLive(held, now)
      ? held
      : null;
  }

  /** The messages that a claim may be granted: all up to the first one that was certainly available. */
  #candidates(state: State, op: Claiming): Known[] {
    const { handle, log } = this.#history;
    const found: Known[] = [];
    for (const message of log.messages) {
      if (message.seq <= state.cursor || isPassedOver(handle, op, message)) continue;
      if (message.notBefore > op.t1 || mustBeGone(log.run, message, state.now)) continue;
      found.push(message);
      if (message.since < state.now && !log.mayBeGone(message, op.t1)) break;
    }
    return found;
  }

  #granting(state: State, message: Known, op: Claiming, id: string | null): State {
    const from = Math.max(state.now, message.notBefore);
    return {
      now: from,
      cursor: state.cursor,
      claimed: 'granted',
      held: { id, seq: message.seq, from, to: op.t1, leaseMs: op.leaseMs, key: op.key },
      ids: id === null ? state.ids : new Set(state.ids).add(id),
      granted: new Set(state.granted).add(message.seq),
    };
  }

  #claim(state: State, op: Claiming): readonly State[] | Refusal {
    const { held, cursor } = state;
    const free = this.#mayBeFree(state, op.t1);
    if (op.outcome === 'unknown') {
      const granted = free ? this.#candidates(state, op).map((m) => this.#granting(state, m, op, null)) : [];
      return state.claimed === 'never' ? [...granted, { ...state, claimed: 'perhaps' }] : granted;
    }
    const claimed = state.claimed === 'never' ? 'perhaps' : state.claimed;
    if (op.outcome === 'no-room') return [{ ...state, claimed }];
    if (op.outcome === 'empty') {
      if (!free)
        return no(
          'CLAIM-3',
          `the claim of seq ${held?.seq ?? ''}, which is live, instead of nothing`,
          held?.key,
        );
      const due = this.#candidates(state, op).find((m) => this.#isDue(m, state, op));
      if (due === undefined) return [{ ...state, claimed, held: null }];
      const again = state.granted.has(due.seq);
      return no(again ? 'CLAIM-4' : 'CLAIM-1', `seq ${due.seq}, which is above the cursor and buffered`);
    }
    const again = this.#resumed(state, op);
    if (again !== null) return again;
    if (state.ids.has(op.claimId))
      return no(
        'CLAIM-4',
        'another claim_id, for the lease of this one ran out or it was released',
        held?.key,
      );
    if (!free && held !== null) {
      const rule = held.seq === op.seq ? 'CLAIM-7' : 'CLAIM-3';
      return no(rule, `the claim ${held.id ?? ''} of seq ${held.seq}, whose lease still runs`, held.key);
    }
    return this.#fresh(state, op, cursor);
  }

  #isDue(message: Known, state: State, op: Claiming): boolean {
    return message.since < state.now && !this.#history.log.mayBeGone(message, op.t1);
  }

  #resumed(state: State, op: Claiming): readonly State[] | Refusal | null {
    const { held, now } = state;
    if (held === null || !mayBeLive(held, now)) return null;
    if (held.id !== op.claimId && (held.id !== null || state.ids.has(op.claimId))) return null;
    if (held.id === null && held.seq !== op.seq) return null;
    const message = this.#history.log.get(held.seq);
    if (held.seq !== op.seq) return no('CLAIM-3', `seq ${held.seq} again, with its claim_id`, held.key);
    if (message !== undefined && mustBeGone(this.#history.log.run, message, now))
      return no('CLAIM-26', 'nothing of a message that has expired', held.key);
    if (op.cursor !== state.cursor) return no('CLAIM-8', `cursor ${state.cursor}`, held.key);
    const ids = new Set(state.ids).add(op.claimId);
    return [{ ...state, ids, held: { ...seenLive(held, now), id: op.claimId } }];
  }

  #fresh(state: State, op: Claiming, cursor: number): readonly State[] | Refusal {
    const { handle, log } = this.#history;
    const message = log.get(op.seq);
    if (message === undefined) return no('CLAIM-8', 'a message of the room');
    if (op.seq <= cursor) return no('CLAIM-2', `a message above the cursor ${cursor}`);
    if (isPassedOver(handle, op, message))
      return no(op.self === 'verified' ? 'CLAIM-14' : 'CLAIM-13', `nothing of ${message.sender}`);
    if (mustBeGone(log.run, message, state.now))
      return no('CLAIM-26', 'nothing of a message that has expired');
    const skipped = this.#candidates(state, op).find((m) => m.seq < op.seq && this.#isDue(m, state, op));
    if (skipped !== undefined) {
      const again = state.granted.has(skipped.seq);
      return no(again ? 'CLAIM-4' : 'CLAIM-6', `seq ${skipped.seq}, which comes before`);
    }
    if (op.cursor !== cursor) return no('CLAIM-8', `cursor ${cursor}`);
    return [this.#granting(state, message, op, op.claimId)];
  }

  #acked(state: State, op: Acking): State {
    return { ...state, cursor: op.seq, held: null };
  }

  #ack(state: State, op: Acking): readonly State[] | Refusal {
    const { cursor, claimed, held } = state;
    const mine = this.#mine(state, op.claimId, op.seq);
    const passed = op.seq <= cursor;
    switch (op.outcome) {
      case 'unknown':
        return mine === null || passed ? [] : [this.#acked(state, op)];
      case 'advanced':
        if (passed) return no('CLAIM-16', `advanced: false, for seq ${op.seq} was acked before`);
        if (mine === null)
          return no('CLAIM-5', '409, for the ack does not name the live claim and its seq', held?.key);
        return op.cursor === op.seq ? [this.#acked(state, op)] : no('CLAIM-15', `cursor ${op.seq}`);
      case 'idle':
        if (passed) return op.cursor === cursor ? [state] : no('CLAIM-16', `cursor ${cursor}`);
        if (claimed !== 'granted') return op.cursor === 0 ? [state] : no('CLAIM-16', 'cursor 0');
        return no(
          mine === null ? 'CLAIM-5' : 'CLAIM-15',
          mine === null ? '409' : 'advanced: true',
          held?.key,
        );
      case 'gone':
        if (passed) return no('CLAIM-16', `advanced: false, for seq ${op.seq} is not above the cursor`);
        if (claimed === 'never') return no('CLAIM-16', 'advanced: false, for the handle never claimed here');
        if (mine !== null && !this.#mayBeFree(state, op.t1))
          return no(this.#ackRule(mine, state.now), 'advanced: true, for the claim is live', mine.key);
        if (op.cursor !== cursor) return no('CLAIM-5', `cursor ${cursor}`);
        return [mine === null ? state : { ...state, held: null }];
    }
  }

  #ackRule({ seq }: Held, now: number): string {
    const message = this.#history.log.get(seq);
    return message !== undefined && this.#history.log.mayBeGone(message, now) ? 'CLAIM-25' : 'CLAIM-15';
  }

  #renew(state: State, op: Renewing): readonly State[] | Refusal {
    const mine = this.#mine(state, op.claimId);
    const renewed = (held: Held): State => ({
      ...state,
      held: { ...held, from: state.now, to: op.t1, leaseMs: op.leaseMs, key: op.key },
    });
    if (op.outcome === 'unknown') return mine === null ? [] : [renewed(mine)];
    if (op.outcome === 'renewed')
      return mine === null
        ? no('CLAIM-21', '409, for the claim is not live', state.held?.key)
        : [renewed(mine)];
    if (mine !== null && !this.#mayBeFree(state, op.t1))
      return no('CLAIM-21', 'ok: true, for the claim is live', mine.key);
    if (op.cursor !== state.cursor) return no('CLAIM-21', `cursor ${state.cursor}`);
    return [mine === null ? state : { ...state, held: null }];
  }

  #release(state: State, op: Releasing): readonly State[] | Refusal {
    const mine = this.#mine(state, op.claimId);
    const free = { ...state, held: null };
    if (op.outcome === 'unknown') return mine === null ? [] : [free];
    if (op.outcome === 'released')
      return mine === null
        ? no('CLAIM-22', 'released: false, for the claim is not live', state.held?.key)
        : [free];
    if (mine !== null && !this.#mayBeFree(state, op.t1))
      return no('CLAIM-22', 'released: true, for the claim is live', mine.key);
    return [mine === null ? state : free];
  }
}

const WANT = 'an order of the operations in which every answer is right';

/** The rule that an operation's answer tested; null if the answer shows nothing. */
function ruleOf(op: ClaimOp, earlier: readonly ClaimOp[]): string | null {
  if (op.outcome === 'unknown' || op.outcome === 'no-room') return null;
  if (op.kind === 'renew') return 'CLAIM-21';
  if (op.kind === 'release') return 'CLAIM-22';
  if (op.kind === 'ack') return { advanced: 'CLAIM-15', idle: 'CLAIM-16', gone: 'CLAIM-5' }[op.outcome];
  if (op.outcome === 'empty') return earlier.some(({ outcome }) => outcome === 'granted') ? 'CLAIM-1' : null;
  const before = earlier.filter((other) => other.kind === 'claim' && other.seq === op.seq) as Claiming[];
  if (before.some(({ claimId }) => claimId === op.claimId)) return 'CLAIM-3';
  return before.length > 0 ? 'CLAIM-4' : 'CLAIM-6';
}

/**
 * Judge whether a history is linearizable.
 * @param maxStates limit of the search; beyond it, the result is undecided.
 */
export function judgeOrder(history: History, maxStates?: number): Outcome[] {
  const result = linearize(history.ops, new ClaimSpec(history), maxStates);
  const order = result.kind === 'gave-up' ? history.ops : result.order;
  const put = order.flatMap((op, index): Outcome[] => {
    const rule = ruleOf(op, order.slice(0, index));
    return rule === null ? [] : [{ rule, ok: true, want: WANT, got: '', evidence: [op.key] }];
  });
  if (result.kind === 'gave-up') return put.map((outcome) => ({ ...outcome, ok: false, undecided: true }));
  if (result.kind === 'linear') return put;
  const { rule, want, evidence } = result.refusal;
  const keys = [...new Set([...evidence, result.op.key])];
  return [...put, { rule, ok: false, want, got: answerOf(result.op), evidence: keys }];
}
