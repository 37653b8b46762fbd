/** Tables that a stranger can fill: rooms, what is parked or listed in a room, handles, signatures, inboxes, profiles. */
import { pathOf, ROUTES } from '@bot2bot/schemas';
import { agentNamed, dm, type TestAgent } from '../agent.ts';
import { allowance, each, MIB, NO_RATES, type Attack, type Context, type Measured } from './attack.ts';
import { publish, register, registered, signed } from './agents.ts';
import { fieldsOf, type Answer } from './attacker.ts';
import { linesOf, NEWCOMER, ORIGINS, PROXIED, type Origin } from './networks.ts';
import { pipelined } from './pipeline.ts';
import { LONGEST, post, postText } from './room.ts';

const NEWCOMERS = 20;

/** What became of others: the one thing that a full table is judged by. */
function keptOut(statuses: readonly number[], from: string): Measured {
  const refused = statuses.filter((status) => status < 200 || status > 299);
  const which = [...new Set(refused)].join(', ');
  return {
    what: `others that were kept out${which === '' ? '' : ` (${which})`}`,
    value: refused.length,
    unit: `of ${statuses.length}`,
    bound: 0,
    from,
  };
}

/** Ask for the same several times, from an address that has nothing yet. */
async function newcomers(context: Context, ask: (index: number) => Promise<Answer>): Promise<number[]> {
  const statuses: number[] = [];
  await each(NEWCOMERS, 4, async (index) => statuses.push((await ask(index)).status), context.signal);
  return statuses;
}

const ROOMS = 2_000;

function roomsOf(origin: Origin): Attack {
  return {
    name: `tables/rooms-${origin.name}`,
    about: `${origin.about}: as many rooms as the relay lets them have`,
    flags: { ...NO_RATES, ...PROXIED, rooms: ROOMS },
    memory: () => allowance([ROOMS * 8_192, 'rooms × 8 KiB']),
    run: async (context) => {
      await context.begin();
      const statuses = await pipelined(context, ROOMS + 200, 8, (index) =>
        postText(`taken-${index}`, 8, linesOf(origin.at(context, index))),
      );
      const others = await newcomers(context, (index) => post(context, `other-${index}`, 8, NEWCOMER));
      return [
        keptOut(others, 'the table of rooms is not full: a network has its share'),
        {
          what: `rooms of ${origin.about}`,
          value: statuses.filter((status) => status === 200).length,
          unit: 'rooms',
          bound: origin.shares * context.declared.share('rooms'),
          from: `${origin.shares === 1 ? '' : `${origin.shares} × `}rooms / address_share`,
        },
      ];
    },
  };
}

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
      peer.send(`GET ${wait}&timeout=90 HTTP/1.1\r\nHost: x\r\n\r\n`);
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
  about: 'handles of one address take as many places in a room as they may',
  flags: { ...NO_RATES, room_handles: 128 },
  memory: (declared) => allowance([declared.of('room_handles') * 8_192, 'room_handles × 8 KiB']),
  run: async (context) => {
    const { attacker, declared } = context;
    const path = pathOf('claimMessage', 'claimed');
    await post(context, 'claimed');
    const crowd = await registered(context, 'crowd', declared.of('room_handles') + 20);
    const others = await registered(context, 'other', NEWCOMERS, { from: () => context.attacker.other });
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

const VICTIMS = 2_000;
const FLOODED = 64 * MIB;

const victim: Attack = {
  name: 'tables/bytes-of-others',
  about: `one address floods the relay's budget through many small rooms, beside a room of ${VICTIMS} messages`,
  flags: { ...NO_RATES, relay_bytes: FLOODED, cache_bytes: 16 * MIB },
  memory: (declared) =>
    allowance(
      [FLOODED, 'relay_bytes'],
      [declared.of('cache_bytes'), 'cache_bytes'],
      [64 * MIB, 'what is on its way'],
    ),
  run: async (context) => {
    const { attacker } = context;
    await each(VICTIMS, 16, () => post(context, 'victim', 1_024, { from: attacker.address(9) }));
    const count = async () =>
      Number(fieldsOf(await attacker.ask({ path: pathOf('probeRoom', 'victim') }))['recent_count']);
    const before = await count();
    await context.begin();
    // Twice the budget, each room smaller than the victim's.
    const posts = Math.ceil((2 * FLOODED) / LONGEST);
    await each(posts, 8, (index) => post(context, `flood-${index % 128}`, LONGEST), context.signal);
    return [
      {
        what: 'messages that another address lost',
        value: before - (await count()),
        unit: `of ${before}`,
        bound: 0,
        from: 'bytes are shed from the address that holds most; the victim is below its share of relay_bytes',
      },
    ];
  },
};

const SIGNATURES = 2_000;

const replays: Attack = {
  name: 'tables/replay-entries',
  about: 'one handle signs as many requests as the relay remembers signatures',
  flags: { ...NO_RATES, replay_entries: SIGNATURES },
  memory: () => allowance([SIGNATURES * 1_024, 'replay_entries × 1 KiB']),
  run: async (context) => {
    const [agent] = await registered(context, 'signer', 1);
    const others = await registered(context, 'other', NEWCOMERS, { from: () => context.attacker.other });
    await context.begin();
    const ask = (by: TestAgent, from?: string) =>
      signed(context, by, {
        method: 'DELETE',
        path: pathOf('deleteDm', by.handle, 'd_00000000'),
        ...(from === undefined ? {} : { from }),
      });
    if (agent !== undefined) await each(SIGNATURES + 100, 8, () => ask(agent), context.signal);
    const statuses = await Promise.all(
      others.map(async (other) => (await ask(other, context.attacker.other)).status),
    );
    return [keptOut(statuses, 'one address may have 1/address_share of replay_entries')];
  },
};

const DM_BYTES = 8 * MIB;

function inboxes(kind: 'signed' | 'unsigned'): Attack {
  return {
    name: `tables/${kind}-dms`,
    about: `one address fills what the relay has for ${kind} direct messages`,
    flags: { ...NO_RATES, dm_bytes: DM_BYTES },
    memory: () => allowance([2 * DM_BYTES, '2 × dm_bytes']),
    run: async (context) => {
      const { attacker } = context;
      const crowd = await registered(context, 'crowd', 20);
      const [sender, reader] = await registered(context, 'other', 2, { from: () => context.attacker.other });
      const send = (to: string, from: TestAgent | undefined, chars: number, address: string) =>
        attacker.ask({
          from: address,
          method: 'POST',
          path: pathOf('sendDm', to),
          body: dm(to, from, chars),
        });
      await context.begin();
      await each(
        (2 * DM_BYTES) / LONGEST,
        4,
        async (index) => {
          const [to, from] = [crowd[index % crowd.length], crowd[(index + 1) % crowd.length]];
          if (to === undefined) return;
          await send(to.handle, kind === 'signed' ? from : undefined, LONGEST, attacker.address());
        },
        context.signal,
      );
      const statuses = await newcomers(context, () =>
        send(reader?.handle ?? '', kind === 'signed' ? sender : undefined, LONGEST, context.attacker.other),
      );
      return [keptOut(statuses, 'one address may have 1/address_share of dm_bytes')];
    },
  };
}

const HANDLES = 400;

const registry: Attack = {
  name: 'tables/identities-and-profiles',
  about: 'one address registers as many handles and publishes as many profiles as it may',
  flags: { ...NO_RATES, identities: HANDLES, profiles: HANDLES / 2 },
  memory: () => allowance([HANDLES * 32_768, 'identities × 32 KiB']),
  run: async (context) => {
    await context.begin();
    await registered(context, 'crowd', HANDLES + 20, { published: () => ({ summary: 'x' }) });
    const statuses = await newcomers(context, async (index) => {
      const agent = agentNamed(`newcomer-${index}`);
      const answer = await register(context, agent, { from: context.attacker.other });
      if (answer.status !== ROUTES.registerIdentity.status) return answer;
      return publish(context, agent, {}, { from: context.attacker.other });
    });
    return [keptOut(statuses, 'one address may have 1/address_share of identities and of profiles')];
  },
};

export const tables: readonly Attack[] = [
  ...ORIGINS.map(roomsOf),
  waiters,
  listeners,
  handles,
  victim,
  replays,
  inboxes('signed'),
  inboxes('unsigned'),
  registry,
];
