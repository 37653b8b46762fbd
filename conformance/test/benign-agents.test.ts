/** Relays that differ from ours in chapter 06, as others may, and conform. */
import { REQUIREMENTS } from '@bot2bot/schemas';
import { describe, it } from 'vitest';
import { broken, type Patch } from '../mutants/broken.ts';
import { LAB } from '../mutants/mutants.ts';
import { certify } from './certify.ts';

const FAMILIES = ['ID', 'REQ', 'SIGN', 'DM', 'DIR'];
const LONG_MS = 200_000;
const SLOW = 'await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));';

const BENIGN: Readonly<Record<string, readonly Patch[]>> = {
  'with extra fields, and ids of another form': [
    {
      file: 'routes/agents.ts',
      from: '.send({ ok: true, handle, registered_at });',
      to: '.send({ ok: true, handle, registered_at, fee: 0 });',
    },
    {
      file: 'routes/agents.ts',
      from: 'return reply.send(identity);',
      to: 'return reply.send({ ...identity, _n: 1 });',
    },
    {
      file: 'dms.ts',
      from: "`d_${randomBytes(9).toString('base64url')}`",
      to: "randomBytes(32).toString('hex')",
    },
    { file: 'dms.ts', from: 'from_verified: signed,', to: "from_verified: signed,\n      _box: 'x'," },
    { file: 'directory.ts', from: 'profile_sig: sig,', to: 'profile_sig: sig,\n      rank: 7,' },
  ],
  'that looks at signatures before keys': [
    {
      file: 'routes/agents.ts',
      from: "if (!isSoundKey(key)) throw new RequestProblem('bad-key');\n",
      to: '',
    },
    {
      file: 'routes/agents.ts',
      from: 'const { registered_at } = await',
      to: "if (!isSoundKey(key)) throw new RequestProblem('bad-key');\n    const { registered_at } = await",
    },
  ],
  'that looks for a signature before the handle': [
    {
      file: 'auth.ts',
      from: 'const identity = this.#identities.get(handle);\n    if (identity === undefined) throw',
      to: "if (raw.headers.authorization === undefined) throw new RequestProblem('signature-invalid');\n    const identity = this.#identities.get(handle);\n    if (identity === undefined) throw",
    },
  ],
  'that takes heartbeats without a profile': [
    {
      file: 'directory.ts',
      from: "if (entry === undefined) throw new RequestProblem('unknown-agent');\n    const now",
      to: 'if (entry === undefined) return { ok: true, last_seen_at: this.#clock.wall() };\n    const now',
    },
  ],
  'that is slow, and counts inboxes from one by threes': [
    {
      file: 'routes/agents.ts',
      from: 'const { registered_at } = await',
      to: `${SLOW}\n    const { registered_at } = await`,
    },
    {
      file: 'routes/agents.ts',
      from: 'await directory.publish(',
      to: `${SLOW}\n    await directory.publish(`,
    },
    { file: 'dms.ts', from: 'Math.max(SEQS_PER_MS * ts, inbox.lastSeq + 1)', to: 'inbox.lastSeq + 3' },
    {
      file: 'dms.ts',
      from: 'if (ahead) this.#idle.add(inbox);',
      to: 'if (inbox.lastSeq > 0) this.#idle.add(inbox);',
    },
  ],
  'at compat that says nothing of itself': [
    { file: 'routes/meta.ts', from: 'app.get(fastifyPath(ROUTES.discovery.path)', to: "app.get('/moved'" },
  ],
};

describe('relays whose agents differ but conform stay green', () => {
  it.concurrent.for(Object.entries(BENIGN))(
    'one %s',
    { timeout: LONG_MS },
    async ([name, patches], { expect }) => {
      const path = await broken(`benign-agents-${name.replaceAll(/\W+/g, '-')}`, patches);
      const silent = name.includes('compat');
      const flags = silent ? [] : LAB;
      const { report } = await certify(`exec node ${path} --port {port} ${flags.join(' ')}`, {
        only: FAMILIES,
      });
      expect(report.failures.map(({ rule, required, observed }) => [rule, required, observed])).toEqual([]);
      expect(report.target).toMatchObject({
        level: silent ? 'compat' : 'hardened',
        profiles: expect.arrayContaining(['rooms', 'identity', 'claims', 'dm', 'directory']),
      });
      const passed = new Set(
        report.rules
          .filter(({ verdict, reason }) => verdict === 'pass' || reason === 'checked with --cert')
          .map(({ id }) => id),
      );
      const due = REQUIREMENTS.filter(({ id, actor, level }) => {
        const family = id.slice(0, id.indexOf('-'));
        return actor === 'relay' && FAMILIES.includes(family) && (level === 'compat' || !silent);
      });
      expect(due.map(({ id }) => id).filter((id) => !passed.has(id))).toEqual([]);
    },
  );
});
