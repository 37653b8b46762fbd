/** Direct messages and the directory, against the reference relay. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createRoomUrl,
  deleteProfile,
  dm,
  getAgent,
  heartbeat,
  Identity,
  Inbox,
  matchAgents,
  publishProfile,
  register,
  searchAgents,
  type Contact,
  type DirectMessage,
  type Fetch,
  type Pin,
  type UnopenedDm,
} from '../src/index.ts';
import { proxy } from './proxy.ts';
import { RELAY, start, type Started } from './relay.ts';

let relay: Started;
beforeAll(async () => {
  relay = await start(RELAY, '--port', '0');
});
afterAll(() => relay.stop());

let made = 0;
async function registered(): Promise<Identity> {
  const identity = Identity.create(`agent-${++made}`);
  await register(relay.url, identity);
  return identity;
}
const inboxOf = (identity: Identity, more = {}) => new Inbox({ base: relay.url, identity, ...more });
const opened = (events: readonly (DirectMessage | UnopenedDm)[]) =>
  events.filter((event): event is DirectMessage => event.type === 'dm');

/** A `fetch` that changes the body of each answer with `change`. */
const changingFetch =
  (change: (path: string, text: string) => string): Fetch =>
  async (input, init) => {
    const answer = await fetch(input, init);
    return new Response(change(new URL(input).pathname, await answer.text()), { status: answer.status });
  };

describe('direct messages', () => {
  it('SIGN-10: are sealed to one handle, verified by it, and read once', async () => {
    const [ada, bob] = [await registered(), await registered()];
    const inbox = inboxOf(bob);
    const waiting = inbox.poll({ timeoutMs: 20_000 });
    const { id } = await dm(relay.url, ada, `@${bob.handle}`, 'hello \u{1F600}');
    await dm(relay.url, null, bob.handle, 'from nobody');
    const seen = [...(await waiting)];
    while (seen.length < 2) seen.push(...(await inbox.poll()));
    expect(seen).toMatchObject([
      { id, text: 'hello \u{1F600}', from: ada.handle, signedBy: ada.handle, signature: 'verified' },
      { text: 'from nobody', from: null, signedBy: null, signature: 'none', content: { type: 'text' } },
    ]);
    expect(await inbox.poll({ timeoutMs: 1_000 })).toEqual([]);
    expect(await inbox.delete({ id: id ?? '' })).toBe(true);
    expect(await inbox.delete({ id: id ?? '' })).toBe(false);
    expect(opened(await inboxOf(bob).poll()).map(({ text }) => text)).toEqual(['from nobody']);
    await expect(dm(relay.url, ada, 'nobody-here', 'x')).rejects.toMatchObject({ code: 'unknown-handle' });
  });

  it('if an answer is lost, the message arrives once and the call succeeds', async () => {
    const [ada, bob] = [await registered(), await registered()];
    const wire = await proxy(relay.url);
    let posts = 0;
    const swallowing: Fetch = async (input, init) => {
      if (init.method !== 'POST' || ++posts > 1) return fetch(input, init);
      await fetch(input, init);
      throw new TypeError('the answer got lost');
    };
    expect(await dm(wire.url, ada, bob.handle, 'once', { fetch: swallowing })).toEqual({
      id: null,
      seq: null,
    });
    expect(posts).toBe(2);
    const bodies = wire
      .sent()
      .toString()
      .split('\r\n\r\n')
      .filter((text) => text.startsWith('{'));
    expect(new Set(bodies.map((text) => text.split('}')[0])).size).toBe(1);
    expect(opened(await inboxOf(bob).poll()).map(({ text }) => text)).toEqual(['once']);
    wire.close();
  });

  it('detects what a relay changes or repeats: sender, text, a second copy', async () => {
    const [ada, bob, eve] = [await registered(), await registered(), await registered()];
    await dm(relay.url, ada, bob.handle, 'hello');
    const read = async (change: (message: Record<string, unknown>) => unknown) => {
      const fetch = changingFetch((path, text) => {
        if (!path.endsWith('/inbox/wait')) return text;
        const page = JSON.parse(text) as { messages: Record<string, unknown>[] };
        page.messages = page.messages.flatMap((message) => {
          const copy = { ...message, id: 'another-copy', seq: Number(message['seq']) + 1 };
          return change(message) === 'twice' ? [message, copy] : [message];
        });
        return JSON.stringify(page);
      });
      return (await inboxOf(bob, { fetch }).poll()).map((event) =>
        event.type === 'dm' ? [event.signature, event.signedBy] : event.type,
      );
    };
    expect(await read(() => 'twice')).toEqual([['verified', ada.handle]]);
    expect(await read((message) => (message['from_handle'] = eve.handle))).toEqual([['invalid', null]]);
    expect(await read((message) => (message['from_ts'] = Number(message['from_ts']) + 1))).toEqual([
      ['invalid', null],
    ]);
    expect(await read((message) => (message['ciphertext'] = 'AAAA'.repeat(8)))).toEqual(['unopened']);
    expect(await read((message) => delete message['from_sig'])).toEqual([['none', null]]);
    // A message that violates the protocol does not block others.
    expect(await read((message) => (message['sender_eph_pub'] = 'short'))).toEqual(['unopened']);
  });

  it('ID-9: nothing is sealed to a changed key', async () => {
    const [ada, bob, eve] = [await registered(), await registered(), await registered()];
    const pins = new Map<string, Pin>();
    await dm(relay.url, ada, bob.handle, 'to bob', { pins });
    let posted = 0;
    const swapped = changingFetch((path, text) => {
      if (path.startsWith('/api/dm/')) posted++;
      return text.replace(bob.boxPub, eve.boxPub);
    });
    const sent = dm(relay.url, ada, bob.handle, 'to bob', { pins, fetch: swapped });
    await expect(sent).rejects.toMatchObject({ code: 'key-changed', definite: true });
    expect(posted).toBe(0);
  });

  it('DM-9: a room URL is sent only after an accepted introduction', async () => {
    const [ada, bob] = [await registered(), await registered()];
    const url = createRoomUrl(relay.url);
    const contacts = new Map<string, Contact>();
    const [adas, bobs] = [inboxOf(ada, { contacts }), inboxOf(bob)];
    const refused = async () => {
      await expect(adas.inviteToRoom(bob.handle, url)).rejects.toMatchObject({ code: 'not-accepted' });
      await expect(bobs.inviteToRoom(ada.handle, url)).rejects.toMatchObject({ code: 'not-accepted' });
    };
    await refused();
    await expect(dm(relay.url, ada, bob.handle, `come to ${url}`)).rejects.toThrow(TypeError);
    await expect(bobs.acceptIntro(ada.handle)).rejects.toMatchObject({ code: 'not-introduced' });
    // An acceptance without a request.
    await dm(relay.url, bob, ada.handle, `{"type":"bot2bot.intro_accept.v1","from":"${bob.handle}"}`);
    expect(opened(await adas.poll())).toMatchObject([{ content: { type: 'intro-accept' } }]);
    await refused();
    await adas.introduce(bob.handle, { text: 'I summarise.', topics: ['meetings'] });
    await refused();
    const profileUrl = `${relay.url}/api/agents/${ada.handle}`;
    expect(opened(await bobs.poll())).toMatchObject([
      { content: { type: 'intro', text: 'I summarise.', profileUrl, topics: ['meetings'] } },
    ]);
    // Another agent that claims to be bob.
    const eve = await registered();
    await dm(relay.url, eve, ada.handle, `{"type":"bot2bot.intro_accept.v1","from":"${bob.handle}"}`);
    expect(opened(await adas.poll())).toMatchObject([{ content: { type: 'text' }, signedBy: eve.handle }]);
    await refused();
    await bobs.acceptIntro(ada.handle);
    expect(opened(await adas.poll())).toMatchObject([{ content: { type: 'intro-accept' } }]);
    await expect(adas.inviteToRoom(bob.handle, 'https://example.org/')).rejects.toThrow(RangeError);
    // Another process of ada that has stored the contacts.
    await inboxOf(ada, { contacts }).inviteToRoom(bob.handle, url);
    await bobs.inviteToRoom(ada.handle, url);
    for (const inbox of [adas, bobs])
      expect(opened(await inbox.poll()).at(-1)).toMatchObject({
        content: { type: 'room-invite', roomUrl: url },
      });
  });

  it('messages() continues over pages and interruptions', async () => {
    const [ada, bob] = [await registered(), await registered()];
    const texts = Array.from({ length: 60 }, (_, i) => `text ${i}`);
    for (const text of texts) await dm(relay.url, ada, bob.handle, text);
    let calls = 0;
    const flaky: Fetch = (input, init) =>
      ++calls === 2 ? Promise.reject(new TypeError('cut')) : fetch(input, init);
    const seen: string[] = [];
    const stop = new AbortController();
    const reading = (async () => {
      for await (const event of inboxOf(bob, { fetch: flaky }).messages({ signal: stop.signal })) {
        if (event.type === 'dm') seen.push(event.text);
        if (seen.length === texts.length) stop.abort(new Error('enough'));
      }
    })();
    await expect(reading).rejects.toThrow('enough');
    expect(seen).toEqual(texts);
  });
});

describe('the directory', () => {
  it('DIR-2 DIR-6 DIR-7 DIR-11: profiles are published, found, matched and verified', async () => {
    const agents: Identity[] = [];
    for (const topics of [['alpha', 'beta'], ['alpha', 'beta'], ['beta'], ['gamma']]) {
      const identity = await registered();
      agents.push(identity);
      await publishProfile(relay.url, identity, {
        displayName: `Ägent ${made}`,
        framework: 'LangChain',
        summary: 'Does "things"\nin lines.',
        topics,
        homepageUrl: 'https://example.org/ä b',
      });
    }
    const [ada, bob, carl] = agents.map(({ handle }) => handle);
    const found: string[] = [];
    for await (const agent of searchAgents(relay.url, { topic: 'beta' }, { limit: 1 })) {
      expect(agent.signature).toBe('verified');
      found.push(agent.handle);
    }
    expect(found.sort()).toEqual([ada, bob, carl].sort());
    const matches = await matchAgents(relay.url, ada ?? '');
    expect(matches.map(({ handle, score }) => [handle, score])).toEqual([
      [bob, 2],
      [carl, 1],
    ]);
    const agent = await getAgent(relay.url, `@${ada}`);
    expect(agent).toMatchObject({ framework: 'LangChain', summary: 'Does "things"\nin lines.', score: null });
    expect(agent.homepageUrl).toBe('https://example.org/%C3%A4%20b');
    const [identity = Identity.create('none')] = agents;
    const seen = await heartbeat(relay.url, identity);
    expect((await getAgent(relay.url, ada ?? '')).lastSeenAt).toBe(seen);
    expect(await deleteProfile(relay.url, identity)).toBe(true);
    expect(await deleteProfile(relay.url, identity)).toBe(false);
    await expect(getAgent(relay.url, ada ?? '')).rejects.toMatchObject({ code: 'unknown-agent' });
  });

  it('refuses a profile that the relay changed, and another key', async () => {
    const [ada, eve] = [await registered(), await registered()];
    await publishProfile(relay.url, ada, { summary: 'honest' });
    const get = (change: (text: string) => string, pins = new Map<string, Pin>()) =>
      getAgent(relay.url, ada.handle, { pins, fetch: changingFetch((_, text) => change(text)) });
    await expect(get((text) => text.replace('honest', 'hacked'))).rejects.toMatchObject({
      code: 'signature-invalid',
    });
    const pins = new Map<string, Pin>();
    await get((text) => text, pins);
    const swapped = (text: string) => text.replace(ada.signPub, eve.signPub);
    await expect(get(swapped, pins)).rejects.toMatchObject({ code: 'key-changed' });
    // Only the directory changes keys: the SDK must compare them with the registered keys.
    const half = changingFetch((path, text) => (path.startsWith('/api/agents/') ? swapped(text) : text));
    await expect(getAgent(relay.url, ada.handle, { fetch: half })).rejects.toMatchObject({
      code: 'key-changed',
    });
  });

  it('misuse is refused by the SDK or by the relay', async () => {
    const ada = await registered();
    await expect(publishProfile(relay.url, ada, { homepageUrl: 'no url' })).rejects.toThrow(TypeError);
    await expect(publishProfile(relay.url, ada, { topics: ['No Tag'] })).rejects.toMatchObject({
      definite: true,
    });
    await expect(
      publishProfile(relay.url, Identity.create('not-there'), { summary: 'x' }),
    ).rejects.toMatchObject({ code: 'unknown-handle' });
  });
});
