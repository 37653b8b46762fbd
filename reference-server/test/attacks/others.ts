/** The measurement for a table that an attack fills: whether other clients still get in. */
import { each, type Context, type Measured } from './attack.ts';
import type { Answer } from './attacker.ts';

export const NEWCOMERS = 20;

/** The number of other clients that were refused, as a measurement with bound 0. */
export function keptOut(statuses: readonly number[], from: string): Measured {
  const refused = statuses.filter((status) => status < 200 || status > 299);
  const which = [...new Set(refused)].join(', ');
  return {
    what: `other clients that were refused${which === '' ? '' : ` (${which})`}`,
    value: refused.length,
    unit: `of ${statuses.length}`,
    bound: 0,
    from,
  };
}

/** Repeat a request from an address that has used nothing yet. */
export async function newcomers(
  context: Context,
  ask: (index: number) => Promise<Answer>,
): Promise<number[]> {
  const statuses: number[] = [];
  await each(NEWCOMERS, 4, async (index) => statuses.push((await ask(index)).status), context.signal);
  return statuses;
}
