/** `Authorization` headers that made regular expressions slow: parsing must take linear time. */
import { pathOf } from '@bot2bot/schemas';
import { allowance, NO_RATES, steadily, type Attack } from './attack.ts';
import { registered } from './agents.ts';

const LONG = 15_500;
const PER_SECOND = 20;

/** One for each way in which a regular expression could backtrack from every position. */
const CREDENTIALS = [
  `Bot2Bot a=${' '.repeat(LONG)}a`,
  `Bot2Bot v=2,ts=1,n=a,sig=${' '.repeat(LONG)}a`,
  `Bot2Bot a=${' a'.repeat(LONG / 2)}`,
  `Bot2Bot ${' '.repeat(LONG)}=`,
  `Bot2Bot${' '.repeat(LONG)}\t`,
  `Bot2Bot ${'a'.repeat(LONG)}`,
  `Bot2Bot ${'a=,'.repeat(LONG / 3)}`,
  `Bot2Bot ${' ,'.repeat(LONG / 2)}a`,
  `Bot2Bot v=2,ts=${'1'.repeat(LONG)}`,
];

export const authorizationSpaces: Attack = {
  name: 'cpu/authorization',
  about: `${PER_SECOND} requests/s whose Authorization is 15 KB of spaces, commas or letters`,
  flags: NO_RATES,
  memory: (declared) => allowance([declared.of('answer_bytes'), 'answer_bytes']),
  run: async (context) => {
    const [agent] = await registered(context, 'spaces', 1);
    const path = pathOf('deleteDm', agent?.handle ?? '', 'd_0');
    await context.begin();
    for (const Authorization of CREDENTIALS)
      await steadily({ perSecond: PER_SECOND, ms: context.size === 'full' ? 3_000 : 400 }, context, () =>
        context.attacker.ask({ method: 'DELETE', path, headers: { Authorization } }),
      );
    return [];
  },
};
