/** Chapters 02 and 04: repetitions, behaviour long after the first request, and behaviour under load. */
import type { Check } from '../check.ts';
import { ANSWER_MS } from '../../script/rooms.ts';
import type { Reply } from '../../script/reply.ts';
import type { RelayScript } from '../../script/claims.ts';
import type { Stream } from '../../script/stream.ts';
import { seqsOf } from './reads.ts';
import { includes, people, presence, readyOf, shownBy } from './streams.ts';

const BOTH = ['sse', 'ws'] as const;

/** More messages than a relay replays in one piece, but within the burst of one room. */
const HISTORY = 200;
const DURING = 30;

const carriesGap = (seen: Reply | Stream) => ('ready' in seen ? seen.ready : seen.json).has('gap');
const isReset = (seen: Reply | Stream) =>
  ('ready' in seen ? seen.ready : seen.json).get('reset').raw === true;

/** All kinds of reads of a room, from the same position. */
async function reads(
  t: RelayScript,
  room: string,
  query: Readonly<Record<string, string | number>>,
): Promise<(Reply | Stream)[]> {
  const replies = [await t.transcript(room, query), await t.wait(room, query)];
  const streams = [await t.joined('sse', room, query), await t.joined('ws', room, query)];
  for (const stream of streams) stream.close();
  return [...replies, ...streams];
}

export const REPETITION_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'STREAM-21/again',
    title: 'each request to listen restarts listening_ms',
    lane: 'long',
    cert: true,
    run: async (t) => {
      const room = t.room();
      await t.joined('sse', room);
      const { listening_ms: keeps } = t.target.timings;
      const slack = t.target.outside.length > 0 ? 2_000 : 10_000;
      await t.send('announceListening', room, { name: 'sleeper' });
      await t.sleep(keeps * 0.7);
      const heard = await t.send('announceListening', room, { name: 'sleeper' });
      await t.sleep(keeps * 0.5);
      const late = await t.joined('ws', room);
      if (
        late.log.open.t1 < heard.record.t0 + keeps &&
        (late.of('ready')[0]?.at ?? Infinity) < heard.record.t0 + keeps
      )
        t.require(
          'STREAM-21',
          people(late.ready).includes('sleeper'),
          'the agent, which was heard since',
          heard,
          late,
        );
      const gone = await presence(late, (shown) => !includes('sleeper')(shown));
      if (!gone) await t.sleep(keeps * 0.5 + slack);
      const after = await t.joined('ws', room);
      t.require(
        'STREAM-21',
        !people(after.ready).includes('sleeper'),
        'no agent long after it was heard',
        after,
      );
    },
  },
  {
    id: 'STREAM-13/again',
    title: 'a second listening replaces the key, and removes it if it has none',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const watcher = await t.joined('sse', room);
      for (const box_pub of [t.bytes(32).toString('base64'), t.bytes(32).toString('base64url')]) {
        await t.send('announceListening', room, { name: 'sleeper', box_pub });
        const shown = await presence(watcher, (seen) =>
          seen.get('participants').items.some((item) => item.get('box_pub').raw === box_pub),
        );
        t.require('STREAM-13', shown, 'the key of the newest listening', shownBy(watcher));
      }
    },
  },
  {
    id: 'STREAM-22/again',
    title: 'every change of a name is announced',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const watcher = await t.joined('sse', room);
      const socket = await t.joined('ws', room);
      const names = ['first', 'second', 'third', 'first'];
      for (const name of names) {
        await socket.send({ type: 'hello', name });
        t.require(
          'STREAM-11',
          await presence(socket, includes(name)),
          `${name} among the participants`,
          shownBy(socket),
        );
      }
      const count = names.length - 1;
      await watcher.until(
        (frames) => frames.filter(({ type }) => type === 'rename').length >= count,
        ANSWER_MS,
      );
      const told = watcher
        .of('rename')
        .map(({ json }) => `${json.get('from').string}-${json.get('to').string}`);
      t.require(
        'STREAM-22',
        told.join() === 'first-second,second-third,third-first',
        'three renames',
        watcher.at(...watcher.of('rename')),
      );
    },
  },
  {
    id: 'MSG-16/buffered',
    title: 'a nonce is remembered as long as its message is buffered, even after dedup_ms',
    lane: 'long',
    cert: true,
    also: ['MSG-14', 'MSG-15'],
    run: async (t) => {
      const room = t.room();
      await t.joined('sse', room);
      const { dedup_ms: window, retention_ms: age, ttl_min_ms: least } = t.target.timings;
      if (window > 120_000 || window + 2_000 >= age) return;
      const [plain, mortal] = [t.sealed(), t.sealed()];
      // The nonce of a message after an expired one must be remembered too.
      const ttl_ms = least + window + 60_000;
      const first = [
        await t.posted(room, { ...mortal, ttl_ms }),
        await t.posted(room, plain),
        await t.posted(room, { ttl_ms: least }),
      ];
      await t.sleep(window + 1_500);
      for (const [index, body] of [mortal, plain].entries()) {
        const [seq, reply] = [first[index]?.seq, await t.post(room, body)];
        const told = reply.json.get('duplicate').raw === true && reply.json.get('seq').raw === seq;
        t.require('MSG-16', told, `duplicate: true and seq ${seq ?? ''}, ${window} ms after`, reply);
        const reused = await t.post(room, { ...t.sealed(), nonce: body.nonce });
        t.require('MSG-16', reused.status === 409, '409 to its nonce with another ciphertext', reused);
      }
    },
  },
  {
    id: 'READ-9/expired',
    title: 'expiry does not change oldest_seq or the cursor, and causes no gap',
    lane: 'long',
    also: ['READ-5', 'READ-8', 'READ-10', 'ROOM-5'],
    run: async (t) => {
      const room = t.room();
      await t.joined('sse', room);
      const ttl_ms = t.target.timings.ttl_min_ms;
      const [first, second, third, fourth, fifth] = [
        (await t.posted(room, { ttl_ms })).seq,
        (await t.posted(room)).seq,
        (await t.posted(room, { ttl_ms })).seq,
        (await t.posted(room, { ttl_ms: ttl_ms + 600_000 })).seq,
        (await t.posted(room, { ttl_ms })).seq,
      ];
      await t.sleep(ttl_ms + 200);
      const status = await t.status(room);
      t.require('ROOM-5', status.json.get('recent_count').raw === 2, 'recent_count 2', status);
      t.require('READ-5', status.json.get('last_seq').raw === fourth, `last_seq ${fourth}`, status);
      t.require('READ-9', status.json.get('oldest_seq').raw === first, `oldest_seq ${first}`, status);
      for (const after of [0, first - 1, first, second, third]) {
        const left = [second, fourth].filter((seq) => seq > after);
        for (const seen of await reads(t, room, { after })) {
          t.require('READ-10', !carriesGap(seen), `no gap after ${after}, where nothing was evicted`, seen);
          if ('ready' in seen) {
            const seqs = seen.messages.map((message) => message.get('seq').number);
            t.require('READ-8', seqs.join() === left.join(), `${left.length} messages after ${after}`, seen);
            continue;
          }
          const { json } = seen;
          t.require(
            'READ-8',
            seqsOf(seen).join() === left.join(),
            `${left.length} messages after ${after}`,
            seen,
          );
          t.require('READ-9', json.get('oldest_seq').raw === first, `oldest_seq ${first}`, seen);
          t.require('READ-9', json.get('has_more').raw === false, 'has_more: false', seen);
          const next = json.get('next_after').number;
          t.require('READ-9', next >= fourth && next <= fifth, `next_after from ${fourth} to ${fifth}`, seen);
        }
      }
      const one = await t.transcript(room, { after: first, limit: 1 });
      const more = one.json.get('has_more').raw === true && seqsOf(one).join() === String(second);
      t.require('READ-9', more, `seq ${second} and has_more: true`, one);
    },
  },
  {
    id: 'READ-12/quiet',
    title: 'a request without an epoch gets no reset, and no gap if nothing was evicted',
    lane: 'quick',
    also: ['READ-10', 'READ-9'],
    run: async (t) => {
      const nobody = t.room();
      for (const query of [{}, { after: 7 }]) {
        for (const reply of [await t.transcript(nobody, query), await t.wait(nobody, query)])
          t.require('READ-12', !isReset(reply), 'no reset for a room that does not exist', reply);
      }
      for (const kind of BOTH) {
        const made = await t.joined(kind, t.room(), { after: 7 });
        t.require('READ-12', !isReset(made), 'no reset in a room that the stream makes', readyOf(made));
        const told = await t.joined(kind, t.room(), { after: 7, epoch: 'another-epoch' });
        t.require(
          'READ-12',
          isReset(told),
          'reset: true to an epoch in a room that the stream makes',
          readyOf(told),
        );
      }
      const room = t.room();
      await t.joined('sse', room); // The open stream keeps the room alive, however slow the other steps are.
      const seqs = [(await t.posted(room)).seq, (await t.posted(room)).seq];
      const epoch = (await t.status(room)).json.get('epoch').string;
      for (const query of [{}, { after: 0 }, { after: seqs[0] ?? 0 }, { after: seqs[1] ?? 0, epoch }]) {
        for (const seen of await reads(t, room, query)) {
          t.require(
            'READ-12',
            !isReset(seen),
            `no reset for ${Object.keys(query).join(' and ') || 'a bare read'}`,
            seen,
          );
          t.require('READ-10', !carriesGap(seen), 'no gap where nothing was evicted', seen);
          if (!('ready' in seen))
            t.require('READ-9', seen.json.get('has_more').raw === false, 'has_more: false', seen);
        }
      }
      // Each request with another epoch gets the reset, not only the first.
      for (let i = 0; i < 2; i++)
        for (const seen of await reads(t, room, { after: seqs[1] ?? 0, epoch: 'another-epoch' }))
          t.require('READ-12', isReset(seen), 'reset: true, each time', seen);
    },
  },
  {
    id: 'STREAM-3/busy-replay',
    title: 'messages accepted during a long replay are neither lost nor sent twice',
    lane: 'quick',
    also: ['STREAM-2', 'STREAM-5', 'READ-8'],
    run: async (t) => {
      const room = t.room();
      const { buffer_messages: buffer, room_burst: burst } = t.target.limits;
      const history = Math.min(HISTORY, buffer - DURING - 10, Math.floor(burst * 0.6));
      const seqs: number[] = [];
      await t.all(
        ...Array.from({ length: 8 }, () => async (branch: RelayScript) => {
          for (let i = 0; i < history / 8; i++)
            seqs.push((await branch.posted(room, branch.sealed(1_024))).seq);
        }),
      );
      const streams: Stream[] = [];
      await t.all(
        async (branch) => {
          for (let i = 0; i < DURING; i++) seqs.push((await branch.posted(room, branch.sealed(4))).seq);
        },
        ...[0, 1, 2, 3].map((i) => async (branch: RelayScript) => {
          await branch.sleep(i * 15);
          streams.push(await branch.joined(BOTH[i % 2] ?? 'sse', room));
        }),
      );
      seqs.push((await t.posted(room)).seq);
      const wanted = seqs.sort((a, b) => a - b);
      for (const stream of streams) {
        await stream.hasSeq(wanted.at(-1) ?? 0, 5_000);
        const seen = stream.messages.map((message) => message.get('seq').number);
        t.require(
          'STREAM-3',
          seen.join() === wanted.join(),
          `${wanted.length} messages, each once, in order`,
          stream.atOther(wanted),
        );
        const ready = stream.frames.findIndex(({ type }) => type === 'ready');
        const floor = stream.ready.get('last_seq').number;
        const replayed = stream.frames.slice(0, ready).filter(({ type }) => type === 'message').length;
        if (!Number.isNaN(floor))
          t.require(
            'STREAM-5',
            floor <= (seen[replayed - 1] ?? 0),
            'a floor that the stream has sent',
            readyOf(stream),
          );
      }
    },
  },
  {
    id: 'READ-4/exact',
    title: 'a page has 100 messages by default and at most 500, and has_more is false at the end of the room',
    lane: 'long',
    also: ['READ-1', 'READ-9'],
    run: async (t) => {
      const room = t.room();
      await t.joined('ws', room);
      const most = Math.min(501, t.target.limits.buffer_messages);
      const seqs: number[] = [];
      const page = async (reply: Promise<Reply>, count: number, rule: string, what: string) => {
        const seen = await reply;
        const got = seqsOf(seen);
        t.require(
          rule,
          got.join() === seqs.slice(0, count).join(),
          `${count} messages of ${seqs.length} ${what}`,
          seen,
        );
        if (!t.hardened) return;
        const more = seqs.length > count;
        t.require('READ-9', seen.json.get('has_more').raw === more, `has_more: ${more}`, seen);
        const next = seen.json.get('next_after').number;
        t.require('READ-9', next === seqs[count - 1], `next_after ${seqs[count - 1] ?? ''}`, seen);
      };
      for (const size of [100, 101, 500, 501]) {
        if (size > most) return;
        while (seqs.length < size) seqs.push((await t.posted(room, t.sealed(4))).seq);
        await page(t.transcript(room), Math.min(size, 100), 'READ-4', 'without a limit');
        await page(t.transcript(room, { limit: size - 1 }), Math.min(size - 1, 500), 'READ-4', 'to one less');
        await page(t.transcript(room, { limit: size }), Math.min(size, 500), 'READ-4', 'to as many');
        await page(t.wait(room), Math.min(size, 500), 'READ-1', 'to a wait');
      }
    },
  },
];
