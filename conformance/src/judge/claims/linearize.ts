/**
 * Linearizability check: Wing and Gong's search, with memoized states. It decides whether concurrent operations can be put
 * into an order in which each takes effect between its request and its answer, and in which every answer is the one that a
 * sequential specification gives.
 *
 * An operation without an answer may have taken effect at any point after its request, or never.
 */
export interface Operation {
  /** When it was sent and when its answer came, on one clock; `t1` is Infinity when no answer came. */
  readonly t0: number;
  readonly t1: number;
}

/** Why an operation cannot have been answered so in a state. */
export interface Refusal {
  readonly rule: string;
  readonly want: string;
  /** Keys of other records that prove it. */
  readonly evidence: readonly string[];
}

export interface Spec<State, Op> {
  readonly start: State;
  /** The states that the operation may lead to. Without an answer: only states where it took effect; 'never' is the search's case. */
  readonly step: (state: State, op: Op) => readonly State[] | Refusal;
  /** Key of a state: equal for states that later operations cannot distinguish, after the same set of operations. */
  readonly key: (state: State) => string;
}

export type Linearized<Op> =
  | { readonly kind: 'linear'; readonly order: readonly Op[] }
  /** `order` is the longest order found; `op` is refused after it. */
  | { readonly kind: 'broken'; readonly order: readonly Op[]; readonly op: Op; readonly refusal: Refusal }
  | { readonly kind: 'gave-up' };

/** The search gives up after this many states: a few seconds. */
const MAX_STATES = 50_000;

interface Node<State, Op> {
  readonly state: State;
  /** Bit set of the operations done, by index. */
  readonly done: bigint;
  readonly answered: number;
  readonly op: Op | null;
  readonly before: Node<State, Op> | null;
}

function isRefusal(result: object): result is Refusal {
  return 'rule' in result;
}

function orderOf<State, Op>(node: Node<State, Op>): Op[] {
  const order: Op[] = [];
  for (let at: Node<State, Op> | null = node; at !== null; at = at.before)
    if (at.op !== null) order.push(at.op);
  return order.reverse();
}

/** Search for an order of the history that the specification allows. */
export function linearize<State, Op extends Operation>(
  history: readonly Op[],
  spec: Spec<State, Op>,
  maxStates = MAX_STATES,
): Linearized<Op> {
  // The stack is last in, first out: earlier answers are tried first, operations without an answer last.
  const ops = [...history].sort((a, b) => b.t1 - a.t1 || b.t0 - a.t0);
  const required = ops.filter((op) => op.t1 < Infinity).length;
  const stack: Node<State, Op>[] = [{ state: spec.start, done: 0n, answered: 0, op: null, before: null }];
  const seen = new Set<string>();
  let deepest = stack[0];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (deepest === undefined || node.answered > deepest.answered) deepest = node;
    if (node.answered === required) return { kind: 'linear', order: orderOf(node) };
    const key = `${node.done.toString(36)} ${spec.key(node.state)}`;
    if (seen.has(key)) continue;
    if (seen.size >= maxStates) return { kind: 'gave-up' };
    seen.add(key);
    for (const { op, bit } of enabled(ops, node.done)) {
      const result = spec.step(node.state, op);
      if (isRefusal(result)) continue;
      for (const state of result)
        stack.push({
          state,
          done: node.done | bit,
          answered: node.answered + (op.t1 < Infinity ? 1 : 0),
          op,
          before: node,
        });
    }
  }
  const stuck = deepest;
  const blocked =
    stuck === undefined ? undefined : enabled(ops, stuck.done).findLast(({ op }) => op.t1 < Infinity);
  const refusal = stuck === undefined || blocked === undefined ? [] : spec.step(stuck.state, blocked.op);
  if (stuck === undefined || blocked === undefined || !isRefusal(refusal))
    throw new Error('a search that failed must end before an operation that is refused');
  return { kind: 'broken', order: orderOf(stuck), op: blocked.op, refusal };
}

/** The operations that may come next: those sent before the earliest outstanding answer. */
function enabled<Op extends Operation>(ops: readonly Op[], done: bigint): { op: Op; bit: bigint }[] {
  const left = ops.flatMap((op, index) => {
    const bit = 1n << BigInt(index);
    return (done & bit) === 0n ? [{ op, bit }] : [];
  });
  const first = Math.min(...left.map(({ op }) => op.t1));
  return left.filter(({ op }) => op.t0 <= first);
}
