/**
 * Programs: random examples of rooms in use, and the interpreter that drives them. What they must show is the model's.
 *
 *   program = { prefix: op*, branches: (op*)* }     the branches run at the same time, after the prefix
 *
 * Operands name earlier results of the prefix or of the same branch by index, so that a program means the same in any
 * interleaving.
 */
import fc from 'fast-check';
import type { Check } from '../checks/check.ts';
import { claimStep, Desk, isClaimStep, type ClaimStep } from './claims.ts';
import type { Script, Sealed, Stream } from '../script/script.ts';

/** A cursor: 0, or the seq of an earlier post and a little beside it. */
type Cursor = { readonly of: number | null; readonly by: -1 | 0 | 1 };

type Op =
  | { readonly op: 'post'; readonly chars: number; readonly reply: boolean; readonly ext: boolean }
  | { readonly op: 'repeat'; readonly of: number; readonly change: boolean }
  | { readonly op: 'wait'; readonly after: Cursor }
  | { readonly op: 'transcript'; readonly after: Cursor; readonly limit: number }
  | { readonly op: 'open'; readonly kind: 'sse' | 'ws'; readonly after: Cursor }
  | { readonly op: 'send'; readonly on: number }
  | { readonly op: 'resume'; readonly on: number }
  | { readonly op: 'status' }
  | ClaimStep;

export interface Program {
  readonly prefix: readonly Op[];
  readonly branches: readonly (readonly Op[])[];
}

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

/** The programs of a run: the same for the same seed. @param claims whether every other one claims too. */
export function programsOf(seed: number, count: number, claims: boolean): Program[] {
  const plain = fc.sample(programOf(op), { seed, numRuns: count });
  if (!claims) return plain;
  const claiming = fc.sample(programOf(opOrClaim), { seed, numRuns: count });
  return plain.map((program, index) => (index % 2 === 0 ? program : (claiming[index] ?? program)));
}

/** Smaller programs that may fail in the same way, nearest first. */
export function* smaller(failing: Program): Generator<Program> {
  const { prefix, branches } = failing;
  for (let i = 0; i < branches.length; i++) yield { prefix, branches: branches.filter((_, at) => at !== i) };
  if (branches.length > 0) yield { prefix: [...prefix, ...branches.flat()], branches: [] };
  for (let size = Math.ceil(prefix.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < prefix.length; at += size)
      yield { prefix: prefix.filter((_, i) => i < at || i >= at + size), branches };
  }
  for (let b = 0; b < branches.length; b++) {
    const branch = branches[b] ?? [];
    for (let at = 0; at < branch.length; at++) {
      if (branch.length === 1) continue;
      yield { prefix, branches: branches.map((ops, i) => (i === b ? ops.filter((_, j) => j !== at) : ops)) };
    }
  }
}

interface Results {
  readonly posts: {
    readonly body: Sealed & Record<string, unknown>;
    readonly seq: number;
    readonly id: string;
  }[];
  readonly streams: Stream[];
  /** null where no operation claims. */
  readonly desk: Desk | null;
}

function cursorOf({ of, by }: Cursor, { posts }: Results): number {
  if (of === null || posts.length === 0) return 0;
  const seq = posts[of % posts.length]?.seq ?? 0;
  return Number.isNaN(seq) ? 0 : Math.max(0, seq + by);
}

async function step(script: Script, room: string, given: Op, results: Results): Promise<void> {
  const { posts, streams, desk } = results;
  if (isClaimStep(given)) return desk?.step(script, room, given);
  switch (given.op) {
    case 'post': {
      const reply_to = given.reply ? posts.at(-1)?.id : undefined;
      const body = {
        sender: 'suite',
        ...script.sealed(given.chars),
        ...(reply_to ? { reply_to } : {}),
        ...(given.ext ? { ext: script.bytes(30).toString('base64url') } : {}),
      };
      const reply = await script.post(room, body);
      posts.push({ body, seq: reply.json.get('seq').number, id: reply.json.get('id').string });
      return;
    }
    case 'repeat': {
      const before = posts[given.of % Math.max(1, posts.length)];
      if (before === undefined || !script.hardened) return;
      const { ciphertext } = given.change ? script.sealed() : before.body;
      await script.post(room, { ...before.body, ciphertext });
      return;
    }
    case 'wait':
      await script.wait(room, { after: cursorOf(given.after, results) });
      return;
    case 'transcript':
      await script.transcript(room, { after: cursorOf(given.after, results), limit: given.limit });
      return;
    case 'open': {
      const after = given.kind === 'ws' && !script.hardened ? undefined : cursorOf(given.after, results);
      streams.push(await script.joined(given.kind, room, { after }));
      return;
    }
    case 'send': {
      const sockets = streams.filter((stream) => stream.log.open.kind === 'ws');
      const socket = sockets[given.on % Math.max(1, sockets.length)];
      if (socket === undefined) return;
      await socket.send({ sender: 'suite', ...script.sealed() });
      return;
    }
    case 'resume': {
      const index = given.on % Math.max(1, streams.length);
      const stream = streams[index];
      if (stream === undefined || (stream.log.open.kind === 'ws' && !script.hardened)) return;
      await stream.listen(0);
      stream.close();
      const after = stream.messages.at(-1)?.get('seq').number ?? stream.ready.get('last_seq').number;
      streams[index] = await script.joined(stream.log.open.kind, room, {
        after: Number.isNaN(after) ? 0 : after,
      });
      return;
    }
    case 'status':
      await script.status(room);
  }
}

/** Drive a program in a fresh room; at its end every open stream is given time to show the newest message. */
export async function runProgram(script: Script, { prefix, branches }: Program): Promise<void> {
  const room = script.room();
  const claims = [...prefix, ...branches.flat()].some(isClaimStep);
  const desk = claims ? new Desk(await script.agent()) : null;
  const results: Results = { posts: [], streams: [], desk };
  for (const given of prefix) await step(script, room, given, results);
  const parts = await script.all(
    ...branches.map((ops) => async (branch: Script) => {
      const own: Results = { posts: [...results.posts], streams: [], desk: desk?.branch() ?? null };
      for (const given of ops) await step(branch, room, given, own);
      return own;
    }),
  );
  const page = await script.transcript(room, { limit: 500 });
  const newest = page.json.get('messages').items.at(-1)?.get('seq').number ?? NaN;
  for (const stream of [...results.streams, ...parts.flatMap((part) => part.streams)]) {
    if (!Number.isNaN(newest)) await stream.hasSeq(newest, 2_500);
  }
  if (page.json.get('has_more').raw === true)
    await script.transcript(room, { after: page.json.get('next_after').number, limit: 500 });
}

export const PROGRAM_CHECK: Omit<Check, 'run'> = {
  id: 'READ-8/programs',
  title: 'random programs agree with the model of a room',
  lane: 'quick',
};
