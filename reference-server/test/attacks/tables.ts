/** Limited resources of the relay that any client can use up: rooms, memory, signatures, inboxes, handles, profiles. */
import { pathOf, ROUTES } from '@bot2bot/schemas';
import { agentNamed, dm, type TestAgent } from '../agent.ts';
import { allowance, each, MIB, NO_RATES, type Attack } from './attack.ts';
import { publish, register, registered, signed } from './agents.ts';
import { fieldsOf } from './attacker.ts';
import { linesOf, NEWCOMER, ORIGINS, PROXIED, type Origin } from './networks.ts';
import { pipelined } from './pipeline.ts';
import { keptOut, newcomers, NEWCOMERS } from './others.ts';
import { LONGEST, post, postText } from './room.ts';
import { tablesOfRoom } from './tables-of-room.ts';

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
    // Twice the budget, in rooms that are each smaller than the victim's.
    const posts = Math.ceil((2 * FLOODED) / LONGEST);
    await each(posts, 8, (index) => post(context, `flood-${index % 128}`, LONGEST), context.signal);
    return [
      {
        what: 'messages that another address lost',
        value: before - (await count()),
        unit: `of ${before}`,
        bound: 0,
        from: 'messages are evicted from the address that holds most; the victim is below its share of relay_bytes',
      },
    ];
  },
};

const SIGNATURES = 2_000;

const replays: Attack = {
  name: 'tables/replay-entries',
  about: 'one handle signs as many requests as the relay can remember signatures',
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
/** Length of an ordinary direct message; twenty of them are far below any share. */
const ORDINARY = 400;

function inboxes(kind: 'signed' | 'unsigned'): Attack {
  return {
    name: `tables/${kind}-dms`,
    about: `one address uses up the relay's memory for ${kind} direct messages`,
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
        send(reader?.handle ?? '', kind === 'signed' ? sender : undefined, ORDINARY, context.attacker.other),
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

/** These attacks run at full speed, without rate limits. */
const atFullSpeed = (attack: Attack): Attack => ({ ...attack, patience: 5 });

export const tables: readonly Attack[] = [
  ...ORIGINS.map(roomsOf),
  ...tablesOfRoom,
  victim,
  replays,
  inboxes('signed'),
  inboxes('unsigned'),
  registry,
].map(atFullSpeed);
