/** Chapter 04: presence. */
import type { Check } from '../check.ts';
import type { RelayScript } from '../../script/claims.ts';
import type { Stream } from '../../script/stream.ts';
import type { Frame } from '../../trace/frames.ts';
import { Value } from '../../trace/value.ts';
import { people, newest, presence, includes, readyOf, shownBy } from './streams.ts';

const names = (presence: Value | undefined) =>
  (presence?.get('names').items ?? []).map((item) => item.string);

const boxPubOf = (presence: Value, name: string) =>
  presence
    .get('participants')
    .items.find((item) => item.get('name').string === name)
    ?.get('box_pub').raw;

/** Whether `size` is one that STREAM-11 allows. */
function sizeBetween(least: number, most: number) {
  return (presence: Value) => presence.get('size').number >= least && presence.get('size').number <= most;
}

/** The box key of each name, or undefined. */
type Keys = Readonly<Record<string, string | undefined>>;

/** Every change of a name, as `before-after`. */
const renamesIn = (frames: readonly Frame[]) =>
  frames.flatMap(({ type, json }) =>
    type === 'rename' ? [`${json.get('from').string}-${json.get('to').string}`] : [],
  );

const areSame = (told: readonly string[], wanted: readonly string[]) =>
  told.toSorted().join() === wanted.toSorted().join();

/** Whether a presence frame has exactly the given box key, or none, for each name. */
function areKeyed(presence: Value, keys: Keys): boolean {
  return Object.entries(keys).every(([name, key]) => boxPubOf(presence, name) === key);
}

export const PRESENCE_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'STREAM-11/presence',
    title: 'presence reports joins, hellos and leaves',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const watcher = await t.joined('sse', room, { name: 'watcher' });
      t.require(
        'STREAM-11',
        await presence(watcher, includes('watcher')),
        'a presence frame after joining',
        shownBy(watcher),
      );
      const guest = await t.joined('ws', room);
      t.require(
        'STREAM-11',
        await presence(watcher, sizeBetween(2, 2)),
        'size 2 after a stream without a name has joined',
        shownBy(watcher),
      );
      await guest.send({ type: 'hello', name: 'guest' });
      t.require(
        'STREAM-11',
        await presence(watcher, includes('watcher', 'guest')),
        'both names after a hello',
        shownBy(watcher),
      );
      t.require(
        'STREAM-11',
        names(newest(watcher.frames)).includes('guest'),
        'the name of the stream in names',
        shownBy(watcher),
      );
      await t.send('announceListening', room, { name: 'sleeper' });
      t.require(
        'STREAM-11',
        await presence(watcher, includes('watcher', 'guest', 'sleeper')),
        'the listening agent',
        shownBy(watcher),
      );
      t.require(
        'STREAM-11',
        await presence(guest, (p) => includes('watcher', 'guest', 'sleeper')(p) && sizeBetween(2, 3)(p)),
        'the same on the other stream',
        shownBy(guest),
      );
      guest.close();
      t.require(
        'STREAM-11',
        await presence(
          watcher,
          (p) => !people(p).includes('guest') && includes('watcher', 'sleeper')(p) && sizeBetween(1, 2)(p),
        ),
        'no guest after its stream has ended',
        shownBy(watcher),
      );
    },
  },
  {
    id: 'STREAM-11/everywhere',
    title: 'presence on open streams and ready on new ones list exactly the participants, with their keys',
    lane: 'quick',
    also: ['STREAM-4', 'STREAM-13', 'STREAM-22'],
    run: async (t) => {
      const [room, other] = [t.room(), t.room()];
      const watchers = [await t.joined('sse', room), await t.joined('ws', room)];
      const [first, second, third] = [0, 1, 2].map(() => t.bytes(32).toString('base64url'));
      /**
       * Require the presence on the streams of the watchers.
       * @param open number of open streams in the room.
       * @returns false if it is wrong: then the check ends.
       */
      const stay = async (open: number, named: Keys, listening: Keys = {}): Promise<boolean> => {
        const all = { ...named, ...listening };
        const most = open + Object.keys(listening).length;
        const isTold = (shown: Value) =>
          areSame(people(shown), Object.keys(all)) &&
          areSame(names(shown), Object.keys(named)) &&
          sizeBetween(open, most)(shown);
        for (const watcher of watchers) {
          const whole = await presence(watcher, (shown) => isTold(shown) && areKeyed(shown, all));
          const shown = newest(watcher.frames) ?? new Value(undefined);
          const want = `exactly ${Object.keys(all).join(', ')}, and a size from ${open} to ${most}`;
          const told = t.require('STREAM-11', isTold(shown), want, shownBy(watcher));
          if (told)
            t.require('STREAM-13', areKeyed(shown, all), 'the key of each as it was sent', shownBy(watcher));
          if (!whole) return false;
        }
        return true;
      };
      /** Require the ready of new streams. @param until time from which a listener may have expired. */
      const come = async (to: string, open: number, keys: Keys, until = Infinity): Promise<Stream[]> => {
        const late = [await t.joined('sse', to), await t.joined('ws', to)];
        for (const [index, stream] of late.entries()) {
          const { ready } = stream;
          if ((stream.of('ready')[0]?.at ?? Infinity) > until) continue;
          const least = open + index + 1;
          t.require('STREAM-4', ready.get('roomId').raw === to, 'the roomId of its room', readyOf(stream));
          t.require(
            'STREAM-4',
            ready.get('size').number >= least,
            `a size of at least ${least}`,
            readyOf(stream),
          );
          const isTold = areSame(people(ready), Object.keys(keys));
          t.require('STREAM-4', isTold, 'in ready the participants of presence', readyOf(stream));
          if (isTold)
            t.require(
              'STREAM-13',
              areKeyed(ready, keys),
              'in ready the key of each as it was sent',
              readyOf(stream),
            );
        }
        return late;
      };
      await t.joined('sse', room, { name: 'alpha', box_pub: first });
      if (!(await stay(3, { alpha: first }))) return;
      const guest = await t.joined('ws', room);
      await guest.send({ type: 'hello', name: 'beta', box_pub: second });
      if (!(await stay(4, { alpha: first, beta: second }))) return;
      for (const stream of await come(room, 4, { alpha: first, beta: second })) stream.close();
      await come(other, 0, {});
      const renames: string[] = [];
      for (const [from, to] of [
        ['beta', 'delta'],
        ['delta', 'omega'],
      ] as const) {
        await guest.send({ type: 'hello', name: to });
        if (!(await stay(4, { alpha: first, [to]: second }))) return;
        renames.push(`${from}-${to}`);
      }
      for (const watcher of watchers) {
        await watcher.until((frames) => renamesIn(frames).length >= renames.length);
        const told = renamesIn(watcher.frames).join() === renames.join();
        t.require(
          'STREAM-22',
          told,
          `the renames ${renames.join(' and ')}`,
          watcher.at(...watcher.of('rename')),
        );
      }
      guest.close();
      if (!(await stay(3, { alpha: first }))) return;
      const { record } = await t.send('announceListening', room, { name: 'sleeper', box_pub: third });
      if (!(await stay(3, { alpha: first }, { sleeper: third }))) return;
      await come(room, 3, { alpha: first, sleeper: third }, record.t0 + t.target.timings.listening_ms);
    },
  },
  {
    id: 'STREAM-12/heartbeats',
    title: 'names does not list agents that only listen',
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
        shownBy(watcher),
      );
    },
  },
  {
    id: 'STREAM-13/box-pub',
    title: 'box keys are unchanged',
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
        shownBy(watcher),
      );
      const guest = await t.joined('ws', room);
      const expect = async (frame: Record<string, unknown>, key_: string | undefined, why: string) => {
        await guest.send({ type: 'hello', ...frame });
        // A further change shows when the presence of the first change is complete.
        const mark = `mark-${t.bytes(4).toString('hex')}`;
        await t.send('announceListening', room, { name: mark });
        const shown = await presence(watcher, (p) => includes(mark)(p) && boxPubOf(p, 'guest') === key_);
        t.require('STREAM-13', shown, why, shownBy(watcher));
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
        shownBy(watcher),
      );
    },
  },
  {
    id: 'STREAM-21/listening',
    title: 'listening succeeds, and refuses invalid names',
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
        shownBy(watcher),
      );
      // Deployed relays truncate a name that is too long.
      for (const body of [{}, { name: '' }, { name: 'two words' }, { name: 7 }]) {
        const bad = await t.send('announceListening', room, body);
        t.require('STREAM-21', bad.status === 400, `400 to ${JSON.stringify(body).slice(0, 40)}`, bad);
      }
    },
  },
  {
    id: 'STREAM-21/over',
    title: 'a listening agent is present for listening_ms, and not much longer',
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
          readyOf(status),
        );
      const gone = await watcher.until(
        (frames) => {
          const last = newest(frames);
          return last !== undefined && frames.length > 0 && !people(last).includes('sleeper');
        },
        keeps * 0.3 + slack,
      );
      t.require('STREAM-21', gone, `no agent ${keeps + slack} ms after it was last heard`, shownBy(watcher));
    },
  },
  {
    id: 'STREAM-22/rename',
    title: 'a rename is announced',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const watcher = await t.joined('sse', room);
      const socket = await t.joined('ws', room);
      await socket.send({ type: 'hello', name: 'before' });
      await presence(watcher, includes('before'));
      await socket.send({ type: 'hello', name: 'after' });
      const came = await watcher.has('rename');
      const [frame] = watcher.of('rename');
      t.require(
        'STREAM-22',
        came && frame?.json.get('from').raw === 'before' && frame.json.get('to').raw === 'after',
        'rename from before to after',
        watcher.at(frame),
      );
      t.require(
        'STREAM-22',
        await presence(watcher, (p) => includes('after')(p) && !people(p).includes('before')),
        'presence with the new name',
        shownBy(watcher),
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
      const said: number[] = [];
      const every = t.target.timings.presence_ms;
      for (let i = 0; i < 15; i++) {
        const { at } = await t.sendFrame(socket, JSON.stringify({ type: 'hello', name: `name-${i}` }));
        said.push(at);
        await t.sleep(every / 5);
      }
      await presence(watcher, includes('name-14'));
      const frames = watcher.of('presence').map(({ at, json }) => ({
        at,
        name: said.findIndex((_, i) => json.get('names').items.some(({ raw }) => raw === `name-${i}`)),
      }));
      // A frame with a name was sent after that name; how long before its arrival it was sent is unknown.
      const worst = Math.max(
        ...said.flatMap((from, name) => {
          const after = frames.filter((frame) => frame.name >= name);
          return after.map(({ at }, i) => i + 1 - Math.ceil((at - from + 1) / every));
        }),
      );
      t.require(
        'STREAM-23',
        worst <= 1,
        `at most one frame for each begun ${every} ms and one more`,
        watcher.at(...watcher.of('presence')),
      );
    },
  },
];
