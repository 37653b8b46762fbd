/** Conformant relays that differ from the reference relay in chapter 06. */
import { REQUIREMENTS } from '@bot2bot/schemas';
import { describe, it } from 'vitest';
import { AGENTS, BENIGN } from '../mutants/benign.ts';
import { accusations, certifyBenign } from './certify.ts';

const LONG_MS = 200_000;

describe('conformant relays that differ in identities, DMs or directory pass', () => {
  it.concurrent.for(
    BENIGN.filter(({ only }) => only === AGENTS).map((benign) => [benign.name, benign] as const),
  )('one %s', { timeout: LONG_MS }, async ([, benign], { expect }) => {
    const silent = benign.level === 'compat';
    const { report } = await certifyBenign(benign);
    expect(accusations(report)).toEqual([]);
    expect(report.target).toMatchObject({
      level: silent ? 'compat' : 'hardened',
      profiles: expect.arrayContaining(['rooms', 'identity', 'claims', 'dm', 'directory']),
    });
    const passed = new Set(
      report.rules
        .filter(({ verdict, reason_code: why }) => verdict === 'pass' || why === 'cert')
        .map(({ id }) => id),
    );
    const due = REQUIREMENTS.filter(({ id, actor, level }) => {
      const family = id.slice(0, id.indexOf('-'));
      return actor === 'relay' && AGENTS.includes(family) && (level === 'compat' || !silent);
    });
    expect(due.map(({ id }) => id).filter((id) => !passed.has(id))).toEqual([]);
  });
});
