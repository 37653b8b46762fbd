/** What a full table is judged by: others, who have nothing in it yet. */
import { each, type Context, type Measured } from './attack.ts';
import type { Answer } from './attacker.ts';

export const NEWCOMERS = 20;

/** What became of others: the one thing that a full table is judged by. */
export function keptOut(statuses: readonly number[], from: string): Measured {
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
export async function newcomers(
  context: Context,
  ask: (index: number) => Promise<Answer>,
): Promise<number[]> {
  const statuses: number[] = [];
  await each(NEWCOMERS, 4, async (index) => statuses.push((await ask(index)).status), context.signal);
  return statuses;
}
