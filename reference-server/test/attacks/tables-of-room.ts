/** Limited resources of one room that any client can use up: parked requests, names in presence, handles with a cursor. */
import { pathOf } from '@bot2bot/schemas';
import type { TestAgent } from '../agent.ts';
import { allowance, each, NO_RATES, type Attack } from './attack.ts';
import { registered, signed } from './agents.ts';
import { fieldsOf } from './attacker.ts';
import { keptOut, newcomers } from './others.ts';
import { get, post } from './room.ts';

const ofOne = 'one address may have 1/address_share of what the room has, the rest is for others';

const waiters: Attack = {
  name: 'tables/room-waiters',
  about: 'one address parks as many requests in a room as it may',
  flags: NO_RATES,
  memory: (declared) => allowance([declared.of('room_waiters') * 65_536, 'room_waiters × 64 KiB']),
  run: async (context) => {
    const { attacker, declared } = context;
    await post(context, 'parked');
    const { last_seq } = fieldsOf(await attacker.ask({ path: pathOf('probeRoom', 'parked') }));
    const wait = `${pathOf('waitForMessages', 'parked')}?after=${String(last_seq)}`;
    await context.begin();
    await each(declared.of('room_waiters') + 50, 50, async () => {
      const peer = await attacker.open();
      peer.send(get(`${wait}&timeout=90`));
    });
    await context.settled(3_000);
    const others = await newcomers(context, () =>
      attacker.ask({ from: context.attacker.other, path: `${wait}&timeout=1` }),
    );
    return [keptOut(others, ofOne)];
  },
};

const listeners: Attack = {
  name: 'tables/room-listeners',
  about: 'one address keeps as many names in the presence of a room as it may',
  flags: NO_RATES,
  memory: (declared) => allowance([declared.of('room_listeners') * 4_096, 'room_listeners × 4 KiB']),
  run: async (context) => {
    const { attacker, declared } = context;
    const path = pathOf('announceListening', 'listed');
    const listen = (name: string, from = attacker.address()) =>
      attacker.ask({ from, method: 'POST', path, body: { name } });
    await post(context, 'listed');
    await context.begin();
    await each(declared.of('room_listeners') + 50, 8, (index) => listen(`listed-${index}`));
    const others = await newcomers(context, (index) => listen(`other-${index}`, context.attacker.other));
    return [keptOut(others, ofOne)];
  },
};

const handles: Attack = {
  name: 'tables/room-handles',
  about: 'handles of one address use as many cursors in a room as they may',
  flags: { ...NO_RATES, room_handles: 128 },
  memory: (declared) => allowance([declared.of('room_handles') * 8_192, 'room_handles × 8 KiB']),
  run: async (context) => {
    const { attacker, declared } = context;
    const path = pathOf('claimMessage', 'claimed');
    await post(context, 'claimed');
    const crowd = await registered(context, 'crowd', declared.of('room_handles') + 20);
    const others = await registered(context, 'other', 8, { from: () => context.attacker.other });
    await context.begin();
    const claim = (agent: TestAgent, from: string) =>
      signed(context, agent, { from, path: `${path}?timeout=1`, body: { handle: agent.handle } });
    await each(crowd.length, 8, async (index) => {
      const agent = crowd[index];
      if (agent !== undefined) await claim(agent, attacker.address());
    });
    const statuses = await Promise.all(
      others.map(async (agent) => (await claim(agent, context.attacker.other)).status),
    );
    return [keptOut(statuses, ofOne)];
  },
};

export const tablesOfRoom: readonly Attack[] = [waiters, listeners, handles];
