/** Generates and shrinks random programs. Imported only by drivers, since judging a trace does not need fast-check. */
import fc from 'fast-check';
import { LEASES_MS, type ClaimStep } from './claims.ts';
import { CRASH_MS, PLAN_LEASES_MS, SENDERS, type Act, type Plan } from './histories.ts';
import type { Cursor, Op, Program } from './program.ts';

const shared = fc.boolean();
const seldom = fc.constantFrom(false, false, false, false, false, true);
const lease = fc.constantFrom(...LEASES_MS);
const of = fc.constantFrom(0, 0, 0, 1, 2);

const claimStep: fc.Arbitrary<ClaimStep> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ op: fc.constant('claim' as const), shared, lease, excludes: seldom, cut: seldom }),
  },
  { weight: 5, arbitrary: fc.record({ op: fc.constant('ack' as const), shared, of, cut: seldom }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('ack-late' as const), shared, of }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('renew' as const), shared, of, lease }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('release' as const), shared, of }) },
);

const cursor: fc.Arbitrary<Cursor> = fc.record({
  of: fc.option(fc.nat(9), { freq: 3 }),
  by: fc.constantFrom(-1, 0, 0, 1),
});

const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constant('post' as const),
      chars: fc.constantFrom(4, 48, 1_000, 20_000),
      reply: fc.boolean(),
      ext: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constant('repeat' as const), of: fc.nat(9), change: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('wait' as const), after: cursor }) },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('transcript' as const),
      after: cursor,
      limit: fc.constantFrom(1, 2, 3, 100, 500),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('open' as const),
      kind: fc.constantFrom('sse' as const, 'ws' as const),
      after: cursor,
    }),
  },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('send' as const), on: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('resume' as const), on: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('status' as const) }) },
);

const opOrClaim: fc.Arbitrary<Op> = fc.oneof(
  { weight: 2, arbitrary: op },
  { weight: 1, arbitrary: claimStep },
);

function programOf(each: fc.Arbitrary<Op>): fc.Arbitrary<Program> {
  return fc.record({
    prefix: fc.array(each, { maxLength: 8 }),
    branches: fc.array(fc.array(each, { minLength: 1, maxLength: 6 }), { maxLength: 3 }),
  });
}

/** The programs of a run; the same for the same seed. @param claims whether every second program also claims. */
export function programsOf(seed: number, count: number, claims: boolean): Program[] {
  const plain = fc.sample(programOf(op), { seed, numRuns: count });
  if (!claims) return plain;
  const claiming = fc.sample(programOf(opOrClaim), { seed, numRuns: count });
  return plain.map((program, index) => (index % 2 === 0 ? program : (claiming[index] ?? program)));
}

/** Smaller variants of a program (fewer operations, smaller operands), the smallest first. */
export function smaller(program: Program): Iterable<Program> {
  return programOf(opOrClaim)
    .shrink(program, undefined)
    .map(({ value }) => value);
}

const crash = fc.oneof(
  { weight: 8, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.constantFrom(...CRASH_MS) },
);
const back = fc.constantFrom(0, 0, 0, 1);
const planLease = fc.constantFrom(...PLAN_LEASES_MS);
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      act: fc.constant('claim' as const),
      excludes: fc.boolean(),
      lease: planLease,
      crash,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      act: fc.constant('ack' as const),
      back,
      by: fc.constantFrom(0 as const, 0 as const, 0 as const, 1 as const),
      crash,
    }),
  },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('renew' as const), back, lease: planLease, crash }) },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('release' as const), back, crash }) },
  {
    weight: 2,
    arbitrary: fc.record({ act: fc.constant('pause' as const), ms: fc.constantFrom(100, 1_050) }),
  },
);

const plan: fc.Arbitrary<Plan> = fc.record({
  posts: fc.array(fc.constantFrom(...SENDERS), { minLength: 12, maxLength: 20 }),
  processes: fc.array(fc.array(act, { minLength: 8, maxLength: 14 }), { minLength: 2, maxLength: 3 }),
});

/** Number of plans that a case runs concurrently. */
const PLANS_AT_ONCE = 4;

/** The plans of a run; the same for the same seed. */
export function plansOf(seed: number): Plan[] {
  return Array.from({ length: PLANS_AT_ONCE }, (_, index) => index).flatMap((index) =>
    fc.sample(plan, { seed: seed * 31 + index, numRuns: 1 }),
  );
}

export function smallerPlans(plans: Plan[]): Iterable<Plan[]> {
  return fc
    .array(plan, { minLength: 1 })
    .shrink(plans, undefined)
    .map(({ value }) => value);
}
