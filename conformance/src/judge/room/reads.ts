/** Judges reads of a room: transcripts, long-polls, and the replay of streams. */
import type { Read } from './history.ts';
import { mayExpire, mustBeGone } from './known.ts';
import type { Room } from './room.ts';

export function judgeRead(room: Room, read: Read): void {
  const { key } = read;
  if (Number.isNaN(read.after) || Number.isNaN(read.limit)) return;
  const seqs = read.messages.map((message) => message.get('seq').number);
  const epoch = read.json.get('epoch').string;
  const reset = read.json.get('reset').raw === true;
  const foreign = read.epochAsked !== null && epoch !== '' && read.epochAsked !== epoch;
  if (room.hardened && epoch !== '') {
    room.judge(
      'READ-12',
      reset === foreign,
      foreign ? 'reset: true to another epoch' : 'no reset',
      reset ? 'reset: true' : 'no reset',
      key,
    );
  }
  const after = foreign && room.hardened ? 0 : read.after;
  const low = seqs.findIndex((seq) => !(seq > after));
  // The rule is tested only if a message at or below the cursor existed.
  const below = [...room.known.values()].some((k) => k.seq <= after && k.since < read.t0);
  if (low >= 0 || below)
    room.judge(
      'READ-7',
      low < 0,
      `only messages above ${after}`,
      `seq ${seqs[low] ?? ''}`,
      low < 0 ? key : read.keyOf(low),
    );
  const disorder = seqs.findIndex((seq, i) => i > 0 && !(seq > (seqs[i - 1] ?? NaN)));
  if (seqs.length > 1)
    room.judge(
      'READ-8',
      disorder < 0,
      'each message once, in the order of seq',
      `seq ${seqs[disorder] ?? ''} after ${seqs[disorder - 1] ?? ''}`,
      ...(disorder < 0 ? [key] : new Set([read.keyOf(disorder - 1), read.keyOf(disorder)])),
    );
  const due = room.due(after, read.t0, read.t1);
  const pageRule = read.kind === 'wait' ? 'READ-1' : 'READ-4';
  if (read.kind !== 'stream' && (seqs.length > read.limit || due.length > read.limit))
    room.judge(pageRule, seqs.length <= read.limit, `at most ${read.limit} messages`, `${seqs.length}`, key);
  const full = seqs.length >= read.limit;
  const end = full ? (seqs.at(-1) ?? 0) : Infinity;
  const missing = due.find((known) => known.seq <= end && !seqs.includes(known.seq));
  const later = missing === undefined ? -1 : seqs.findIndex((seq) => seq > missing.seq);
  if (due.length > 0)
    room.judge(
      'READ-8',
      missing === undefined,
      `seq ${missing?.seq ?? ''}, accepted before this read began`,
      `a read without it`,
      missing?.post?.key ?? key,
      later < 0 ? key : read.keyOf(later),
    );
  const staleAt = seqs.findIndex((seq) => {
    const known = room.known.get(seq);
    return known !== undefined && mustBeGone(room.run, known, read.t0);
  });
  const stale = room.known.get(seqs[staleAt] ?? NaN);
  if ([...room.known.values()].some((k) => k.seq > after && mustBeGone(room.run, k, read.t0))) {
    room.judge(
      room.hardened ? 'MSG-10' : 'MSG-9',
      stale === undefined,
      'no message past its ttl_ms',
      `seq ${stale?.seq ?? ''}`,
      stale?.post?.key ?? key,
      staleAt < 0 ? key : read.keyOf(staleAt),
    );
  }
  if (read.kind !== 'stream') lastSeq(room, read);
  if (room.hardened && read.json.get('exists').raw !== false) position(room, read, after, seqs, full);
}

function lastSeq(room: Room, read: Read): void {
  const value = read.json.get('last_seq').number;
  const due = room.due(0, read.t0, read.t1);
  const least = due.at(-1)?.seq ?? 0;
  const possible = [...room.known.values()].filter(
    (known) => known.notBefore < read.t1 && !mustBeGone(room.run, known, read.t0),
  );
  const unknown = room.posts.some((post) => post.outcome === 'unknown' && post.t0 < read.t1);
  const most = unknown ? Infinity : Math.max(0, ...possible.map((known) => known.seq));
  const ok = value >= least && value <= most;
  room.judge(
    'READ-5',
    ok,
    `last_seq ${least === most ? least : `from ${least} to ${most}`}`,
    `${value}`,
    read.key,
  );
}

/** Judge next_after, has_more, oldest_seq and gap. */
function position(room: Room, read: Read, after: number, seqs: readonly number[], full: boolean): void {
  const { json, key } = read;
  const oldest = json.get('oldest_seq').number;
  const gap = json.get('gap');
  if (read.kind !== 'stream') {
    const next = json.get('next_after').number;
    const more = json.get('has_more').raw;
    const delivered = seqs.at(-1) ?? after;
    room.judge(
      'READ-9',
      next >= Math.max(after, delivered),
      `next_after of at least ${Math.max(after, delivered)}`,
      `${next}`,
      key,
    );
    const left = room.due(next, read.t0, read.t1);
    room.judge(
      'READ-9',
      more !== false || left.length === 0,
      `has_more: true, for seq ${left[0]?.seq ?? ''}`,
      'has_more: false',
      key,
    );
    const possible = [...room.known.values()].some(
      (k) => k.seq > next && k.notBefore < read.t1 && !mustBeGone(room.run, k, read.t0),
    );
    const unknown = room.posts.some((post) => post.outcome === 'unknown' && post.t0 < read.t1);
    room.judge(
      'READ-9',
      more !== true || possible || unknown,
      'has_more: false, for nothing is left',
      'has_more: true',
      key,
    );
    if (after > 0) {
      const skipped = [...room.known.values()].find(
        (k) =>
          k.seq > after &&
          k.seq <= next &&
          k.since < read.t0 &&
          !seqs.includes(k.seq) &&
          !(k.seq < oldest && k.seq >= gap.get('from').number && k.seq <= gap.get('to').number) &&
          !mayExpire(k, read.t1),
      );
      room.judge(
        'READ-10',
        skipped === undefined,
        `seq ${skipped?.seq ?? ''} delivered or named by gap`,
        'neither',
        key,
      );
    }
    if (!full && seqs.length > 0)
      room.judge(
        'READ-9',
        oldest <= (seqs[0] ?? 0),
        `oldest_seq of at most ${seqs[0] ?? 0}`,
        `${oldest}`,
        key,
      );
  }
  const expected = after > 0 && after < oldest - 1;
  const named = gap.get('from').number === after + 1 && gap.get('to').number === oldest - 1;
  room.judge(
    'READ-10',
    expected ? named : !json.has('gap'),
    expected ? `gap from ${after + 1} to ${oldest - 1}` : 'no gap',
    JSON.stringify(gap.raw ?? null),
    key,
  );
  const evicted = room.mayExceedBytes || room.known.size >= room.run.target.limits.buffer_messages;
  const first = Math.min(...room.known.keys());
  if (!evicted && Number.isFinite(first) && !room.mayBeAnother(read.t1)) {
    const unknown = room.posts.some((post) => post.outcome === 'unknown');
    if (!unknown)
      room.judge(
        'READ-9',
        oldest <= first,
        `oldest_seq ${first} or below, for nothing was evicted`,
        `${oldest}`,
        key,
      );
  }
}
