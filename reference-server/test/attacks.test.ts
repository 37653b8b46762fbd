/** Attacks by unauthenticated clients, each in its short version, compared with its bounds. `npm run attack` runs them at full size. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ATTACKS } from './attacks/all.ts';
import { each, type Attack } from './attacks/attack.ts';
import { clockMs, Control } from './attacks/honest.ts';
import { isBroken, perform } from './attacks/perform.ts';

let control: Control;
beforeAll(async () => {
  control = await Control.start();
});
afterAll(() => control.close());

/** The bounds that the attack broke, as readable text. */
async function broken(attack: Attack, net: number): Promise<string[]> {
  const { measured } = await perform(attack, 'short', control, { net });
  return measured
    .filter(isBroken)
    .map(({ what, value, unit, bound, from }) => `${what}: ${value}, at most ${bound} ${unit} (${from})`);
}

/** Attacks that mostly wait for timeouts, and so can run in parallel. */
const isPatient = ({ name }: Attack) => /^(?:places|tables|streams)\//.test(name);
const AT_ONCE = 3;

describe('the honest client', () => {
  it('has latencies to report, however quick an attack is', async () => {
    const at = clockMs();
    expect((await control.client.between(at, at + 1)).p99).toBeGreaterThan(0);
  });
});

describe('attacks on places and tables', () => {
  const patient = ATTACKS.filter(isPatient);
  const found = new Map<Attack, Promise<string[]>>();
  beforeAll(async () => {
    await each(patient.length, AT_ONCE, async (index) => {
      const attack = patient[index];
      if (attack === undefined) return;
      const result = broken(attack, index + 1);
      found.set(attack, result);
      // The test of this attack reports the failure.
      await result.catch(() => undefined);
    });
  }, 600_000);
  for (const attack of patient)
    it(`${attack.name}: ${attack.about}`, async () => expect(await found.get(attack)).toEqual([]));
});

describe('attacks on memory and processor', () => {
  for (const attack of ATTACKS.filter((one) => !isPatient(one)))
    it(`${attack.name}: ${attack.about}`, async () => expect(await broken(attack, 1)).toEqual([]));
});
