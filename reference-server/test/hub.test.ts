/** Random sequences of operations on a hub: readers get exactly the messages due to them, and memory stays within its bounds. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Client } from '../src/address.ts';
import type { Format } from '../src/encoding.ts';
import { Scene, turn } from './hub-scene.ts';

const room = fc.constantFrom('room-a', 'room-b', 'room-c');
const client = fc.constantFrom<Client[]>(['192.0.2.1'], ['192.0.2.2'], ['192.0.2.3']);
const at = fc.double({ min: 0, max: 1, noNaN: true });
const nth = fc.nat(7);
const does = <K extends string, T extends object>(what: K, values: { [P in keyof T]: fc.Arbitrary<T[P]> }) =>
  fc.record(values).map((drawn) => ({ does: what, ...(drawn as T) }));
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: does('post', {
      room,
      client,
      chars: fc.integer({ min: 1, max: 250 }),
      ttl: fc.constantFrom(0, 0, 0, 4_000),
    }),
  },
  {
    weight: 3,
    arbitrary: does('join', {
      room,
      client,
      format: fc.constantFrom<Format[]>('ws', 'sse', 'sse-plain'),
      at,
      knows: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: does('wait', { room, at, ms: fc.constantFrom(1_000, 20_000) }) },
  { weight: 2, arbitrary: does('read', { room, at }) },
  {
    weight: 2,
    arbitrary: does('claim', { room, client, ms: fc.constantFrom(0, 500, 1_500, 20_000) }),
  },
  { weight: 5, arbitrary: does('turn', {}) },
  { weight: 4, arbitrary: does('pass', { ms: fc.constantFrom(1, 1_000, 5_000, 16_000, 29_999, 30_000) }) },
  { weight: 2, arbitrary: does('stall', { nth }) },
  { weight: 2, arbitrary: does('take', { nth }) },
  { weight: 1, arbitrary: does('leave', { nth }) },
  { weight: 1, arbitrary: does('hang-up', { nth }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function perform(scene: Scene, given: Step): Promise<void> {
  const { streams, reads, hub } = scene;
  const open = streams.filter((stream) => stream.open);
  const chosen = 'nth' in given ? open[given.nth % Math.max(1, open.length)] : undefined;
  if (given.does === 'post') scene.post(given.room, given.client, given.chars, given.ttl);
  else if (given.does === 'join') scene.join(given.room, given.client, given.format, given.at, given.knows);
  else if (given.does === 'wait') scene.wait(given.room, given.at, given.ms);
  else if (given.does === 'read') scene.read(given.room, given.at);
  else if (given.does === 'claim') scene.claim(given.room, given.client, given.ms);
  else if (given.does === 'pass') scene.pass(given.ms);
  else if (given.does === 'stall' && chosen !== undefined) chosen.wire.stalled = true;
  else if (given.does === 'take') chosen?.wire.take();
  else if (given.does === 'leave' && chosen !== undefined) {
    chosen.open = false;
    chosen.life.usedAt = scene.now;
    hub.leave(chosen.sub);
  } else if (given.does === 'hang-up') {
    const parked = reads.filter((read) => read.open);
    parked[given.nth % Math.max(1, parked.length)]?.wire.destroy();
  }
  const isFlushed = ['turn', 'take', 'hang-up'].includes(given.does);
  if (isFlushed) await turn();
  scene.observe(isFlushed);
}

it('every reader gets the messages due to it, once and in order, and the hub stays within its limits', async () => {
  const history = fc.array(step, { minLength: 10, maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(history, async (steps) => {
      const scene = new Scene();
      for (const given of steps) await perform(scene, given);
      await turn();
      scene.observe(true);
      for (const stream of scene.streams.filter(({ open }) => open)) {
        scene.hub.leave(stream.sub);
        stream.open = false;
      }
      // The first sweep answers the waits, the second removes the rooms; both must be done after 60 s.
      for (let i = 0; i < 2; i++) {
        scene.now += 30_000;
        scene.hub.sweep();
        await turn();
      }
      expect([scene.hub.rooms.size, scene.engine.budget.bytes, scene.engine.cache.bytes]).toEqual([0, 0, 0]);
    }),
    { numRuns: 300 },
  );
});
