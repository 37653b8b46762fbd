/** In every operation, `null` for an optional field of the body has the same effect as leaving it out. */
import { COMPONENTS, ROUTES, type Component, type OperationId, type Route } from '@bot2bot/schemas';
import fc from 'fast-check';
import { Type, type TSchema } from 'typebox';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRelay, DEFAULT_CONFIG, type RunningRelay } from '../src/index.ts';
import {
  agentNamed,
  call,
  dm,
  publication,
  register,
  registration,
  signedCall,
  signedMessage,
  type Answer,
  type TestAgent,
} from './agent.ts';

const SEED = Date.now() % 2 ** 31;
const MANY = 1_000_000_000;
let relay: RunningRelay;
beforeAll(async () => {
  const none = {
    room_burst: MANY,
    room_rate: MANY,
    address_burst: MANY,
    address_rate: MANY,
    address_registrations: MANY,
  };
  relay = await createRelay({
    port: 0,
    limits: { ...DEFAULT_CONFIG.limits, ...none },
  });
});
afterAll(() => relay.close());

type Body = Record<string, unknown>;
const isBody = (value: unknown): value is Body => typeof value === 'object' && value !== null;

/** Paths of the optional fields of a body; those of nested objects as `profile/topics`. */
function optionalsOf(schema: TSchema, path = ''): string[] {
  const at = '$ref' in schema ? COMPONENTS[String(schema.$ref)] : schema;
  if (at === undefined || !Type.IsObject(at)) return [];
  const required: readonly string[] = at.required ?? [];
  return Object.entries(at.properties).flatMap(([name, field]) => [
    ...(required.includes(name) ? [] : [path + name]),
    ...optionalsOf(field, `${path}${name}/`),
  ]);
}

/** A copy of a body in which these fields are null, or absent. */
function without(body: Body, fields: readonly string[], how: 'null' | 'absent'): Body {
  const copy: Body = structuredClone(body);
  for (const path of fields) {
    const names = path.split('/');
    const last = names.pop() ?? '';
    const holder = names.reduce<unknown>((at, name) => (isBody(at) ? at[name] : undefined), copy);
    if (!isBody(holder)) continue;
    if (how === 'null') holder[last] = null;
    else delete holder[last];
  }
  return copy;
}

let rooms = 0;
let handles = 0;
const newAgent = () => agentNamed(`null-${handles++}`);
async function registered(): Promise<TestAgent> {
  const agent = newAgent();
  expect((await register(relay.url, agent)).status).toBe(201);
  return agent;
}

/** For each operation with a body: sends a valid body with all fields except the dropped ones. */
const SENDS: Partial<
  Record<OperationId, (dropped: readonly string[], how: 'null' | 'absent') => Promise<Answer>>
> = {
  postMessage: async (dropped, how) => {
    const room = `nulls-${rooms++}`;
    const given = { ttl_ms: 60_000, reply_to: 'AAAAAAAA', ext: 'abc', signed_only: true };
    // The signature covers only the remaining fields.
    const kept = Object.fromEntries(Object.entries(given).filter(([name]) => !dropped.includes(name)));
    const signed = signedMessage(await registered(), room, kept);
    const body = { ...given, sender: 'somebody', ...signed };
    return call(relay.url, 'POST', `/api/rooms/${room}/messages`, without(body, dropped, how));
  },
  announceListening: async (dropped, how) => {
    const room = `nulls-${rooms++}`;
    const { boxPub } = newAgent();
    await call(relay.url, 'POST', `/api/rooms/${room}/messages`, signedMessage(await registered(), room));
    const body = { name: 'a-name', box_pub: boxPub };
    return call(relay.url, 'POST', `/api/rooms/${room}/listening`, without(body, dropped, how));
  },
  claimMessage: async (dropped, how) => {
    const { handle, ...agent } = await registered();
    const body = { handle, exclude_senders: ['x'], exclude_self: 'label' };
    const target = `/api/rooms/nulls-${rooms++}/claim?timeout=1`;
    return signedCall(relay.url, { handle, ...agent }, 'POST', target, without(body, dropped, how));
  },
  registerIdentity: async (dropped, how) => {
    const body = { ...registration(newAgent()), meta: { bio: 'of the suite' } };
    return call(relay.url, 'POST', '/api/identity/register', without(body, dropped, how));
  },
  sendDm: async (dropped, how) => {
    const to = await registered();
    const body = dm(to.handle, await registered());
    return call(relay.url, 'POST', `/api/dm/${to.handle}`, without(body, dropped, how));
  },
  publishProfile: async (dropped, how) => {
    const agent = await registered();
    const body = publication(agent);
    return call(relay.url, 'PUT', `/api/agents/${agent.handle}/profile`, without(body, dropped, how));
  },
};

const OPERATIONS = Object.entries<Route>(ROUTES).flatMap(([name, { body }]): [OperationId, Component][] =>
  body === undefined || optionalsOf(body).length === 0 ? [] : [[name as OperationId, body]],
);

describe(`null is absent (seed ${SEED})`, () => {
  it.each(OPERATIONS)('in the body of %s', async (operation, schema) => {
    const send = SENDS[operation];
    if (send === undefined) expect.fail(`this test sends no ${operation}`);
    const fields = optionalsOf(schema);
    const statuses = new Set<number>();
    await fc.assert(
      fc.asyncProperty(fc.subarray(fields), async (dropped) => {
        const [absent, nulled] = [await send(dropped, 'absent'), await send(dropped, 'null')];
        statuses.add(absent.status);
        expect({ status: nulled.status, type: nulled.json['type'], names: Object.keys(nulled.json) }).toEqual(
          {
            status: absent.status,
            type: absent.json['type'],
            names: Object.keys(absent.json),
          },
        );
      }),
      {
        seed: SEED,
        numRuns: 40,
        examples: [[[]], [fields], ...fields.map((field): [string[]] => [[field]])],
      },
    );
    // Some bodies were accepted: the comparison is not only between refusals.
    expect([...statuses].some((status) => status < 300)).toBe(true);
  });
});
