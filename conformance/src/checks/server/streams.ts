/** Chapter 04: event streams, replay and live delivery. */
import type { Check } from '../check.ts';
import type { Frame } from '../../trace/frames.ts';
import type { RelayScript } from '../../script/claims.ts';
import { headerOf } from '../../script/reply.ts';
import type { Evidence } from '../../script/script.ts';
import type { Stream } from '../../script/stream.ts';
import type { Value } from '../../trace/value.ts';

const BOTH = ['sse', 'ws'] as const;

/** Time after the last change within which presence must be correct, in ms. */
const QUIET_MS = 5_000;

export const people = (presence: Value | undefined) =>
  (presence?.get('participants').items ?? []).map((item) => item.get('name').string);

export const newest = (frames: readonly Frame[]) =>
  frames.findLast((frame) => frame.type === 'presence')?.json;

/** Wait until the newest frame is a presence that satisfies the predicate. */
export function presence(stream: Stream, holds: (presence: Value) => boolean): Promise<boolean> {
  return stream.until((frames) => {
    const last = newest(frames);
    return last !== undefined && holds(last);
  }, QUIET_MS);
}

/** The last presence of a stream, as evidence; the stream itself shows that no other came after it. */
export function shownBy(stream: Stream): Evidence {
  const last = stream.of('presence').at(-1);
  return last === undefined ? stream : { ...stream.at(last), keys: [stream.key, last.key] };
}

/** The `ready` of a stream. */
export const readyOf = (stream: Stream) => stream.at(stream.of('ready')[0]);

/** Messages that a stream delivered more than once. */
function repeatedOn(stream: Stream): Evidence {
  const seqs = seqsOf(stream);
  return stream.at(
    ...stream.of('message').filter((_, i) => seqs.indexOf(seqs[i] ?? 0) !== seqs.lastIndexOf(seqs[i] ?? 0)),
  );
}

export const includes =
  (...wanted: string[]) =>
  (presence: Value) =>
    wanted.every((name) => people(presence).includes(name));

export async function sent(socket: Stream, nonce: string, type = 'sent'): Promise<Frame | undefined> {
  const mine = (frame: Frame) => frame.type === type && frame.json.get('nonce').raw === nonce;
  await socket.until((frames) => frames.some(mine));
  return socket.frames.find(mine);
}

/** Post three messages. @returns them in the form in which they must be delivered. */
export async function postThree(t: RelayScript, room: string): Promise<number[]> {
  const seqs: number[] = [];
  for (let i = 0; i < 3; i++) seqs.push((await t.posted(room)).seq);
  return seqs;
}

const seqsOf = (stream: Stream) => stream.messages.map((message) => message.get('seq').number);

export const STREAM_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'STREAM-1/sse',
    title: 'events is a stream of JSON frames',
    lane: 'quick',
    run: async (t) => {
      const stream = await t.joined('sse', t.room());
      t.require(
        'STREAM-1',
        stream.header('content-type').startsWith('text/event-stream'),
        'text/event-stream',
        headerOf(stream, 'Content-Type'),
      );
    },
  },
  {
    id: 'STREAM-2/replay',
    title: 'a stream sends the replay, then ready, then live messages',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const seqs = await postThree(t, room);
      for (const kind of BOTH) {
        const stream = await t.joined(kind, room);
        const readyAt = stream.frames.findIndex((frame) => frame.type === 'ready');
        const replay = stream.frames.slice(0, readyAt).map((frame) => frame.json.get('seq').number);
        const other = stream.frames.find(({ json }, i) => json.get('seq').number !== seqs[i]);
        t.require(
          'STREAM-2',
          replay.join() === seqs.join(),
          'the three messages before ready',
          stream.at(other),
        );
        seqs.push((await t.posted(room)).seq);
        await stream.hasSeq(seqs.at(-1) ?? 0);
        t.require(
          'STREAM-2',
          seqsOf(stream).join() === seqs.join(),
          'the live message after ready',
          stream.atOther(seqs),
        );
      }
      const later = await t.joined('sse', room, { after: seqs[1] });
      t.require(
        'STREAM-2',
        seqsOf(later).join() === seqs.slice(2).join(),
        'only what is above after',
        later.atOther(seqs.slice(2)),
      );
    },
  },
  {
    id: 'STREAM-3/everyone',
    title: 'every stream gets every message once',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const streams = [
        await t.joined('sse', room),
        await t.joined('ws', room),
        await t.joined('sse', room, { name: 'watcher' }),
        await t.joined('ws', room),
      ];
      await t.all(
        ...Array.from({ length: 5 }, () => async (branch: RelayScript) => {
          for (let i = 0; i < 4; i++) await branch.posted(room);
        }),
      );
      const last = await t.posted(room);
      for (const stream of streams) {
        const all = await stream.hasSeq(last.seq);
        t.require(
          'STREAM-3',
          all && new Set(seqsOf(stream)).size === 21 && seqsOf(stream).length === 21,
          '21 messages, each once',
          repeatedOn(stream),
        );
      }
    },
  },
  {
    id: 'STREAM-4/ready',
    title: 'ready has the room, its participants and oldest_seq',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const first = await t.joined('ws', room);
      await first.send({ type: 'hello', name: 'early-bird' });
      await presence(first, includes('early-bird'));
      for (const kind of BOTH) {
        const stream = await t.joined(kind, room);
        const { ready } = stream;
        t.require('STREAM-4', ready.get('roomId').raw === room, 'roomId', readyOf(stream));
        t.require(
          'STREAM-4',
          ready.get('size').number >= 2,
          'a size that counts this stream',
          readyOf(stream),
        );
        t.require('STREAM-4', people(ready).includes('early-bird'), 'the participants', readyOf(stream));
        if (kind === 'sse')
          t.require('STREAM-4', Number.isSafeInteger(ready.get('last_seq').raw), 'last_seq', readyOf(stream));
      }
    },
  },
  {
    id: 'STREAM-5/floor',
    title: 'the last_seq of ready is that of the last replayed message',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const seqs = await postThree(t, room);
      // Open streams while messages arrive: in every interleaving, no message may be lost between replay and live delivery.
      const [streams] = await t.all<Stream[]>(
        async (branch) => {
          const opened: Stream[] = [];
          for (let i = 0; i < 6; i++) opened.push(await branch.joined(BOTH[i % 2] ?? 'sse', room));
          return opened;
        },
        async (branch) => {
          for (let i = 0; i < 12; i++) await branch.posted(room);
          return [];
        },
      );
      const last = await t.posted(room);
      for (const stream of streams ?? []) {
        await stream.hasSeq(last.seq);
        const floor = stream.ready.get('last_seq').number;
        const readyAt = stream.frames.findIndex((frame) => frame.type === 'ready');
        const replay = stream.frames.slice(0, readyAt).map((frame) => frame.json.get('seq').number);
        if (!Number.isNaN(floor))
          t.require(
            'STREAM-5',
            floor <= Math.max(0, ...replay),
            `last_seq of at most ${Math.max(0, ...replay)}`,
            readyOf(stream),
          );
        t.require('STREAM-3', seqsOf(stream).length === 16, '16 messages', repeatedOn(stream));
      }
      const resumed = await t.joined('sse', room, { after: seqs[0] });
      t.require(
        'STREAM-5',
        resumed.ready.get('last_seq').number <= last.seq,
        'last_seq of at most the newest',
        readyOf(resumed),
      );
    },
  },
  {
    id: 'STREAM-6/keep-alive',
    title: 'an idle event stream gets keep-alive comments',
    lane: 'long',
    run: async (t) => {
      const stream = await t.joined('sse', t.room());
      await presence(stream, () => true);
      const { keepalive_ms: every } = t.target.timings;
      const grace = t.target.outside.length > 0 ? every : QUIET_MS;
      // A frame of any type ends a silence as a comment does: presence may come twice.
      for (let i = 0; i < 5; i++) {
        const count = stream.records.length;
        await t.awaitFrames(stream, (records) => records.length > count, every + grace);
        await stream.listen(0);
        const came = stream.records.length > count;
        const want = `a comment, or a frame, within ${every + grace} ms of the last`;
        if (!t.requireInTime('STREAM-6', came, want, stream)) return;
        if (stream.records.slice(count).some(({ kind }) => kind === 'comment')) return;
      }
    },
  },
  {
    id: 'STREAM-7/ids',
    title: 'the id of an event is epoch and seq',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      await postThree(t, room);
      const stream = await t.joined('sse', room);
      const { seq } = await t.posted(room);
      await stream.hasSeq(seq);
      const epoch = stream.ready.get('epoch').string;
      for (const frame of stream.frames) {
        if (frame.type !== 'message' && frame.type !== 'ready') continue;
        const at = frame.json.get(frame.type === 'ready' ? 'last_seq' : 'seq').number;
        t.require(
          'STREAM-7',
          epoch !== '' && frame.id === `${epoch}:${at}`,
          `the id <epoch>:${at}`,
          stream.at(frame),
        );
      }
    },
  },
  {
    id: 'STREAM-8/last-event-id',
    title: 'Last-Event-ID resumes a stream, and overrides the query',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const [first = 0, second = 0, third = 0] = await postThree(t, room);
      const epoch = (await t.status(room)).json.get('epoch').string;
      const cases: [Record<string, string | number>, string, number[], boolean][] = [
        [{}, `${epoch}:${first}`, [second, third], false],
        [{ after: third }, `${epoch}:${first}`, [second, third], false],
        [{ epoch: 'another-epoch' }, `${epoch}:${second}`, [third], false],
        [{ after: second, epoch }, `another-epoch:${third}`, [first, second, third], true],
        [{ after: second }, 'nonsense', [third], false],
        [{ after: second }, '', [third], false],
      ];
      for (const [query, id, expected, reset] of cases) {
        const stream = await t.joined('sse', room, query, { 'Last-Event-ID': id });
        t.require(
          'STREAM-8',
          seqsOf(stream).join() === expected.join(),
          `${expected.length} messages after ${id || 'an empty id'}`,
          stream.atOther(expected),
        );
        t.require(
          'STREAM-8',
          (stream.ready.get('reset').raw === true) === reset,
          reset ? 'reset: true' : 'no reset',
          readyOf(stream),
        );
      }
    },
  },
  {
    id: 'STREAM-10/after',
    title: 'a WebSocket accepts after and epoch',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const [first = 0, second = 0, third = 0] = await postThree(t, room);
      const epoch = (await t.status(room)).json.get('epoch').string;
      const stream = await t.joined('ws', room, { after: first, epoch });
      t.require(
        'STREAM-10',
        seqsOf(stream).join() === [second, third].join(),
        'what is above after',
        stream.atOther([second, third]),
      );
      t.require(
        'STREAM-10',
        stream.ready.get('last_seq').number === third && stream.ready.get('reset').raw !== true,
        `last_seq ${third} in ready`,
        readyOf(stream),
      );
      const foreign = await t.joined('ws', room, { after: second, epoch: 'another-epoch' });
      t.require(
        'STREAM-10',
        seqsOf(foreign).length === 3 && foreign.ready.get('reset').raw === true,
        'everything, and reset: true',
        foreign,
      );
    },
  },
  {
    id: 'STREAM-24/slow-reader',
    title: 'a slow reader loses no message, or is disconnected',
    lane: 'solo',
    run: async (t) => {
      const room = t.room();
      for (const kind of BOTH) {
        const slow = await t.joined(kind, room, { after: 0 });
        const before = seqsOf(slow);
        slow.hold(true);
        const posted: number[] = [];
        for (let i = 0; i < 90; i++) posted.push((await t.posted(room, t.sealed(131_072))).seq);
        slow.hold(false);
        await slow.hasSeq(posted.at(-1) ?? 0);
        posted.push((await t.posted(room)).seq);
        await slow.hasSeq(posted.at(-1) ?? 0);
        const seen = seqsOf(slow).slice(before.length);
        const whole = posted.slice(0, seen.length).join() === seen.join();
        if (!t.require('STREAM-24', whole, 'messages without a hole', slow.atOther([...before, ...posted])))
          return;
        t.requireInTime(
          'STREAM-24',
          seen.length === posted.length || slow.closed,
          'every message, or an end after some of them',
          slow,
        );
        const resumed = await t.joined(kind, room, { after: seen.at(-1) ?? before.at(-1) ?? 0 });
        await resumed.hasSeq(posted.at(-1) ?? 0);
        t.requireInTime(
          'STREAM-24',
          resumed.ready.has('gap') || seqsOf(resumed).length === posted.length - seen.length,
          'the rest when it resumes',
          resumed,
        );
        slow.close();
        resumed.close();
      }
    },
  },
];
