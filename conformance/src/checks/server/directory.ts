/** Chapter 06: the directory of profiles. */
import { pathOf } from '@bot2bot/schemas';
import type { Check } from '../check.ts';
import type { Query } from '../../script/rooms.ts';
import type { Reply } from '../../script/reply.ts';
import type { RelayScript } from '../../script/claims.ts';
import { agent, published, publish, sentWith, tells } from './profiles.ts';

/** Time after its expiry by which a profile must be gone, in ms. */
const GONE_MS = 5_000;
const AGENTS_PAGE = 100;
/** Maximum number of pages that are read; a larger directory is not read completely. */
const MOST_PAGES = 250;

/** Searches count against the rate limit of the address. */
function search(t: RelayScript, query: Query, operation: 'searchAgents' | 'listAgents' = 'searchAgents') {
  return t.write(operation, [], undefined, { query });
}

function matches(t: RelayScript, handle: string): Promise<Reply> {
  return t.write('matchAgents', [], undefined, { query: { handle } });
}

function handlesOf(reply: Reply): string[] {
  return reply.json.get('agents').items.map((item) => item.get('handle').string);
}

/** A unique tag. */
function tag(t: RelayScript): string {
  return `x${t.identity().handle}`.slice(0, 24);
}

/** Read all pages of a search. */
async function pagesOf(t: RelayScript, query: Query): Promise<{ pages: Reply[]; whole: boolean }> {
  const pages: Reply[] = [];
  for (let cursor: string | number | undefined; pages.length < MOST_PAGES;) {
    const page = await search(t, { ...query, cursor });
    pages.push(page);
    const next = page.json.get('next_cursor').raw;
    if (typeof next !== 'string' && typeof next !== 'number') return { pages, whole: next === null };
    cursor = next;
  }
  return { pages, whole: false };
}

/** An answer of the directory with sorted keys, for comparison. */
function answerOf({ json }: Reply): string {
  const agents = json
    .get('agents')
    .items.map((item) => [item.get('handle').raw, item.get('profile_sig').raw]);
  return JSON.stringify([agents, json.get('count').raw, json.get('next_cursor').raw]);
}

function same(found: readonly string[], expected: readonly string[]): boolean {
  return found.toSorted().join() === expected.toSorted().join();
}

export const DIRECTORY_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'DIR-6/filters',
    title: 'a search returns the profiles that match every filter',
    lane: 'quick',
    run: async (t) => {
      const [x, y, z] = [tag(t), tag(t), tag(t)];
      const one = await published(t, {
        framework: `Frame-${x}`,
        capabilities: ['sum', x],
        topics: [y],
        languages: [z, 'en'],
        display_name: `Zoë ${x.toUpperCase()}`,
      });
      const two = await published(t, {
        framework: `Frame-${y}`,
        capabilities: [x],
        topics: [z],
        summary: `It ${y}s.`,
      });
      const three = await published(t, { framework: `frame-${x}`, topics: [x, y], languages: [`${z}x`] });
      const [a, b, c] = [one.me.handle, two.me.handle, three.me.handle];
      const cases: readonly (readonly [Query, readonly string[]])[] = [
        [{ framework: `Frame-${x}` }, [a, c]],
        [{ framework: `FRAME-${x.toUpperCase()}` }, [a, c]],
        [{ framework: x }, []],
        [{ capability: x }, [a, b]],
        [{ capability: x.slice(0, -1) }, []],
        [{ topic: y }, [a, c]],
        [{ topic: x }, [c]],
        [{ language: z }, [a]],
        [{ language: y }, []],
        [{ q: a.slice(0, 20) }, [a]],
        [{ q: b.toUpperCase() }, [b]],
        [{ q: x }, [a]],
        [{ q: `zoË ${x}` }, [a]],
        [{ q: `it ${y.toUpperCase()}S` }, [b]],
        [{ q: z }, []],
        [{ q: `.*${x}` }, []],
        [{ capability: x, topic: y }, [a]],
        [{ capability: x, topic: z, framework: `frame-${y}` }, [b]],
        [{ topic: y, framework: `frame-${x}`, q: c }, [c]],
        [{ topic: y, language: z, capability: 'sum' }, [a]],
        [{ topic: y, language: z, q: c }, []],
      ];
      for (const [query, expected] of cases) {
        const reply = await search(t, query);
        const found = handlesOf(reply);
        t.require(
          'DIR-6',
          reply.status === 200 && same(found, expected),
          `${expected.length} of three to ${Object.keys(query).join()}`,
          reply,
        );
        t.require(
          'DIR-6',
          reply.json.get('count').raw === expected.length,
          `count ${expected.length}`,
          reply,
        );
        t.require('DIR-6', reply.json.get('next_cursor').raw === null, 'next_cursor: null', reply);
      }
      const reply = await search(t, { topic: y, language: z });
      const [item] = reply.json.get('agents').items;
      const told = tells(item, sentWith(one.reply)) && item?.get('box_pub').raw === one.me.boxPub;
      t.require('DIR-6', told, 'the profile as published', reply);
    },
  },
  {
    id: 'DIR-7/pages',
    title: 'pages hold at most limit agents, and every agent once',
    lane: 'quick',
    run: async (t) => {
      const topic = tag(t);
      const mine: string[] = [];
      for (let i = 0; i < 5; i++) mine.push((await published(t, { topics: [topic] })).me.handle);
      for (const limit of [1, 2, 3, 5, 100]) {
        const { pages, whole } = await pagesOf(t, { topic, limit });
        const held = pages.every((page) => page.status === 200 && handlesOf(page).length <= limit);
        t.require('DIR-7', held, `pages of at most ${limit}`, ...pages);
        t.require('DIR-7', whole, 'a page whose next_cursor is null', ...pages);
        t.require('DIR-7', same(pages.flatMap(handlesOf), mine), 'the five agents, each once', ...pages);
      }
      const { pages, whole } = await pagesOf(t, { limit: 100 });
      const found = pages.flatMap(handlesOf).filter((handle) => mine.includes(handle));
      if (whole) t.require('DIR-7', same(found, mine), 'each agent once among all', ...pages);
    },
  },
  {
    id: 'DIR-7/hundred',
    title: 'a page holds at most 100 agents',
    lane: 'quick',
    cert: true,
    run: async (t) => {
      // Each profile needs a new handle: skip this if the relay allows few registrations.
      if (t.target.limits.address_registrations < 4 * AGENTS_PAGE) return;
      const topic = tag(t);
      const mine: string[] = [];
      for (let i = 0; i <= AGENTS_PAGE; i++) mine.push((await published(t, { topics: [topic] })).me.handle);
      const { pages } = await pagesOf(t, { topic, limit: 1_000 });
      const held = pages.every((page) => handlesOf(page).length <= AGENTS_PAGE);
      t.require('DIR-7', held, `pages of at most ${AGENTS_PAGE}`, ...pages);
      t.require('DIR-7', same(pages.flatMap(handlesOf), mine), 'every agent once', ...pages);
    },
  },
  {
    id: 'DIR-8/expiry',
    title: 'an expired profile is not returned',
    lane: 'long',
    cert: true,
    run: async (t) => {
      const topic = tag(t);
      // The clock of the relay may differ; a lab run tests relays of the same machine.
      const slack = t.target.outside.length > 0 ? 1_000 : 10_000;
      const ahead = t.target.timings.profile_min_ms + slack;
      const kept = (await published(t, { topics: [topic] })).me.handle;
      const { me } = await published(t, { topics: [topic], expires_at: Date.now() + ahead });
      await t.sleep(ahead + GONE_MS + slack);
      const [one, found, listed, near] = [
        await agent(t, me.handle),
        await search(t, { topic }),
        await search(t, { topic }, 'listAgents'),
        await matches(t, kept),
      ];
      t.require('DIR-8', one.status === 404, '404 for the agent', one);
      t.require('DIR-8', same(handlesOf(found), [kept]), 'the other agent alone', found);
      if (!t.hardened) return;
      t.require('DIR-8', same(handlesOf(listed), [kept]), 'the other agent alone', listed);
      t.require('DIR-8', near.status === 200 && same(handlesOf(near), []), 'no match', near);
    },
  },
  {
    id: 'DIR-9/delete',
    title: 'a handle can delete its profile',
    lane: 'quick',
    run: async (t) => {
      const topic = tag(t);
      const { me } = await published(t, { topics: [topic] });
      const other = (await published(t, { topics: [topic] })).me;
      for (const reply of [
        await t.write('deleteProfile', [me.handle], undefined),
        await t.signedRequest('deleteProfile', me.handle, me, { by: other }),
      ])
        t.require('DIR-9', reply.status === 401, '401 without the signature of the handle', reply);
      const before = await agent(t, me.handle);
      t.require('DIR-9', before.status === 200, 'the profile of before', before);
      for (const removed of [true, false]) {
        const reply = await t.signedRequest('deleteProfile', me.handle, me);
        t.require(
          'DIR-9',
          reply.status === 200 &&
            reply.json.get('ok').raw === true &&
            reply.json.get('removed').raw === removed,
          `200 with ok: true and removed: ${removed}`,
          reply,
        );
      }
      const after = await agent(t, me.handle);
      t.require('DIR-9', after.status === 404, '404 for the agent', after);
      const found = await search(t, { topic });
      t.require('DIR-9', same(handlesOf(found), [other.handle]), 'the other agent alone', found);
      const again = await publish(t, me, { topics: [topic] });
      t.require('DIR-9', again.status === 201, '201 to a profile published again', again);
    },
  },
  {
    id: 'DIR-10/heartbeat',
    title: 'a heartbeat sets last_seen_at to the clock of the relay',
    lane: 'quick',
    run: async (t) => {
      const [{ me }, { me: other }] = [await published(t), await published(t)];
      await t.sleep(100);
      const refused = [
        await t.write('agentHeartbeat', [me.handle], undefined),
        await t.signedRequest('agentHeartbeat', me.handle, me, { by: other }),
      ];
      for (const reply of refused)
        t.require('DIR-10', reply.status === 401, '401 without the signature of the handle', reply);
      const before = await t.get('health');
      const unseen = await agent(t, me.handle);
      const [least, old] = [
        before.json.get('ts').number - 5,
        unseen.json.get('agent').get('last_seen_at').raw ?? 0,
      ];
      t.require(
        'DIR-10',
        Number(old) < before.json.get('ts').number - 50,
        'a last_seen_at of before',
        unseen,
      );
      const reply = await t.signedRequest('agentHeartbeat', me.handle, me);
      const after = await t.get('health');
      const seen = reply.json.get('last_seen_at').number;
      const ok = reply.status === 200 && reply.json.get('ok').raw === true;
      t.require('DIR-10', ok, '200 with ok: true', reply);
      const most = after.json.get('ts').number + 5;
      t.require('DIR-10', seen >= least && seen <= most, `last_seen_at from ${least} to ${most}`, reply);
      const answer = await agent(t, me.handle);
      const told = answer.json.get('agent').get('last_seen_at').raw;
      t.require('DIR-10', told === seen, `last_seen_at ${seen} of the agent`, answer);
      await t.sleep(50);
      const since = (await t.get('health')).json.get('ts').number - 5;
      const again = await t.signedRequest('agentHeartbeat', me.handle, me);
      const isNew = again.json.get('last_seen_at').number >= since;
      t.require('DIR-10', isNew, `last_seen_at of at least ${since} to the next`, again);
    },
  },
  {
    id: 'DIR-11/matches',
    title: 'agents that share most tags come first, with the number of shared tags',
    lane: 'quick',
    run: async (t) => {
      const [c, d, topic, language] = [tag(t), tag(t), tag(t), tag(t)];
      const all = { capabilities: [c, d], topics: [topic], languages: [language] };
      // The agent that shares least is published first, so that the expected order differs from the order of publication.
      const least = (await published(t, { ...all, capabilities: [tag(t)], topics: [] })).me.handle;
      const most = (await published(t, all)).me.handle;
      const middle = (await published(t, { capabilities: [tag(t), d], topics: [topic] })).me.handle;
      await published(t, { capabilities: [tag(t)] });
      const { me } = await published(t, all);
      const reply = await matches(t, me.handle);
      t.require(
        'DIR-11',
        reply.status === 200 && handlesOf(reply).join() === [most, middle, least].join(),
        'the three others that share a tag, those that share most first',
        reply,
      );
      const scores = reply.json.get('agents').items.map((item) => item.get('score').raw);
      t.require('DIR-11', scores.join() === '4,2,1', 'scores 4, 2, 1', reply);
      t.require('DIR-11', reply.json.get('count').raw === 3, 'count 3', reply);
      const few = await matches(t, middle);
      const both = same(handlesOf(few), [most, me.handle]) && few.json.get('count').raw === 2;
      t.require('DIR-11', both, 'two others, and count 2, for another agent', few);
      for (const handle of [(await t.registered()).handle, t.identity().handle]) {
        const none = await matches(t, handle);
        t.require('DIR-11', none.status === 404, '404 without a profile', none);
      }
    },
  },
  {
    id: 'DIR-2/everywhere',
    title: 'an agent is the same in every answer of the directory',
    lane: 'quick',
    run: async (t) => {
      const topic = tag(t);
      const fields = (word: string) => ({
        display_name: `Agent ${word}`,
        framework: `frame-${word}`,
        framework_version: `1.${word}`,
        summary: `It ${word}s.`,
        // Only unique tags, so that no other agent matches.
        capabilities: [`${topic}-${word}-1`, `${topic}-${word}-2`],
        topics: [topic, `${topic}-${word}`],
        languages: [`${topic}-${word}-3`, `${topic}-${word}-4`],
        homepage_url: `https://${word}.example/`,
      });
      const one = await published(t, fields('one'));
      await t.sleep(20);
      const other = await published(t, fields('other'));
      const beat = await t.signedRequest('agentHeartbeat', [other.me.handle], other.me);
      const both = [one, other];
      const answers: readonly (readonly [rule: string, reply: Reply, many: boolean])[] = [
        ['DIR-2', await agent(t, one.me.handle), false],
        ['DIR-2', await agent(t, other.me.handle), false],
        ['DIR-6', await search(t, { topic }), true],
        ['DIR-11', await matches(t, one.me.handle), true],
        ['DIR-11', await matches(t, other.me.handle), true],
        ['DIR-12', await search(t, { topic }, 'listAgents'), true],
      ];
      const unbeaten = answers[0]?.[1].json.get('agent').get('last_seen_at').raw;
      for (const [rule, reply, many] of answers) {
        const items = many ? reply.json.get('agents').items : [reply.json.get('agent')];
        for (const item of items) {
          const mine = both.find(({ me }) => item.get('handle').raw === me.handle);
          const told =
            mine !== undefined &&
            tells(item, sentWith(mine.reply)) &&
            item.get('box_pub').raw === mine.me.boxPub &&
            item.get('sign_pub').raw === mine.me.signPub;
          t.require(rule, told, 'the profile as published, its signature and the keys of its handle', reply);
          const seen = item.get('last_seen_at').raw;
          const wanted =
            mine === other ? beat.json.get('last_seen_at').raw : unbeaten === undefined ? seen : unbeaten;
          t.require(rule, seen === wanted, 'last_seen_at as in the heartbeat or before', reply);
        }
      }
      const cursors = answers.filter(([rule]) => rule === 'DIR-11');
      for (const [rule, reply] of cursors)
        t.require(rule, reply.json.get('next_cursor').raw === null, 'next_cursor: null', reply);
    },
    also: ['DIR-6', 'DIR-11', 'DIR-12'],
  },
  {
    id: 'DIR-12/files',
    title: 'the documents of the directory are served at their well-known paths',
    lane: 'quick',
    run: async (t) => {
      const topic = tag(t);
      const mine = [
        (await published(t, { topics: [topic] })).me.handle,
        (await published(t, { topics: [topic] })).me.handle,
      ];
      for (const query of [{ topic }, { topic, limit: 1 }]) {
        const [listed, found] = [await search(t, query, 'listAgents'), await search(t, query)];
        t.require(
          'DIR-12',
          listed.status === 200 && answerOf(listed) === answerOf(found),
          'the answer of the search',
          listed,
          found,
        );
      }
      const whole = await search(t, { limit: 100 }, 'listAgents');
      const few = whole.json.get('next_cursor').raw === null;
      const listsMine = mine.every((handle) => handlesOf(whole).includes(handle));
      t.require('DIR-12', !few || listsMine, 'the published agents', whole);
      const reply = await t.get('discoverDirectory');
      const { json } = reply;
      t.require(
        'DIR-12',
        reply.status === 200 && json.get('protocol').string !== '',
        '200 with protocol',
        reply,
      );
      for (const [field, path] of [
        ['search', pathOf('searchAgents')],
        ['matches', pathOf('matchAgents')],
      ] as const)
        t.require('DIR-12', json.get(field).string.includes(path), `${field} ${path}`, reply);
      const one = json.get('agent').string;
      t.require('DIR-12', one.includes(pathOf('getAgent', '')), 'the path of an agent', reply);
      t.require('DIR-12', json.get('profile_schema').string !== '', 'profile_schema', reply);
      // `agents` may be the number of agents, or their first page, as on the deployed relay.
      const agents = json.get('agents');
      const count = Array.isArray(agents.raw) ? agents.items.length : agents.raw;
      t.require(
        'DIR-12',
        Number.isSafeInteger(count) && Number(count) >= mine.length,
        'the number of agents, or the first of them',
        reply,
      );
    },
  },
];
