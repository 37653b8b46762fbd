/** Many rooms: the cost of eviction and of the timer must not grow with their number. */
import { allowance, MIB, NO_RATES, type Attack, type Context } from './attack.ts';
import { processorSeconds } from './cost.ts';
import { pipelined } from './pipeline.ts';
import { postText } from './room.ts';

/** So many that no address and no network reaches its share of the rooms. */
const ADDRESSES = 16;
const CHARS = 256;
const ROOMS = 15_000;
/** Less than all rooms need, so that the budget is full before the last is created. */
const BUDGET = ROOMS * 700;
const POSTS = 3_000;
/** Maximum cost of a post at the budget, relative to one below it: it also evicts a message. */
const TIMES = 2.5;

/** Post `count` messages, each into a new room. @returns processor time of the relay per message, in µs. */
async function cost(context: Context, name: string, count: number): Promise<number> {
  const pid = context.relay.child.pid ?? 0;
  const before = processorSeconds(pid);
  await pipelined(context, count, ADDRESSES, (index) => postText(`${name}-${index}`, CHARS));
  return Math.round(((processorSeconds(pid) - before) / count) * 1e6);
}

export const eviction: Attack = {
  name: 'cpu/eviction',
  about: `posts into ${ROOMS} rooms when the relay's budget is full`,
  flags: { ...NO_RATES, relay_bytes: BUDGET, cache_bytes: 16 * MIB, room_idle_ms: 600_000 },
  memory: () =>
    allowance(
      [BUDGET, 'relay_bytes'],
      [16 * MIB, 'cache_bytes'],
      [(ROOMS + 2 * POSTS) * 4_096, 'rooms × 4 KiB'],
    ),
  run: async (context) => {
    await cost(context, 'warm', 1_000);
    await context.begin();
    const below = await cost(context, 'first', POSTS);
    await cost(context, 'many', ROOMS);
    const at = await cost(context, 'last', POSTS);
    return [
      {
        what: `a post at the budget (${at} µs) and below it (${below} µs)`,
        value: Math.round((at / below) * 10) / 10,
        unit: 'times',
        bound: TIMES,
        from: 'the same posts in the same run; one more is evicted for each',
      },
    ];
  },
};

export const sweep: Attack = {
  name: 'cpu/sweep',
  about: 'tens of thousands of rooms without clients, which the timer of the relay checks',
  flags: { ...NO_RATES, room_idle_ms: 600_000 },
  memory: (declared) => allowance([declared.of('cache_bytes'), 'cache_bytes']),
  run: async (context) => {
    await cost(context, 'idle', context.size === 'full' ? 80_000 : 10_000);
    await context.begin();
    await context.pause(context.size === 'full' ? 10_000 : 2_000);
    return [];
  },
};
