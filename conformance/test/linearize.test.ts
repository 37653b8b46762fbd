import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClaimOp, History } from '../src/judge/claims/history.ts';
import { RoomLog } from '../src/judge/room/known.ts';
import { judgeOrder } from '../src/judge/claims/model.ts';
import { judge } from '../src/judge/verdict.ts';
import { RELAY } from '../src/judge/relay.ts';
import { linearize, type Operation, type Spec } from '../src/judge/claims/linearize.ts';
import { Value } from '../src/trace/value.ts';
import type { HttpRecord } from '../src/trace/records.ts';
import { BUGS, runRecord, simulate } from './claim-service.ts';

describe('linearize', () => {
  interface Access extends Operation {
    readonly write?: number;
    readonly read?: number;
  }
  const register: Spec<number, Access> = {
    start: 0,
    key: String,
    step: (value, { write, read }) => {
      if (write !== undefined) return [write];
      return read === value ? [value] : { rule: 'R', want: `${value}`, evidence: [] };
    },
  };
  const order = (...ops: Access[]) => linearize(ops, register).kind;

  it('accepts concurrent operations in either order', () => {
    const write = { t0: 0, t1: 10, write: 1 };
    expect(order(write, { t0: 5, t1: 6, read: 0 })).toBe('linear');
    expect(order(write, { t0: 5, t1: 6, read: 1 })).toBe('linear');
    expect(order(write, { t0: 11, t1: 12, read: 0 })).toBe('broken');
    expect(order(write, { t0: 1, t1: 2, read: 1 }, { t0: 3, t1: 4, read: 0 })).toBe('broken');
  });

  it('lets an unanswered operation take effect late, once, or never', () => {
    const lost = { t0: 0, t1: Infinity, write: 1 };
    expect(order(lost, { t0: 5, t1: 6, read: 0 }, { t0: 70, t1: 71, read: 1 })).toBe('linear');
    expect(order(lost, { t0: 5, t1: 6, read: 0 })).toBe('linear');
    const undone = { t0: 20, t1: 21, write: 2 };
    expect(order(lost, { t0: 5, t1: 6, read: 1 }, undone, { t0: 30, t1: 31, read: 1 })).toBe('broken');
    expect(order({ ...lost, t0: 10 }, { t0: 5, t1: 6, read: 1 })).toBe('broken');
  });

  it('reports the operation that cannot follow, and the longest valid order before it', () => {
    const ops: Access[] = [
      { t0: 0, t1: 1, write: 1 },
      { t0: 2, t1: 3, read: 1 },
      { t0: 4, t1: 5, read: 7 },
    ];
    expect(linearize(ops, register)).toMatchObject({ kind: 'broken', order: ops.slice(0, 2), op: ops[2] });
  });

  it('gives up instead of searching for ever', () => {
    const ops = Array.from({ length: 12 }, (_, i): Access => ({ t0: 0, t1: 100, write: i }));
    expect(linearize([...ops, { t0: 200, t1: 201, read: -1 }], register, 1_000).kind).toBe('gave-up');
  });
});

const LEASE = 1_000;
let made = 0;

function claim(t0: number, granted: [id: string, seq: number] | null, cursor = 0): ClaimOp {
  const [claimId, seq] = granted ?? ['', NaN];
  return {
    key: `${made++}`,
    status: 200,
    json: new Value({}),
    kind: 'claim',
    t0,
    t1: t0 + 10,
    outcome: granted === null ? 'empty' : 'granted',
    leaseMs: LEASE,
    leaseGiven: true,
    timeoutMs: 0,
    epochAsked: null,
    exclude: [],
    self: 'label',
    claimId,
    seq,
    cursor,
  };
}

function ack(
  t0: number,
  [claimId, seq]: [string, number],
  outcome: 'advanced' | 'idle' | 'gone',
  cursor: number,
): ClaimOp {
  const common = { key: `${made++}`, status: 200, json: new Value({}), t0, t1: t0 + 10 };
  return { ...common, kind: 'ack', outcome, claimId, seq, cursor };
}

const lost = (op: ClaimOp): ClaimOp => ({ ...op, t1: Infinity, outcome: 'unknown' });

/** A history of operations on a room that has the messages 1 to 3 from the start. */
function history(...ops: ClaimOp[]): History {
  const log = new RoomLog(runRecord());
  for (const seq of [1, 2, 3])
    log.see({
      seq,
      id: '',
      body: new Value({}),
      sender: 'bob',
      signer: '',
      since: -10,
      notBefore: -20,
      ttlMs: 0,
    });
  return { handle: 'ada', room: 'r', ops, log };
}

function broken(...ops: ClaimOp[]): string | undefined {
  return judgeOrder(history(...ops)).find(({ ok }) => !ok)?.rule;
}

describe('one handle in one room', () => {
  it('CLAIM-3, CLAIM-4: the same claim while its lease is live, another one afterwards', () => {
    expect(broken(claim(0, ['a', 1]), claim(500, ['a', 1]), claim(1_020, ['b', 1]))).toBe(undefined);
    expect(broken(claim(0, ['a', 1]), claim(1_005, ['a', 1]))).toBe(undefined);
    expect(broken(claim(0, ['a', 1]), claim(1_005, ['b', 1]))).toBe(undefined);
    expect(broken(claim(0, ['a', 1]), claim(1_020, ['a', 1]))).toBe('CLAIM-4');
    expect(broken(claim(0, ['a', 1]), claim(1_020, ['b', 2]))).toBe('CLAIM-4');
    expect(broken(claim(0, ['a', 1]), claim(1_020, null))).toBe('CLAIM-4');
  });

  it('CLAIM-3, CLAIM-7: no second claim while one is live', () => {
    expect(broken(claim(0, ['a', 1]), claim(500, ['b', 1]))).toBe('CLAIM-7');
    expect(broken(claim(0, ['a', 1]), claim(500, ['b', 2]))).toBe('CLAIM-3');
    expect(broken(claim(0, ['a', 1]), claim(5, ['b', 1]))).toBe('CLAIM-7');
    expect(broken(claim(0, ['a', 1]), claim(500, null))).toBe('CLAIM-3');
  });

  it('CLAIM-5: a late ack has no effect', () => {
    const before = [claim(0, ['a', 1]), claim(1_020, ['b', 1])];
    expect(broken(...before, ack(1_040, ['a', 1], 'gone', 0), claim(1_060, ['b', 1]))).toBe(undefined);
    expect(broken(...before, ack(1_040, ['a', 1], 'advanced', 1))).toBe('CLAIM-5');
    expect(broken(claim(0, ['a', 1]), ack(1_040, ['a', 1], 'advanced', 1))).toBe('CLAIM-5');
    expect(broken(claim(0, ['a', 1]), ack(500, ['a', 1], 'gone', 0))).toBe('CLAIM-15');
    expect(broken(claim(0, ['a', 1]), ack(500, ['a', 2], 'advanced', 2))).toBe('CLAIM-5');
  });

  it('CLAIM-2, CLAIM-6, CLAIM-16: only acks move the cursor, one message at a time', () => {
    const acked = [claim(0, ['a', 1]), ack(20, ['a', 1], 'advanced', 1)];
    expect(broken(...acked, ack(40, ['a', 1], 'idle', 1), claim(60, ['b', 2], 1))).toBe(undefined);
    expect(broken(...acked, claim(60, ['b', 3], 1))).toBe('CLAIM-6');
    expect(broken(...acked, claim(60, ['b', 1], 1))).toBe('CLAIM-2');
    expect(broken(...acked, ack(40, ['a', 1], 'gone', 1))).toBe('CLAIM-16');
    expect(broken(...acked, claim(60, null, 1))).toBe('CLAIM-1');
  });

  it('an operation whose answer was lost may have taken effect', () => {
    expect(broken(lost(claim(0, null)), claim(500, ['a', 1]), ack(520, ['a', 1], 'advanced', 1))).toBe(
      undefined,
    );
    expect(broken(claim(0, ['a', 1]), lost(ack(20, ['a', 1], 'gone', 0)), claim(40, ['a', 1]))).toBe(
      undefined,
    );
    expect(broken(claim(0, ['a', 1]), lost(ack(20, ['a', 1], 'gone', 0)), claim(40, ['b', 2], 1))).toBe(
      undefined,
    );
    expect(broken(claim(0, ['a', 1]), lost(ack(20, ['a', 1], 'gone', 0)), claim(40, ['b', 3], 1))).toBe(
      'CLAIM-3',
    );
  });
});

describe('a history whose search gives up', () => {
  it('is undecided: neither held nor broken', () => {
    const outcomes = judgeOrder(history(claim(0, ['a', 1]), claim(500, ['a', 1])), 1);
    expect(outcomes.map(({ rule, ok, undecided }) => [rule, ok, undecided])).toEqual([
      ['CLAIM-6', false, true],
      ['CLAIM-3', false, true],
    ]);
  });

  it('makes its rules inconclusive', async () => {
    // A failing search tries every order of concurrent operations: here 2^16 states before the last claim, which is wrong.
    const http = {
      t: 'http',
      case: 'many',
      method: 'POST',
      reqHeaders: {},
      resHeaders: {},
      status: 200,
    } as const;
    const message = { seq: 1, id: 'message1', nonce: 'n', ciphertext: 'c', sender: 'bob' };
    const told = (key: string, t0: number, t1: number, claim_id: string): HttpRecord => ({
      ...http,
      key,
      t0,
      t1,
      path: '/api/rooms/room/claim?lease_ms=20000',
      reqBody: '{"handle":"ada"}',
      resBody: JSON.stringify({
        ok: true,
        claim_id,
        message,
        cursor: 0,
        last_seq: 1,
        lease_remaining_ms: 9_000,
      }),
    });
    const posted: HttpRecord = {
      ...http,
      key: 'p',
      t0: 0,
      t1: 1,
      path: '/api/rooms/room/messages',
      reqBody: JSON.stringify(message),
      resBody: '{"ok":true,"id":"message1","seq":1}',
    };
    const many = Array.from({ length: 16 }, (_, i) => told(`${i}`, 10 + i, 100, 'c_first00'));
    const start = { t: 'case', case: 'many', check: 'CLAIM-3/histories', attempt: 0, at: 0 } as const;
    const events = [posted, ...many, told('last', 200, 210, 'c_other00')];
    const { results } = await judge(RELAY, {
      run: runRecord(),
      cases: [{ start: { ...start, program: [] }, end: null, events }],
      shrunk: [],
    });
    const verdicts = results.filter(({ rule }) => ['CLAIM-3', 'CLAIM-6'].includes(rule.id));
    expect(verdicts.map(({ verdict, reason }) => [verdict, reason])).toEqual([
      ['inconclusive', { code: 'gave-up', case: 'many' }],
      ['inconclusive', { code: 'gave-up', case: 'many' }],
    ]);
  });
});

/** Histories per run. In 25 runs of four histories, each fault is found in 20 ("renew revives") to 25: many histories are not affected. */
const HISTORIES = 4;
const RUNS = 25;

function isRejected(seed: number, bug: (typeof BUGS)[number]): boolean {
  const seeds = Array.from({ length: HISTORIES }, (_, i) => seed * HISTORIES + i);
  return seeds.some((each) =>
    judgeOrder(simulate(each, bug)).some(({ ok, undecided }) => !ok && undecided !== true),
  );
}

describe('histories of concurrent clients', () => {
  it('those of a correct service are always accepted', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        expect(judgeOrder(simulate(seed, null)).filter(({ ok }) => !ok)).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });

  it.each(BUGS)('most runs of four histories with this fault are rejected: %s', (bug) => {
    const rejected = Array.from({ length: RUNS }, (_, seed) => isRejected(seed, bug)).filter((is) => is);
    expect(rejected.length / RUNS).toBeGreaterThan(0.6);
  });
});
