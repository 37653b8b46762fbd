/** Chapter 06: signed requests. */
import { paramsOf, ROUTES, type OperationId, type Route } from '@bot2bot/schemas';
import type { Check } from '../check.ts';
import { sha256, type Identity } from '../../script/keys.ts';
import type { Reply } from '../../script/reply.ts';
import type { RelayScript } from '../../script/claims.ts';
import { CLEARLY_MS, type SignedOptions } from '../../script/signing.ts';

/** A signed request that has no effect for a handle without messages or profile. */
interface Harmless {
  readonly operation: OperationId;
  readonly params: readonly string[];
  readonly body?: Readonly<Record<string, unknown>>;
  readonly query?: Readonly<Record<string, number>>;
  /** Statuses other than 200 that a valid signature may get. */
  readonly or?: number;
}

/** One request for each signed operation that the target serves. */
function harmless(t: RelayScript, { handle }: Identity): Harmless[] {
  const room = t.room();
  const id = 'no-such-message';
  const all: readonly (readonly [string, Harmless])[] = [
    [
      'claims',
      { operation: 'ackMessage', params: [room], body: { handle, claim_id: 'no-such-claim', seq: 1 } },
    ],
    ['claims', { operation: 'claimMessage', params: [room], body: { handle }, query: { timeout: 1 } }],
    ['dm', { operation: 'deleteDm', params: [handle, id] }],
    ['dm', { operation: 'waitForDms', params: [handle], query: { timeout: 1 } }],
    ['directory', { operation: 'deleteProfile', params: [handle] }],
    // Without a profile, no rule defines the answer.
    ['directory', { operation: 'agentHeartbeat', params: [handle], or: 404 }],
  ];
  return all.filter(([profile]) => t.target.profiles.includes(profile)).map(([, request]) => request);
}

function isServed({ or }: Harmless, { status }: Reply): boolean {
  return status === 200 || status === or;
}

function send(
  t: RelayScript,
  identity: Identity,
  given: Harmless,
  options: SignedOptions = {},
): Promise<Reply> {
  const { operation, params, body, query } = given;
  return t.signedRequest(operation, params, identity, {
    ...(query === undefined ? {} : { query }),
    ...(body === undefined ? {} : { body }),
    ...options,
  });
}

/** A live claim, which shows whether a refused request had an effect. */
async function held(t: RelayScript, who: Identity, room: string): Promise<{ id: string; seq: number }> {
  const { seq } = await t.posted(room);
  const reply = await t.claim(room, who);
  const id = reply.json.get('claim_id').string;
  t.require('CLAIM-8', reply.status === 200 && id !== '', 'a grant', reply);
  return { id, seq };
}

async function stillHeld(
  t: RelayScript,
  rule: string,
  who: Identity,
  room: string,
  id: string,
): Promise<void> {
  const after = await t.claim(room, who);
  t.require(rule, after.json.get('claim_id').raw === id, 'the claim as it was', after);
}

const BODIES = [
  '',
  '{',
  'null',
  '[]',
  '{}',
  '['.repeat(5_000),
  '{"handle":{}}',
  '{"__proto__":1,"handle":"a"}',
];
const PATHS = ['%', '%00', '..%2f..%2fetc', '__proto__', 'constructor', 'h'.repeat(5_000)];

export const REQUEST_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'CORE-4/agents',
    title: 'malformed requests of agents are not answered 5xx',
    lane: 'quick',
    run: async (t) => {
      if (!t.target.profiles.includes('identity')) return;
      const who = await t.agent();
      for (const [name, route] of Object.entries<Route>(ROUTES)) {
        if (route.profile === undefined || !t.target.profiles.includes(route.profile)) continue;
        const operation = name as OperationId;
        const odd = paramsOf(route.path).length === 0 ? [who.handle] : [...PATHS, who.handle];
        for (const value of odd) {
          const bodies = route.body !== undefined && value === who.handle ? BODIES : [undefined];
          for (const body of bodies) {
            const params = paramsOf(route.path).map(() => value);
            const query = { timeout: 1, after: '1e999', limit: 'x', cursor: '\u0000', handle: '__proto__' };
            const reply = await t.signedRequest(operation, params, who, { body, query });
            const want = `no 5xx but 503 of ${operation}`;
            t.require('CORE-4', reply.status < 500 || reply.status === 503, want, reply);
          }
        }
      }
      const told = await t.request('GET', `/api/identity/${who.handle}`);
      t.require('CORE-4', told.status === 200, 'the relay serves on', told);
    },
  },
  {
    id: 'REQ-1/first-form',
    title: 'requests signed in the first form are served',
    lane: 'quick',
    run: async (t) => {
      const who = await t.agent();
      for (const given of harmless(t, who)) {
        const reply = await send(t, who, given, { form: 1 });
        t.require('REQ-1', isServed(given, reply), `${given.operation} to be served`, reply);
      }
    },
  },
  {
    id: 'REQ-1/as-sent',
    title: 'path and query are signed exactly as they were sent, however they are encoded',
    lane: 'quick',
    also: ['REQ-6'],
    run: async (t) => {
      const who = await t.agent();
      for (const given of harmless(t, who)) {
        for (const form of t.hardened ? ([1, 2] as const) : ([1] as const)) {
          // `x=a+b%7E%27%28%C3%A9&y=`, and `%40` before a handle: each also has other encodings.
          const query = { ...given.query, x: "a b~'(é", y: '' };
          const params = given.params.map((value) => (value === who.handle ? `%40${value}` : value));
          const reply = await send(t, who, { ...given, params }, { form, query });
          const rule = form === 1 ? 'REQ-1' : 'REQ-6';
          t.require(
            rule,
            isServed(given, reply),
            `${given.operation} to be served, signed as it was sent`,
            reply,
          );
        }
      }
    },
  },
  {
    id: 'REQ-2/wrong',
    title: 'a signature of another request is refused',
    lane: 'quick',
    run: async (t) => {
      const who = await t.agent();
      const stranger = await t.agent();
      const [given] = harmless(t, who);
      if (given === undefined) return;
      const wrong: Record<string, SignedOptions> = {
        'another key': { by: stranger },
        'another method': { text: (text) => text.replace(/^[A-Z]+/, 'PATCH') },
        'another path': { text: (text) => text.replace('/api/', '/apj/') },
        'another query': { text: (text) => text.replace(/^(\S+ \S+) /, '$1?timeout=9 ') },
        'no query': { query: { timeout: 9 }, text: (text) => text.replace('?timeout=9', '') },
        'another time': { text: (text) => text.replace(/ (\d{13}) /, (_, ts) => ` ${Number(ts) + 1} `) },
        'another n': { text: (text) => text.replace(/ (\S{24})($| )/, ' AAAAAAAAAAAAAAAAAAAAAAAA$2') },
        nothing: { sig: () => '' },
        'a cut signature': { sig: (sig) => sig.slice(0, 40) },
        'an n of 15 characters': { n: 'n'.repeat(15) },
        'an n of 65 characters': { n: 'n'.repeat(65) },
        'an n of other characters': { n: '!'.repeat(24) },
      };
      for (const form of t.hardened ? ([1, 2] as const) : ([1] as const)) {
        for (const [what, options] of Object.entries(wrong)) {
          const reply = await send(t, who, given, { form, ...options });
          if (!t.require('REQ-2', reply.status === 401, `401 to a signature of ${what}`, reply)) return;
        }
      }
      for (const authorization of ['', 'Bearer abc', 'Bot2Bot', 'Bot2Bot ts=1', 'Bot2Bot ts=x,n=y,sig=z']) {
        const headers = { Authorization: authorization };
        const reply = await t.write(given.operation, given.params, given.body, {
          ...(authorization === '' ? {} : { headers }),
          ...(given.query === undefined ? {} : { query: given.query }),
        });
        t.require('REQ-2', reply.status === 401, `401 to the header '${authorization}'`, reply);
      }
      for (const other of harmless(t, who)) {
        const reply = await send(t, who, other, { by: stranger });
        const want = `401 to ${other.operation} of another key`;
        if (!t.require('REQ-2', reply.status === 401, want, reply)) return;
        const { operation, params, body, query = {} } = other;
        const bare = await t.write(operation, params, body, { query });
        const unsigned = `401 to ${operation} without a signature`;
        if (!t.require('REQ-2', bare.status === 401, unsigned, bare)) return;
      }
      if (!t.target.profiles.includes('claims')) return;
      const room = t.room();
      const { id, seq } = await held(t, who, room);
      await t.ack(room, who, id, seq, { by: stranger });
      await stillHeld(t, 'REQ-2', who, room, id);
    },
  },
  {
    id: 'REQ-3/clock',
    title: 'a signature with an old or future timestamp is refused',
    lane: 'quick',
    also: ['REQ-1'],
    run: async (t) => {
      const who = await t.agent();
      const { clock_tolerance_ms: tolerance } = t.target.timings;
      const all = harmless(t, who);
      for (const off of [-1, 1]) {
        for (const given of all) {
          const beyond = await send(t, who, given, { ts: Date.now() + off * (tolerance + CLEARLY_MS) });
          if (!t.require('REQ-3', beyond.status === 401, '401 to a ts beyond the tolerance', beyond)) return;
        }
        const [given] = all;
        if (given === undefined) return;
        const ts = Date.now() + off * Math.max(0, tolerance - CLEARLY_MS);
        const within = await send(t, who, given, { ts });
        t.require('REQ-1', isServed(given, within), 'a ts within it to be served', within);
      }
    },
  },
  {
    id: 'REQ-4/replay',
    title: 'a signature is accepted once',
    lane: 'quick',
    also: ['REQ-1'],
    run: async (t) => {
      const [who, other] = [await t.agent(), await t.agent()];
      const [given, ...others] = harmless(t, who);
      if (given === undefined) return;
      const { clock_tolerance_ms: tolerance } = t.target.timings;
      for (const form of t.hardened ? ([1, 2] as const) : ([1] as const)) {
        const [ts, n] = [Date.now(), t.bytes(18).toString('base64url')];
        const first = await send(t, who, given, { form, ts, n });
        t.require('REQ-1', isServed(given, first), 'the first to be served', first);
        const again = await send(t, who, given, { form, ts, n });
        t.require('REQ-4', again.status === 401, '401 to the same request again', first, again);
        const later = await send(t, who, given, { form, ts: Date.now() + 1, n });
        t.require('REQ-4', later.status === 401, '401 to the same n at another time', first, later);
        for (const request of others) {
          const reply = await send(t, who, request, { form, n });
          const want = `401 to the same n in ${request.operation}`;
          if (!t.require('REQ-4', reply.status === 401, want, first, reply)) return;
        }
        const [theirs = given] = harmless(t, other);
        const shared = await send(t, other, theirs, { form, n });
        t.require('REQ-1', isServed(theirs, shared), 'the n of another handle to be served', first, shared);
        const old = t.bytes(18).toString('base64url');
        const past = await send(t, who, given, {
          form,
          ts: ts - Math.max(0, tolerance - CLEARLY_MS),
          n: old,
        });
        t.require('REQ-1', isServed(given, past), 'an older ts to be served', past);
        const fresh = await send(t, who, given, { form, ts: Date.now(), n: old });
        t.require('REQ-4', fresh.status === 401, '401 to its n with another ts', past, fresh);
      }
      if (!t.target.profiles.includes('claims')) return;
      const room = t.room();
      await t.posted(room);
      const [ts, n] = [Date.now(), t.bytes(18).toString('base64url')];
      const captured = await t.claim(room, who, {}, { ts, n });
      const id = captured.json.get('claim_id').string;
      await t.ack(room, who, id, captured.json.get('message').get('seq').number);
      await t.posted(room);
      const replayed = await t.claim(room, who, {}, { ts, n });
      t.require('REQ-4', replayed.status === 401, '401 to a captured claim', captured, replayed);
      const next = await t.claim(room, who);
      const once = next.json.get('resumed').raw !== true;
      t.require('REQ-4', next.status === 200 && once, 'nothing granted by what was refused', replayed, next);
    },
  },
  {
    id: 'REQ-5/unknown',
    title: 'an unknown handle is answered 404',
    lane: 'quick',
    run: async (t) => {
      const nobody = t.identity();
      for (const given of harmless(t, nobody)) {
        for (const options of [{}, { by: t.identity() }, { ts: Date.now() - 3_600_000 }]) {
          const reply = await send(t, nobody, given, options);
          t.require('REQ-5', reply.status === 404, `404 to ${given.operation} of nobody`, reply);
        }
      }
    },
  },
  {
    id: 'REQ-6/second-form',
    title: 'a signature in the second form covers the body',
    lane: 'quick',
    run: async (t) => {
      const who = await t.agent();
      const all = harmless(t, who);
      for (const given of all) {
        const reply = await send(t, who, given, { form: 2 });
        t.require('REQ-6', isServed(given, reply), `${given.operation} to be served`, reply);
        const other = { form: 2, text: (text: string) => text.replace(/\S{64}$/, sha256('{}')) } as const;
        const changed = await send(t, who, given, other);
        if (!t.require('REQ-6', changed.status === 401, '401 to a body that was not signed', changed)) return;
      }
      const [given] = all;
      if (given === undefined) return;
      const halved = await send(t, who, given, { form: 2, text: (text) => text.replace(/ \S{64}$/, '') });
      t.require('REQ-6', halved.status === 401, '401 to a first form that calls itself the second', halved);
    },
  },
];
