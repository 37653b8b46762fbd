/** Chapter 04, first part: SSE, WebSocket, presence. */
import { ROUTES } from '@bot2bot/schemas';
import type { Check } from '../check.ts';
import type { Frame } from '../../trace/frames.ts';
import type { RelayScript } from '../../script/claims.ts';
import type { Stream } from '../../script/stream.ts';
import type { Value } from '../../trace/value.ts';

const BOTH = ['sse', 'ws'] as const;
/** Presence is right this long after the last change. */
const QUIET_MS = 5_000;

const names = (presence: Value | undefined) =>
  (presence?.get('names').items ?? []).map((item) => item.string);
const people = (presence: Value | undefined) =>
  (presence?.get('participants').items ?? []).map((item) => item.get('name').string);
const newest = (frames: readonly Frame[]) => frames.findLast((frame) => frame.type === 'presence')?.json;

/** Wait for presence that satisfies the predicate, as the newest frame of the stream. */
function presence(stream: Stream, holds: (presence: Value) => boolean): Promise<boolean> {
  return stream.until((frames) => {
    const last = newest(frames);
    return last !== undefined && holds(last);
  }, QUIET_MS);
}

const includes =
  (...wanted: string[]) =>
  (presence: Value) =>
    wanted.every((name) => people(presence).includes(name));
const boxPubOf = (presence: Value, name: string) =>
  presence
    .get('participants')
    .items.find((item) => item.get('name').string === name)
    ?.get('box_pub').raw;

/** `size` within what STREAM-11 allows. */
function sizeBetween(least: number, most: number) {
  return (presence: Value) => presence.get('size').number >= least && presence.get('size').number <= most;
}

async function sent(socket: Stream, nonce: string, type = 'sent'): Promise<Frame | undefined> {
  const mine = (frame: Frame) => frame.type === type && frame.json.get('nonce').raw === nonce;
  await socket.until((frames) => frames.some(mine));
  return socket.frames.find(mine);
}

/** Post three messages and say what they are. */
async function three(t: RelayScript, room: string): Promise<number[]> {
  const seqs: number[] = [];
  for (let i = 0; i < 3; i++) seqs.push((await t.posted(room)).seq);
  return seqs;
}

const seqsOf = (stream: Stream) => stream.messages.map((message) => message.get('seq').number);

/** Wait for a message for as long as others keep coming. */
async function drained(stream: Stream, last: number): Promise<void> {
  for (let seen = -1; stream.messages.length > seen && !stream.closed;) {
    seen = stream.messages.length;
    if (await stream.hasSeq(last)) return;
  }
}

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
        stream,
      );
    },
  },
  {
    id: 'STREAM-2/replay',
    title: 'replay, then ready, then live',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const seqs = await three(t, room);
      for (const kind of BOTH) {
        const stream = await t.joined(kind, room);
        const readyAt = stream.frames.findIndex((frame) => frame.type === 'ready');
        const replay = stream.frames.slice(0, readyAt).map((frame) => frame.json.get('seq').number);
        t.require('STREAM-2', replay.join() === seqs.join(), 'the three messages before ready', stream);
        seqs.push((await t.posted(room)).seq);
        await stream.hasSeq(seqs.at(-1) ?? 0);
        t.require('STREAM-2', seqsOf(stream).join() === seqs.join(), 'the live message after ready', stream);
      }
      const later = await t.joined('sse', room, { after: seqs[1] });
      t.require('STREAM-2', seqsOf(later).join() === seqs.slice(2).join(), 'only what is above after', later);
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
          stream,
        );
      }
    },
  },
  {
    id: 'STREAM-4/ready',
    title: 'ready tells the room, who is there, and the floor',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const first = await t.joined('ws', room);
      await first.send({ type: 'hello', name: 'early-bird' });
      await presence(first, includes('early-bird'));
      for (const kind of BOTH) {
        const stream = await t.joined(kind, room);
        const { ready } = stream;
        t.require('STREAM-4', ready.get('roomId').raw === room, 'roomId', stream);
        t.require('STREAM-4', ready.get('size').number >= 2, 'a size that counts this stream', stream);
        t.require('STREAM-4', people(ready).includes('early-bird'), 'the participants', stream);
        if (kind === 'sse')
          t.require('STREAM-4', Number.isSafeInteger(ready.get('last_seq').raw), 'last_seq', stream);
      }
    },
  },
  {
    id: 'STREAM-5/floor',
    title: 'the last_seq of ready is what the stream has sent',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const seqs = await three(t, room);
      // Streams open while messages arrive: whatever the interleaving, nothing may fall between replay and live.
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
            stream,
          );
        t.require('STREAM-3', seqsOf(stream).length === 16, '16 messages', stream);
      }
      const resumed = await t.joined('sse', room, { after: seqs[0] });
      t.require(
        'STREAM-5',
        resumed.ready.get('last_seq').number <= last.seq,
        'last_seq of at most the newest',
        resumed,
      );
    },
  },
  {
    id: 'STREAM-6/keep-alive',
    title: 'an idle stream of events is kept alive',
    lane: 'long',
    run: async (t) => {
      const stream = await t.joined('sse', t.room());
      await presence(stream, () => true);
      const { keepalive_ms: every } = t.target.timings;
      const grace = t.target.outside.length > 0 ? every : QUIET_MS;
      const isComment = (kind: string) => kind === 'comment';
      const since = stream.records.length;
      await t.awaitFrames(
        stream,
        (records) => records.slice(since).some((record) => isComment(record.kind)),
        every + grace,
      );
      await stream.listen(0);
      t.require(
        'STREAM-6',
        stream.records.slice(since).some((record) => isComment(record.kind)),
        `a comment within ${every + grace} ms`,
        stream,
      );
    },
  },
  {
    id: 'STREAM-7/ids',
    title: 'events carry epoch and seq as their id',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      await three(t, room);
      const stream = await t.joined('sse', room);
      const { seq } = await t.posted(room);
      await stream.hasSeq(seq);
      const epoch = stream.ready.get('epoch').string;
      for (const frame of stream.frames) {
        if (frame.type !== 'message' && frame.type !== 'ready') continue;
        const at = frame.json.get(frame.type === 'ready' ? 'last_seq' : 'seq').number;
        t.require('STREAM-7', epoch !== '' && frame.id === `${epoch}:${at}`, `the id <epoch>:${at}`, stream);
      }
    },
  },
  {
    id: 'STREAM-8/last-event-id',
    title: 'Last-Event-ID resumes, and wins over the query',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const [first = 0, second = 0, third = 0] = await three(t, room);
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
          stream,
        );
        t.require(
          'STREAM-8',
          (stream.ready.get('reset').raw === true) === reset,
          reset ? 'reset: true' : 'no reset',
          stream,
        );
      }
    },
  },
  {
    id: 'STREAM-9/websocket',
    title: 'ws carries the same frames',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      await three(t, room);
      const sse = await t.joined('sse', room);
      const ws = await t.joined('ws', room);
      const { seq } = await t.posted(room);
      await sse.hasSeq(seq);
      await ws.hasSeq(seq);
      const json = (stream: Stream) => stream.messages.map((message) => JSON.stringify(message.raw)).join();
      t.require('STREAM-9', json(sse) === json(ws), 'the frames of SSE', sse, ws);
      t.require(
        'STREAM-9',
        ws.records.every((record) => record.kind === 'text'),
        'text frames',
        ws,
      );
    },
  },
  {
    id: 'STREAM-10/after',
    title: 'ws takes after and epoch',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const [first = 0, second = 0, third = 0] = await three(t, room);
      const epoch = (await t.status(room)).json.get('epoch').string;
      const stream = await t.joined('ws', room, { after: first, epoch });
      t.require('STREAM-10', seqsOf(stream).join() === [second, third].join(), 'what is above after', stream);
      t.require(
        'STREAM-10',
        stream.ready.get('last_seq').number === third && !stream.ready.has('reset'),
        `last_seq ${third} in ready`,
        stream,
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
    id: 'STREAM-11/presence',
    title: 'presence follows joins, hellos and leaves',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const watcher = await t.joined('sse', room, { name: 'watcher' });
      t.require(
        'STREAM-11',
        await presence(watcher, includes('watcher')),
        'a presence frame after joining',
        watcher,
      );
      const guest = await t.joined('ws', room);
      t.require(
        'STREAM-11',
        await presence(watcher, sizeBetween(2, 2)),
        'size 2 after a stream without a name has joined',
        watcher,
      );
      await guest.send({ type: 'hello', name: 'guest' });
      t.require(
        'STREAM-11',
        await presence(watcher, includes('watcher', 'guest')),
        'both names after a hello',
        watcher,
      );
      t.require(
        'STREAM-11',
        names(newest(watcher.frames)).includes('guest'),
        'the name of the stream in names',
        watcher,
      );
      await t.send('announceListening', room, { name: 'sleeper' });
      t.require(
        'STREAM-11',
        await presence(watcher, includes('watcher', 'guest', 'sleeper')),
        'the listening agent',
        watcher,
      );
      t.require(
        'STREAM-11',
        await presence(guest, (p) => includes('watcher', 'guest', 'sleeper')(p) && sizeBetween(2, 3)(p)),
        'the same on the other stream',
        guest,
      );
      guest.close();
      t.require(
        'STREAM-11',
        await presence(
          watcher,
          (p) => !people(p).includes('guest') && includes('watcher', 'sleeper')(p) && sizeBetween(1, 2)(p),
        ),
        'no guest after its stream has ended',
        watcher,
      );
    },
  },
  {
    id: 'STREAM-12/heartbeats',
    title: 'names omits agents that only listen',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const watcher = await t.joined('sse', room, { name: 'watcher' });
      await t.send('announceListening', room, { name: 'sleeper' });
      const there = await presence(watcher, includes('sleeper'));
      t.require(
        'STREAM-12',
        there && !names(newest(watcher.frames)).includes('sleeper'),
        'participants with sleeper, names without',
        watcher,
      );
    },
  },
  {
    id: 'STREAM-13/box-pub',
    title: 'keys are shown as sent',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const key = t.bytes(32);
      const forms = [
        key.toString('base64url'),
        key.toString('base64'),
        key.toString('base64').replace(/=+$/, ''),
      ];
      const watcher = await t.joined('sse', room, { name: 'watcher', box_pub: forms[1] });
      t.require(
        'STREAM-13',
        await presence(watcher, (p) => boxPubOf(p, 'watcher') === forms[1]),
        'the key of the query',
        watcher,
      );
      const guest = await t.joined('ws', room);
      const expect = async (frame: Record<string, unknown>, key_: string | undefined, why: string) => {
        await guest.send({ type: 'hello', ...frame });
        // Another change marks the end of the first one's presence.
        const mark = `mark-${t.bytes(4).toString('hex')}`;
        await t.send('announceListening', room, { name: mark });
        const shown = await presence(watcher, (p) => includes(mark)(p) && boxPubOf(p, 'guest') === key_);
        t.require('STREAM-13', shown, why, watcher);
      };
      await expect({ name: 'guest', box_pub: forms[0] }, forms[0], 'base64url without padding, as sent');
      await expect({ name: 'guest' }, forms[0], 'the key kept by a hello without one');
      await expect({ name: 'guest', box_pub: forms[2] }, forms[2], 'base64 without padding, as sent');
      await expect({ name: 'guest', box_pub: 'malformed' }, forms[2], 'a malformed key ignored');
      await expect({ name: 'guest', box_pub: null }, undefined, 'the key cleared by null');
      await t.send('announceListening', room, { name: 'sleeper', box_pub: forms[0] });
      t.require(
        'STREAM-13',
        await presence(watcher, (p) => boxPubOf(p, 'sleeper') === forms[0]),
        'the key of listening',
        watcher,
      );
    },
  },
  {
    id: 'STREAM-14/send',
    title: 'a message frame is a post',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const watcher = await t.joined('sse', room);
      const socket = await t.joined('ws', room);
      const body = { sender: 'by-socket', ...t.sealed(), reply_to: 'AAAAAAAA' };
      await socket.send(body);
      const mine = (frame: Frame) => frame.type === 'message' && frame.json.get('nonce').raw === body.nonce;
      for (const stream of [watcher, socket]) {
        const came = await stream.until((frames) => frames.some(mine));
        const message = stream.frames.find(mine)?.json;
        const same =
          message?.get('ciphertext').raw === body.ciphertext &&
          message.get('sender').raw === 'by-socket' &&
          message.get('reply_to').raw === 'AAAAAAAA';
        t.require('STREAM-14', came && same, 'the message on every stream', stream);
      }
      const page = await t.transcript(room);
      t.require(
        'STREAM-14',
        page.json.get('messages').items.length === 1,
        'the message in the transcript',
        page,
      );
    },
  },
  {
    id: 'STREAM-15/refused',
    title: 'a refused frame is answered with an error',
    lane: 'quick',
    run: async (t) => {
      const socket = await t.joined('ws', t.room());
      await socket.send({ ...t.sealed(), ttl_ms: 1 });
      const came = await socket.has('error');
      const error = socket.of('error')[0]?.json;
      t.require(
        'STREAM-15',
        came && error?.get('code').raw === 400 && error.get('error').string !== '',
        'an error frame with code 400',
        socket,
      );
    },
  },
  {
    id: 'STREAM-16/sent',
    title: 'an accepted frame is acknowledged',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const socket = await t.joined('ws', room);
      const sealed = t.sealed();
      await socket.send(sealed);
      const first = await sent(socket, sealed.nonce);
      const page = await t.transcript(room);
      const message = page.json.get('messages').items[0];
      const same =
        first?.json.get('id').raw === message?.get('id').raw &&
        first?.json.get('seq').raw === message?.get('seq').raw;
      t.require(
        'STREAM-16',
        first !== undefined && same && !first.json.has('duplicate'),
        'sent with nonce, id and seq',
        socket,
        page,
      );
      await socket.send(sealed);
      await socket.until((frames) => frames.filter((frame) => frame.type === 'sent').length >= 2);
      const again = socket.of('sent')[1]?.json;
      t.require(
        'STREAM-16',
        again?.get('duplicate').raw === true && again.get('seq').raw === first?.json.get('seq').raw,
        'sent again with duplicate: true',
        socket,
      );
    },
  },
  {
    id: 'STREAM-17/malformed',
    title: 'a malformed frame is answered, with its nonce',
    lane: 'quick',
    run: async (t) => {
      const socket = await t.joined('ws', t.room());
      const { nonce } = t.sealed();
      await socket.send({ nonce, ciphertext: 'not base64' });
      t.require(
        'STREAM-17',
        (await sent(socket, nonce, 'error')) !== undefined,
        'an error with the nonce',
        socket,
      );
      const reused = t.sealed();
      await socket.send(reused);
      await sent(socket, reused.nonce);
      await socket.send({ ...t.sealed(), nonce: reused.nonce });
      const error = await sent(socket, reused.nonce, 'error');
      t.require(
        'STREAM-17',
        error?.json.get('code').raw === 409,
        'an error with code 409 and the nonce',
        socket,
      );
    },
  },
  {
    id: 'STREAM-18/garbage',
    title: 'garbage does not end a connection',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const socket = await t.joined('ws', room);
      for (const text of [
        '',
        'garbage',
        '{',
        '[]',
        'null',
        '7',
        '{"type":"no-such-type"}',
        '{"type":7}',
        '{"type":"hello"}',
        '{"type":"hello","name":7}',
        '{"type":"listening"}',
        '{"ciphertext":1,"nonce":2}',
      ]) {
        await socket.send(text);
      }
      const { seq } = await t.posted(room);
      const alive = await socket.hasSeq(seq);
      t.require('STREAM-18', alive && !socket.closed, 'the next message on the same connection', socket);
      const body = t.sealed();
      await socket.send(body);
      const works = await socket.until((frames) =>
        frames.some((frame) => frame.type === 'message' && frame.json.get('nonce').raw === body.nonce),
      );
      t.require('STREAM-18', works, 'a message sent afterwards', socket);
    },
  },
  {
    id: 'STREAM-19/long-frame',
    title: 'a frame above frame_bytes ends the connection with 1009',
    lane: 'quick',
    run: async (t) => {
      const socket = await t.joined('ws', t.room());
      await socket.send('x'.repeat(t.target.limits.frame_bytes + 1));
      await socket.until(() => false, 3_000);
      t.require('STREAM-19', socket.closed && socket.log.closed?.code === 1009, 'close code 1009', socket);
    },
  },
  {
    id: 'STREAM-20/no-upgrade',
    title: 'ws without an upgrade is answered 426',
    lane: 'quick',
    run: async (t) => {
      const reply = await t.request('GET', ROUTES.openSocket.path.replace('{room}', t.room()));
      t.require('STREAM-20', reply.status === 426, '426', reply);
    },
  },
  {
    id: 'STREAM-21/listening',
    title: 'listening is answered, and refuses bad names',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const watcher = await t.joined('sse', room);
      const reply = await t.send('announceListening', room, { name: 'agent@1._-é' });
      t.require(
        'STREAM-21',
        reply.status === 200 && reply.json.get('ok').raw === true,
        '200 {ok: true}',
        reply,
      );
      t.require(
        'STREAM-21',
        await presence(watcher, includes('agent@1._-é')),
        'the name among the participants',
        watcher,
      );
      // Deployed relays cut a name that is too long.
      for (const body of [{}, { name: '' }, { name: 'two words' }, { name: 7 }]) {
        const bad = await t.send('announceListening', room, body);
        t.require('STREAM-21', bad.status === 400, `400 to ${JSON.stringify(body).slice(0, 40)}`, bad);
      }
    },
  },
  {
    id: 'STREAM-21/over',
    title: 'a listening agent is there for listening_ms, and not for much longer',
    lane: 'long',
    cert: true,
    run: async (t) => {
      const room = t.room();
      const watcher = await t.joined('sse', room);
      const heard = await t.send('announceListening', room, { name: 'sleeper' });
      await presence(watcher, includes('sleeper'));
      const { listening_ms: keeps } = t.target.timings;
      const slack = t.target.outside.length > 0 ? 2_000 : 10_000;
      await t.sleep(keeps * 0.7);
      const status = await t.joined('ws', room);
      const shown = (status.of('ready')[0]?.at ?? Infinity) - heard.record.t0;
      if (shown < keeps)
        t.require(
          'STREAM-21',
          people(status.ready).includes('sleeper'),
          `the agent after ${Math.round(shown)} ms`,
          status,
        );
      const gone = await watcher.until(
        (frames) => {
          const last = newest(frames);
          return last !== undefined && frames.length > 0 && !people(last).includes('sleeper');
        },
        keeps * 0.3 + slack,
      );
      t.require('STREAM-21', gone, `no agent ${keeps + slack} ms after it was last heard`, watcher);
    },
  },
  {
    id: 'STREAM-22/rename',
    title: 'a changed name is announced',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const watcher = await t.joined('sse', room);
      const socket = await t.joined('ws', room);
      await socket.send({ type: 'hello', name: 'before' });
      await presence(watcher, includes('before'));
      await socket.send({ type: 'hello', name: 'after' });
      const came = await watcher.has('rename');
      const frame = watcher.of('rename')[0]?.json;
      t.require(
        'STREAM-22',
        came && frame?.get('from').raw === 'before' && frame.get('to').raw === 'after',
        'rename from before to after',
        watcher,
      );
      t.require(
        'STREAM-22',
        await presence(watcher, (p) => includes('after')(p) && !people(p).includes('before')),
        'presence with the new name',
        watcher,
      );
    },
  },
  {
    id: 'STREAM-23/coalesced',
    title: 'presence is coalesced',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const watcher = await t.joined('sse', room);
      const socket = await t.joined('ws', room);
      for (let i = 0; i < 15; i++) {
        await socket.send({ type: 'hello', name: `name-${i}` });
        await t.sleep(10);
      }
      await presence(watcher, includes('name-14'));
      const every = t.target.timings.presence_ms;
      const times = watcher.of('presence').map((frame) => frame.at);
      const worst = Math.max(
        ...times.flatMap((from) =>
          times
            .filter((to) => to >= from)
            .map(
              (to) =>
                times.filter((at) => at >= from && at <= to).length - Math.ceil((to - from + 1) / every),
            ),
        ),
      );
      t.require(
        'STREAM-23',
        worst <= 1,
        `at most one frame for each begun ${every} ms and one more`,
        watcher,
      );
    },
  },
  {
    id: 'STREAM-24/slow-reader',
    title: 'a slow reader is continued without a hole or cut off',
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
        await drained(slow, posted.at(-1) ?? 0);
        posted.push((await t.posted(room)).seq);
        await drained(slow, posted.at(-1) ?? 0);
        const seen = seqsOf(slow).slice(before.length);
        const whole = posted.slice(0, seen.length).join() === seen.join();
        if (!t.require('STREAM-24', whole, 'messages without a hole', slow)) return;
        t.requireInTime(
          'STREAM-24',
          seen.length === posted.length || slow.closed,
          'every message, or an end after some of them',
          slow,
        );
        const resumed = await t.joined(kind, room, { after: seen.at(-1) ?? before.at(-1) ?? 0 });
        await drained(resumed, posted.at(-1) ?? 0);
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
