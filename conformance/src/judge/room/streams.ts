/** Judges the streams of a room, and that all answers about a room have the same epoch. */
import { queryOf } from '../../trace/operations.ts';
import { numberIn, type StreamSeen } from './history.ts';
import { mayExpire } from './known.ts';
import { judgeRead } from './reads.ts';
import type { Logged, Room } from './room.ts';
import type { Frame } from '../../trace/frames.ts';

/** A message is missing if it arrives neither this long after its acceptance nor after the stream's last message, in ms. */
const LIVE_MS = 2_000;

export function judgeStream(room: Room, stream: StreamSeen): void {
  const { open, frames } = stream;
  const types = frames.map((frame) => frame.type);
  const readyAt = types.indexOf('ready');
  const early = frames
    .slice(0, readyAt < 0 ? frames.length : readyAt)
    .find((frame) => frame.type !== 'message');
  if (readyAt >= 0 || early !== undefined)
    room.judge(
      'STREAM-2',
      early === undefined,
      'only buffered messages before ready',
      `a ${early?.type ?? ''} frame`,
      early?.key ?? open.key,
    );
  const ready = frames[readyAt];
  if (ready === undefined) return;
  const second = frames.slice(readyAt + 1).find((frame) => frame.type === 'ready');
  room.judge('STREAM-2', second === undefined, 'one ready', 'several', ready.key, second?.key ?? ready.key);
  const query = queryOf(open.path);
  const replay = frames.slice(0, readyAt);
  const live = frames.slice(readyAt + 1).filter((frame) => frame.type === 'message');
  const resumed = /^([A-Za-z0-9_-]{8,32}):(\d{1,16})$/.exec(open.reqHeaders['Last-Event-ID'] ?? '');
  const takesAfter = open.kind === 'sse' || room.hardened;
  const usesId = room.hardened && resumed !== null && open.kind === 'sse';
  const asked = usesId ? Number(resumed[2]) : numberIn(query, 'after', 0, 0, Number.MAX_SAFE_INTEGER);
  const after = takesAfter ? asked : 0;
  if (Number.isNaN(after)) return;
  judgeRead(room, {
    key: ready.key,
    kind: 'stream',
    t0: open.t0,
    t1: ready.at,
    after,
    epochAsked: usesId ? (resumed[1] ?? null) : query.get('epoch'),
    json: ready.json,
    messages: replay.map((frame) => frame.json),
    keyOf: (index) => replay[index]?.key ?? ready.key,
    limit: Infinity,
  });
  const foreign = room.hardened && ready.json.get('reset').raw === true;
  judgeFloor(room, ready, foreign ? 0 : after, replay, live);
  judgeLive(room, stream, ready, foreign ? 0 : after, [...replay, ...live]);
  if (room.hardened && open.kind === 'sse') judgeIds(room, stream, ready);
}

function judgeFloor(
  room: Room,
  ready: Frame,
  after: number,
  replay: readonly Frame[],
  live: readonly Frame[],
): void {
  const floor = ready.json.get('last_seq').number;
  if (Number.isNaN(floor)) return;
  const most = Math.max(after, 0, ...replay.map((frame) => frame.json.get('seq').number));
  room.judge('STREAM-5', floor <= most, `last_seq of at most ${most}`, `${floor}`, ready.key);
  const below = live.find((frame) => frame.json.get('seq').number <= floor);
  if (live.length > 0)
    room.judge(
      'STREAM-5',
      below === undefined,
      `only messages above ${floor} after ready`,
      `seq ${below?.json.get('seq').number ?? ''}`,
      below?.key ?? ready.key,
    );
}

function judgeLive(
  room: Room,
  stream: StreamSeen,
  ready: Frame,
  after: number,
  messages: readonly Frame[],
): void {
  const { key } = stream.open;
  const seqs = messages.map((frame) => frame.json.get('seq').number);
  const disorder = seqs.findIndex((seq, i) => i > 0 && !(seq > (seqs[i - 1] ?? NaN)));
  if (seqs.length > 1)
    room.judge(
      'STREAM-3',
      disorder < 0,
      'each message once, in the order of seq',
      `seq ${seqs[disorder] ?? ''} after ${seqs[disorder - 1] ?? ''}`,
      messages[disorder - 1]?.key ?? key,
      messages[disorder]?.key ?? key,
    );
  const seen = new Set(seqs);
  const newest = seqs.at(-1) ?? 0;
  const until = stream.close?.at ?? stream.last;
  const missing = [...room.known.values()].filter(
    (known) =>
      known.seq > after &&
      !seen.has(known.seq) &&
      known.since >= ready.at &&
      !mayExpire(known, Math.min(until, known.since + LIVE_MS)),
  );
  const isDue = [...room.known.values()].some((known) => known.since >= ready.at && known.seq > after);
  const judge = (lost: Logged | undefined, late?: true) => {
    if (!isDue) return;
    const want = `seq ${lost?.seq ?? ''}, accepted while the stream was open`;
    const later = lost === undefined ? -1 : seqs.findIndex((seq) => seq > lost.seq);
    const evidence = [lost?.post?.key ?? key, messages[later]?.key ?? key];
    const [ok, got] = lost === undefined ? [true, ''] : [false, 'a stream without it'];
    room.outcomes.push({ rule: 'STREAM-3', ok, want, got, evidence, ...(late === true ? { late } : {}) });
  };
  judge(missing.find(({ seq }) => seq < newest));
  const latest = Math.max(messages.at(-1)?.at ?? 0, ready.at);
  judge(
    missing.find(({ seq, since }) => seq > newest && Math.max(since, latest) + LIVE_MS < until),
    true,
  );
}

function judgeIds(room: Room, stream: StreamSeen, ready: Frame): void {
  const epoch = ready.json.get('epoch').string;
  for (const frame of stream.frames) {
    if (frame.type !== 'message' && frame.type !== 'ready') continue;
    const seq = frame.json.get(frame.type === 'ready' ? 'last_seq' : 'seq').number;
    room.judge(
      'STREAM-7',
      frame.id === `${epoch}:${seq}`,
      `the event id ${epoch}:${seq}`,
      frame.id ?? 'none',
      frame.key,
    );
  }
}

/** All answers must have the same epoch, as long as the room cannot have been recreated. */
export function judgeEpochs(room: Room): void {
  if (!room.hardened) return;
  const seen = [
    ...room.reads
      .filter((read) => read.kind !== 'stream')
      .map(({ json, t1, key }) => ({ json, at: t1, key, rule: 'READ-11' })),
    ...room.streams.flatMap(({ frames }) => {
      const ready = frames.find((frame) => frame.type === 'ready');
      return ready === undefined ? [] : [{ json: ready.json, at: ready.at, key: ready.key, rule: 'READ-11' }];
    }),
    ...room.answers.map(({ json, t1, key, kind }) => ({
      json,
      at: t1,
      key,
      rule: kind === 'claim' ? 'CLAIM-19' : 'READ-11',
    })),
  ]
    .map((each) => ({ ...each, epoch: each.json.get('epoch').string }))
    .filter(({ epoch }) => epoch !== '');
  const [first] = seen.sort((a, b) => a.at - b.at);
  for (const { epoch, at, key, rule } of seen.slice(1)) {
    if (first === undefined || room.mayBeAnother(at)) return;
    // If the first epoch is that of a claim, it may be the claim that is wrong: judge CLAIM-19.
    const judged = first.rule === 'READ-11' ? rule : first.rule;
    room.judge(judged, epoch === first.epoch, `the epoch ${first.epoch}`, epoch, first.key, key);
  }
}
