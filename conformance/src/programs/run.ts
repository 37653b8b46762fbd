/** Runs programs: the check whose cases are random programs. */
import type { Check } from '../checks/check.ts';
import type { RelayScript } from '../script/claims.ts';
import type { Sealed } from '../script/rooms.ts';
import type { Stream } from '../script/stream.ts';
import { ClaimActor, isClaimStep } from './claims.ts';
import type { Cursor, Op, Program } from './program.ts';

interface Results {
  readonly posts: {
    readonly body: Sealed & Record<string, unknown>;
    readonly seq: number;
    readonly id: string;
  }[];
  readonly streams: Stream[];
  /** Null if no operation claims. */
  readonly actor: ClaimActor | null;
}

function cursorOf({ of, by }: Cursor, { posts }: Results): number {
  if (of === null || posts.length === 0) return 0;
  const seq = posts[of % posts.length]?.seq ?? 0;
  return Number.isNaN(seq) ? 0 : Math.max(0, seq + by);
}

async function step(script: RelayScript, room: string, given: Op, results: Results): Promise<void> {
  const { posts, streams, actor } = results;
  if (isClaimStep(given)) return actor?.step(script, room, given);
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

/** Run a program in a new room; at the end, wait until every open stream has delivered the newest message. */
async function runProgram(script: RelayScript, { prefix, branches }: Program): Promise<void> {
  const room = script.room();
  const claims = [...prefix, ...branches.flat()].some(isClaimStep);
  const actor = claims ? new ClaimActor(await script.agent()) : null;
  const results: Results = { posts: [], streams: [], actor };
  for (const given of prefix) await step(script, room, given, results);
  const parts = await script.all(
    ...branches.map((ops) => async (branch: RelayScript) => {
      const own: Results = { posts: [...results.posts], streams: [], actor: actor?.branch() ?? null };
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

export const PROGRAM_CHECK: Check<RelayScript> = {
  id: 'READ-8/programs',
  title: 'random programs agree with the model of a room',
  lane: 'quick',
  run: (script, program) => runProgram(script, program as Program),
};
