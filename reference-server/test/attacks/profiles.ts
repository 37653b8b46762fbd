/** Directory searches by one address at its maximum rate, with many profiles published. */
import { ROUTES } from '@bot2bot/schemas';
import { allowance, MIB, NO_RATES, steadily, type Attack } from './attack.ts';
import { registered } from './agents.ts';

const PROFILES = { short: 800, full: 8_000 };
const TAGS = 32;
/** The default rate limit of an address. */
const PER_SECOND = 200;

/** Searches: for tags that all profiles share, a text that none contains, a tag that none has. */
const QUESTIONS: readonly ((handle: string) => string)[] = [
  (handle) => `${ROUTES.matchAgents.path}?handle=${handle}`,
  () => `${ROUTES.searchAgents.path}?q=${'nowhere'.repeat(20)}`,
  () => `${ROUTES.searchAgents.path}?capability=nowhere&topic=tag-1&limit=100`,
];

export const profiles: Attack = {
  name: 'cpu/directory',
  about: `${PER_SECOND} times/s matches, then text search, then tags, with thousands of profiles that share their tags`,
  flags: NO_RATES,
  memory: (declared) =>
    allowance([declared.of('answer_bytes'), 'answer_bytes'], [64 * MIB, 'answers under way, read']),
  run: async (context) => {
    const tags = Array.from({ length: TAGS }, (_, i) => `tag-${i}`);
    const agents = await registered(context, 'many', PROFILES[context.size], {
      published: () => ({ capabilities: tags, topics: tags, summary: 'x '.repeat(290) }),
      from: (index) => context.attacker.address(index % 32),
    });
    await context.begin();
    for (const question of QUESTIONS) {
      const path = question(agents[0]?.handle ?? '');
      await steadily({ perSecond: PER_SECOND, ms: context.size === 'full' ? 5_000 : 1_000 }, context, () =>
        context.attacker.ask({ path }),
      );
    }
    return [];
  },
};
