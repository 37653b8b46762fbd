/** Chapter 06: publication of profiles. */
import { profileText } from '@bot2bot/schemas';
import type { Check } from '../check.ts';
import { sha256, type Identity } from '../../script/keys.ts';
import { Value } from '../../trace/value.ts';
import type { Reply } from '../../script/reply.ts';
import type { RelayScript } from '../../script/claims.ts';
import { CLEARLY_MS } from '../../script/signing.ts';
import { Interrupted } from '../../script/steps.ts';

const PROFILE_BYTES = 8_192;
const PROFILE_TOLERANCE_MS = 300_000;
const PROFILE_MAX_MS = 604_800_000;
const HOUR_MS = 3_600_000;
const SCHEMA = 'bot2bot.agent_profile.v1';
const ABSENT = {
  capabilities: [],
  display_name: '',
  framework: '',
  framework_version: '',
  homepage_url: '',
  languages: [],
  summary: '',
  topics: [],
};

type Fields = Readonly<Record<string, unknown>>;

/** The canonical form of a profile, implemented independently of `schemas`, for fields of any type. */
function canonical(profile: unknown): string {
  const full: Record<string, unknown> = { ...ABSENT, ...(profile as Fields) };
  const url = full['homepage_url'];
  if (typeof url === 'string' && URL.canParse(url)) full['homepage_url'] = new URL(url).href;
  return sorted(full);
}

function sorted(object: Fields): string {
  return JSON.stringify(Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1))));
}

function profileOf({ handle }: Identity, fields: Fields = {}): Fields {
  const now = Date.now();
  return {
    schema: SCHEMA,
    handle,
    contact_policy: 'signed_dm_first',
    updated_at: now,
    expires_at: now + HOUR_MS,
    ...fields,
  };
}

/** How a profile is signed, with deliberate errors. */
interface Broken {
  /** An identity that signs instead. */
  readonly by?: Identity;
  /** JSON to sign instead of the canonical form. */
  readonly json?: (profile: Fields) => string;
  /** Replaces the text that is signed. */
  readonly text?: (text: string) => string;
  /** Replaces the handle in the path. */
  readonly path?: string;
}

export function publish(
  t: RelayScript,
  me: Identity,
  fields: Fields = {},
  broken: Broken = {},
): Promise<Reply> {
  const { by = me, json = canonical, text = (plain: string) => plain, path = me.handle } = broken;
  const profile = profileOf(me, fields);
  const plain = profileText(me.handle, Number(profile['updated_at']), sha256(json(profile)));
  return t.write('publishProfile', [path], { profile, profile_sig: by.sign(text(plain)) });
}

/** The body that was sent, from the record of the request. */
export function sentWith(reply: Reply): { profile: Fields; profile_sig: string } {
  const body = Value.parse(reply.record.reqBody ?? '');
  return {
    profile: { ...(body.get('profile').raw as Fields | undefined) },
    profile_sig: body.get('profile_sig').string,
  };
}

/** Publish a profile, of a new handle by default; if it is refused the check cannot continue. */
export async function published(
  t: RelayScript,
  fields: Fields = {},
  given?: Identity,
): Promise<{ me: Identity; reply: Reply }> {
  const me = given ?? (await t.registered());
  const reply = await publish(t, me, fields);
  t.require('DIR-1', reply.status === 201, '201 to a valid profile', reply);
  if (reply.status !== 201) throw new Interrupted('a profile that the check needs was not accepted');
  return { me, reply };
}

export function agent(t: RelayScript, handle: string): Promise<Reply> {
  return t.get('getAgent', handle);
}

/** Whether an agent in an answer has the profile and the signature that were sent. */
export function tells(
  item: Value | undefined,
  { profile, profile_sig }: ReturnType<typeof sentWith>,
): boolean {
  const full = Value.parse(canonical(profile)).raw as Fields;
  return (
    Object.entries(full).every(
      ([field, value]) => JSON.stringify(item?.get(field).raw) === JSON.stringify(value),
    ) && item?.get('profile_sig').raw === profile_sig
  );
}

export const PROFILE_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'DIR-1/canonical',
    title: 'publishing returns the profile in its canonical form',
    lane: 'quick',
    run: async (t) => {
      const me = await t.registered();
      const { handle } = me;
      const profiles: readonly Fields[] = [
        {},
        { homepage_url: 'HTTPS://Agent.Example:443/a b?q=ü#top', topics: ['b', 'a'] },
        {
          display_name: 'Zoë "q" \\ 😀 \u2028',
          framework: 'Lang',
          framework_version: '1.2-β',
          summary: ' <b>\n\t ',
          capabilities: ['a.b_c:d+e-1', 'b'],
          languages: ['en', 'de'],
          homepage_url: 'http://agent.example',
        },
      ];
      for (const [index, fields] of profiles.entries()) {
        const path = [handle, `@${handle}`, handle.toUpperCase()][index] ?? handle;
        const reply = await publish(t, me, fields, { path });
        const { json } = reply;
        t.require(
          'DIR-1',
          reply.status === 201 && json.get('ok').raw === true && json.get('handle').raw === handle,
          '201 with ok: true and the handle',
          reply,
        );
        t.require(
          'DIR-1',
          sorted({ ...(json.get('profile').raw as Fields | undefined) }) ===
            canonical(sentWith(reply).profile),
          'the 13 fields of the canonical form',
          reply,
        );
      }
      const other = await t.registered();
      const second = await publish(t, other, {});
      t.require(
        'DIR-1',
        second.json.get('handle').raw === other.handle &&
          second.json.get('profile').get('handle').raw === other.handle,
        'the handle and the profile of the agent that publishes',
        second,
      );
      const none = await publish(t, t.identity());
      t.require('DIR-1', none.status === 404, '404 for a handle that is not registered', none);
    },
  },
  {
    id: 'DIR-2/agent',
    title: 'an agent is returned with its profile, its keys and its signature',
    lane: 'quick',
    run: async (t) => {
      const fields = { summary: 'Sums up.', topics: ['a'], homepage_url: 'https://agent.example/é' };
      const { me, reply } = await published(t, fields);
      for (const path of [me.handle, `@${me.handle}`, me.handle.toUpperCase()]) {
        const answer = await agent(t, path);
        const told = answer.json.get('agent');
        t.require(
          'DIR-2',
          answer.status === 200 && tells(told, sentWith(reply)),
          'the profile as published',
          answer,
        );
        t.require(
          'DIR-2',
          told.get('box_pub').raw === me.boxPub && told.get('sign_pub').raw === me.signPub,
          'the keys of the handle',
          answer,
        );
        const seen = told.get('last_seen_at').raw;
        t.require('DIR-2', seen === null || Number.isSafeInteger(seen), 'last_seen_at', answer);
      }
      const silent = await t.registered();
      for (const handle of [silent.handle, t.identity().handle]) {
        const answer = await agent(t, handle);
        t.require('DIR-2', answer.status === 404, '404 without a profile', answer);
      }
    },
  },
  {
    id: 'DIR-3/bounds',
    title: 'each field of a profile has limits',
    lane: 'quick',
    run: async (t) => {
      const me = await t.registered();
      const tags = (count: number, chars = 2) =>
        Array.from({ length: count }, (_, i) => String(i).padStart(chars, 't'));
      const allowed: Fields = {
        display_name: 'd'.repeat(80),
        framework: 'f'.repeat(32),
        framework_version: 'v'.repeat(64),
        summary: 's'.repeat(600),
        capabilities: tags(32, 40),
        topics: tags(32, 40),
        languages: tags(32, 40),
      };
      for (const [field, value] of [...Object.entries(allowed), ['homepage_url', 'http://agent.example/']]) {
        const reply = await publish(t, me, { [String(field)]: value });
        t.require('DIR-3', reply.status === 201, `201 to a ${String(field)} at its bound`, reply);
      }
      const { reply: last } = await published(t, { summary: 'It stays.' }, me);
      const wrongTags = [tags(33), ['t'.repeat(41)], ['Upper'], ['a b'], [''], ['é'], [7], 'a', {}];
      const wrong: readonly Fields[] = [
        ...['d'.repeat(81), 7].map((display_name) => ({ display_name })),
        ...['f'.repeat(33), {}].map((framework) => ({ framework })),
        ...['v'.repeat(65), 1].map((framework_version) => ({ framework_version })),
        ...['s'.repeat(601), []].map((summary) => ({ summary })),
        ...wrongTags.flatMap((value) => [{ capabilities: value }, { topics: value }, { languages: value }]),
        ...[undefined, 'bot2bot.agent_profile.v2'].map((schema) => ({ schema })),
        ...[undefined, 'open'].map((contact_policy) => ({ contact_policy })),
        ...['ftp://agent.example/', 'javascript:alert(1)', 'agent.example', 7].map((homepage_url) => ({
          homepage_url,
        })),
        ...[undefined, String(Date.now()), 1.5].map((updated_at) => ({ updated_at })),
        ...[undefined, String(Date.now() + HOUR_MS), null].map((expires_at) => ({ expires_at })),
        ...[undefined, t.identity().handle].map((handle) => ({ handle })),
      ];
      for (const fields of wrong) {
        const reply = await publish(t, me, fields);
        const [field, value] = Object.entries(fields)[0] ?? ['', ''];
        const shown = (JSON.stringify(value) ?? 'that is missing').slice(0, 50);
        t.require('DIR-3', reply.status === 400, `400 to a ${field} ${shown}`, reply);
      }
      const answer = await agent(t, me.handle);
      t.require('DIR-3', tells(answer.json.get('agent'), sentWith(last)), 'the profile of before', answer);
    },
  },
  {
    id: 'DIR-3/times',
    title: 'updated_at is near the clock, and expires_at ahead of it',
    lane: 'quick',
    run: async (t) => {
      const { profile_min_ms: least } = t.target.timings;
      const [far, near] = [PROFILE_TOLERANCE_MS + CLEARLY_MS, PROFILE_TOLERANCE_MS - CLEARLY_MS];
      // Each accepted profile has a new handle, so that none is stale.
      const cases: readonly (readonly [number, number, number])[] = [
        [400, -far, HOUR_MS],
        [400, far, HOUR_MS],
        [400, 0, -CLEARLY_MS],
        [400, 0, Math.floor(least / 2)],
        [400, 0, PROFILE_MAX_MS + CLEARLY_MS],
        [201, -near, HOUR_MS],
        [201, near, HOUR_MS],
        [201, 0, least + CLEARLY_MS],
        [201, 0, PROFILE_MAX_MS - CLEARLY_MS],
      ];
      const silent = await t.registered();
      for (const [status, updated, expires] of cases) {
        const me = status === 201 ? await t.registered() : silent;
        const now = Date.now();
        const reply = await publish(t, me, { updated_at: now + updated, expires_at: now + expires });
        const what = updated === 0 ? `expires_at ${expires} ms ahead` : `updated_at ${updated} ms from now`;
        t.require('DIR-3', reply.status === status, `${status} to an ${what}`, reply);
      }
      const none = await agent(t, silent.handle);
      t.require('DIR-3', none.status === 404, 'nothing of what was refused', none);
    },
  },
  {
    id: 'DIR-3/bytes',
    title: 'a canonical profile has at most 8 192 bytes',
    lane: 'quick',
    run: async (t) => {
      const me = await t.registered();
      // Characters of three bytes, since the limit counts bytes.
      const summary = '€'.repeat(600);
      const url = 'https://agent.example/';
      const room =
        PROFILE_BYTES - Buffer.byteLength(canonical(profileOf(me, { summary, homepage_url: url })));
      for (const [status, more] of [
        [201, 0],
        [400, 1],
      ] as const) {
        const reply = await publish(t, me, { summary, homepage_url: url + 'a'.repeat(room + more) });
        t.require('DIR-3', reply.status === status, `${status} to ${PROFILE_BYTES + more} bytes`, reply);
      }
    },
  },
  {
    id: 'DIR-3/forbidden',
    title: 'a profile must not contain a room URL or a secret',
    lane: 'quick',
    run: async (t) => {
      const me = await t.registered();
      const wrong: Fields[] = [
        '#k=',
        '/room/',
        'private_key',
        'privatekey',
        'secret_key',
        'secretkey',
        'sign_sk',
        'box_sk',
        'ciphertext',
        'sender_eph_pub',
        'Private_Key',
        'SECRETKEY',
        '/ROOM/',
      ].map((word) => ({ summary: `Ask for my ${word}x` }));
      wrong.push(
        { display_name: 'Box_SK' },
        { framework: 'sign_sk' },
        { framework_version: 'Ciphertext' },
        { capabilities: ['a', 'secret_key'] },
        { topics: ['private_key'] },
        { languages: ['sender_eph_pub'] },
        { homepage_url: 'https://agent.example/room/one' },
        { homepage_url: 'https://agent.example/#K=aa' },
      );
      for (const fields of wrong) {
        const reply = await publish(t, me, fields);
        t.require('DIR-3', reply.status === 400, `400 to ${JSON.stringify(fields)}`, reply);
      }
      const none = await agent(t, me.handle);
      t.require('DIR-3', none.status === 404, 'nothing of what was refused', none);
    },
  },
  {
    id: 'DIR-4/signature',
    title: 'a profile must be signed by its handle, in canonical form',
    lane: 'quick',
    run: async (t) => {
      const [me, other] = [await t.registered(), await t.registered()];
      const full = (profile: Fields) => ({ ...ABSENT, ...profile });
      const cases: readonly (readonly [string, Fields, Broken])[] = [
        ['the signature of another', {}, { by: other }],
        ['one for another handle', {}, { text: (text) => text.replace(me.handle, other.handle) }],
        ['one for another version', {}, { text: (text) => text.replace('-v1', '-v2') }],
        ['one of another profile', {}, { json: (profile) => canonical({ ...profile, summary: 'x' }) }],
        ['one of the absent fields left out', {}, { json: sorted }],
        ['one of unsorted fields', {}, { json: (profile) => JSON.stringify(full(profile)) }],
        ['one of JSON with spaces', {}, { json: (profile) => JSON.stringify(full(profile), null, 1) }],
        [
          'one of the URL as posted',
          { homepage_url: 'HTTP://agent.example' },
          { json: (p) => sorted(full(p)) },
        ],
      ];
      for (const [what, fields, broken] of cases) {
        const reply = await publish(t, me, fields, broken);
        t.require('DIR-4', reply.status === 401, `401 to ${what}`, reply);
      }
      const profile = profileOf(me);
      const reply = await t.write('publishProfile', [me.handle], {
        profile,
        profile_sig: 'A'.repeat(86) + '==',
      });
      t.require('DIR-4', reply.status === 401, '401 to a signature of nothing', reply);
      const none = await agent(t, me.handle);
      t.require('DIR-4', none.status === 404, 'nothing of what was refused', none);
    },
  },
  {
    id: 'DIR-5/older',
    title: 'an older profile does not replace a newer one',
    lane: 'quick',
    run: async (t) => {
      const now = Date.now();
      const first = await published(t, { summary: 'first', updated_at: now });
      const { me } = first;
      const older = await publish(t, me, { summary: 'older', updated_at: now - 1 });
      t.require('DIR-5', older.status === 409, '409 to an older updated_at', older);
      const kept = await agent(t, me.handle);
      t.require('DIR-5', tells(kept.json.get('agent'), sentWith(first.reply)), 'the first profile', kept);
      for (const updated_at of [now, now + 1]) {
        const reply = await publish(t, me, { summary: `at ${updated_at}`, updated_at });
        const answer = await agent(t, me.handle);
        t.require(
          'DIR-5',
          reply.status === 201 && tells(answer.json.get('agent'), sentWith(reply)),
          'a profile that is not older takes its place',
          reply,
          answer,
        );
      }
    },
  },
];
