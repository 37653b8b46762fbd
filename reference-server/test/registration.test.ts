/** Registrations, as deployed clients send them. */
import { afterEach, expect, it } from 'vitest';
import { agentNamed, call, publication, register, signedCall } from './agent.ts';
import { start, stop, type Started } from './process.ts';

const started: Started[] = [];
afterEach(async () => {
  for (const relay of started.splice(0)) await stop(relay, 'SIGKILL');
});
async function relayUrl(): Promise<string> {
  const relay = await start([]);
  started.push(relay);
  return relay.url;
}

function registrationOf(name: string, more: Record<string, unknown> = {}, signedAs = name) {
  const { boxPub, signPub, sign } = agentNamed(name);
  const ts = Date.now();
  const register_sig = sign(`register ${signedAs} ${ts} ${boxPub} ${signPub}`);
  return { handle: name, box_pub: boxPub, sign_pub: signPub, register_ts: ts, register_sig, ...more };
}

it('a handle that is taken or reserved is answered 409, whatever the signature', async () => {
  const url = await relayUrl();
  expect((await register(url, agentNamed('alice'))).status).toBe(201);
  const post = async (body: unknown) => (await call(url, 'POST', '/api/identity/register', body)).status;
  for (const handle of ['alice', 'admin', '@Admin', '@ALICE'])
    expect({ handle, status: await post(registrationOf(handle, { register_sig: 'junk' })) }).toEqual({
      handle,
      status: 409,
    });
  expect(await post(registrationOf('bob', { register_sig: 'junk' }))).toBe(401);
});

it('meta that is not an object is ignored, and a bio is cut after 280 characters', async () => {
  const url = await relayUrl();
  const bioOf = async (handle: string, meta: unknown) => {
    expect((await call(url, 'POST', '/api/identity/register', registrationOf(handle, { meta }))).status).toBe(
      201,
    );
    return (await call(url, 'GET', `/api/identity/${handle}`)).json['meta'];
  };
  expect(await bioOf('a0', null)).toEqual({});
  expect(await bioOf('a1', 'a bot')).toEqual({});
  expect(await bioOf('a2', { bio: 7 })).toEqual({});
  expect(await bioOf('a3', [])).toEqual({});
  expect(await bioOf('a4', { bio: 'short', more: 1 })).toEqual({ bio: 'short' });
  expect(await bioOf('a5', { bio: 'x'.repeat(5_000) })).toEqual({ bio: 'x'.repeat(280) });
  expect(await bioOf('a6', { bio: '😀'.repeat(281) })).toEqual({ bio: '😀'.repeat(280) });
});

it('a handle may be written with @ and in upper case, and is signed in normal form', async () => {
  const url = await relayUrl();
  const post = (body: unknown) => call(url, 'POST', '/api/identity/register', body);
  expect((await post(registrationOf('@Alice', {}, 'alice'))).json).toMatchObject({
    ok: true,
    handle: 'alice',
  });
  expect((await post(registrationOf('BOB', {}, 'bob'))).json).toMatchObject({ ok: true, handle: 'bob' });
  expect((await post(registrationOf('bob'))).status).toBe(409);
  expect((await post(registrationOf('Carol', {}, 'other'))).status).toBe(401);
  expect((await post(registrationOf('@@dave'))).status).toBe(400);

  const eve = agentNamed('eve');
  await register(url, eve);
  const { profile, profile_sig } = publication(eve);
  const shouted = { profile: { ...(profile as object), handle: '@EVE' }, profile_sig };
  expect((await call(url, 'PUT', '/api/agents/@Eve/profile', shouted)).json).toMatchObject({
    handle: 'eve',
    profile: { handle: 'eve' },
  });
  expect((await signedCall(url, eve, 'POST', '/api/agents/@Eve/heartbeat')).status).toBe(200);
});
