/** What a stranger may do to the relay and to others: each attack in short, judged by its bounds. `npm run attack` for more. */
import { describe, expect, it } from 'vitest';
import { ATTACKS } from './attacks/all.ts';
import type { Attack } from './attacks/attack.ts';
import { isBroken, perform } from './attacks/perform.ts';

/** A bound that is broken, as a person reads it. */
async function broken(attack: Attack, net: number): Promise<string[]> {
  const { measured } = await perform(attack, 'short', { net });
  return measured
    .filter(isBroken)
    .map(({ what, value, unit, bound, from }) => `${what}: ${value}, at most ${bound} ${unit} (${from})`);
}

const isPlace = ({ name }: Attack) => name.startsWith('places/');

// They wait for timings more than they work, so that they may run beside each other.
describe.concurrent('places', () => {
  for (const [i, attack] of ATTACKS.filter(isPlace).entries())
    it(`${attack.name}: ${attack.about}`, async () => expect(await broken(attack, i + 1)).toEqual([]));
});

describe('attacks', () => {
  for (const attack of ATTACKS.filter((one) => !isPlace(one)))
    it(`${attack.name}: ${attack.about}`, async () => expect(await broken(attack, 1)).toEqual([]));
});
