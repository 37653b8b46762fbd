/** Chapter 00: errors. */
import { ROUTES } from '@bot2bot/schemas';
import type { Check } from '../check.ts';
import { headerOf, type Reply } from '../../script/reply.ts';
import type { RelayScript } from '../../script/claims.ts';

const JSON_TYPE = { 'Content-Type': 'application/json' };

/** Requests that a relay must refuse, or at least must not fail on. */
async function malformed(t: RelayScript, room: string): Promise<Reply[]> {
  const path = ROUTES.postMessage.path.replace('{room}', room);
  const { ciphertext, nonce } = t.sealed();
  const bodies = [
    '',
    '{',
    'null',
    '[]',
    '"text"',
    '0',
    '{"ciphertext":',
    '\u0000',
    '{}',
    '{"ciphertext":null,"nonce":null}',
    JSON.stringify({ ciphertext, nonce: [] }),
    JSON.stringify({ ciphertext: {}, nonce }),
    // This one needs a complete message: a relay may treat null as absent.
    JSON.stringify({ ...t.sealed(), reply_to: null }),
    JSON.stringify({ ciphertext, nonce, ttl_ms: 'soon' }),
    JSON.stringify({ ciphertext, nonce, sender: 7 }),
    `{"ciphertext":"${ciphertext}","nonce":"${nonce}","ttl_ms":1e999}`,
    '['.repeat(5_000),
    `{"__proto__":{"a":1},"ciphertext":1,"nonce":2}`,
  ];
  const replies: Reply[] = [];
  for (const body of bodies)
    replies.push(await t.request('POST', path, { headers: JSON_TYPE, body, writes: room }));
  for (const odd of ['%', '%zz', '%00%00%00%00', '..%2f..%2fetc']) {
    replies.push(await t.request('GET', ROUTES.probeRoom.path.replace('{room}', odd)));
  }
  for (const query of [
    'after=%',
    'after=1e999',
    'after[]=1',
    'epoch=%00',
    'limit=-1e9&limit=2',
    'after=NaN',
  ]) {
    replies.push(await t.request('GET', `${ROUTES.readTranscript.path.replace('{room}', room)}?${query}`));
  }
  replies.push(
    await t.request('POST', path, {
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: 'a=b',
      writes: room,
    }),
  );
  replies.push(
    await t.request('DELETE', path),
    await t.request('GET', path),
    await t.request('PUT', path, { headers: JSON_TYPE, body: '{}' }),
  );
  return replies;
}

export const ERROR_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'CORE-1/errors',
    title: 'errors are JSON objects with an error',
    lane: 'quick',
    also: ['CORE-2'],
    run: async (t) => {
      const room = t.room();
      const { nonce } = t.sealed();
      const replies = [
        await t.send('postMessage', room, { nonce }),
        await t.status('a'),
        await t.send('announceListening', room, { name: 'nobody' }),
        await t.post(room, { ttl_ms: 1 }),
      ];
      for (const reply of replies)
        t.require(
          'CORE-1',
          reply.status >= 400 && reply.json.get('error').string !== '',
          'a refusal with an error',
          reply,
        );
    },
  },
  {
    id: 'CORE-2/malformed-json',
    title: 'even malformed JSON and refused streams are answered with a problem document',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const reply = await t.send('postMessage', room, '{');
      t.require(
        'CORE-2',
        reply.header('content-type').includes('application/problem+json'),
        'application/problem+json',
        headerOf(reply, 'Content-Type'),
      );
      const stream = await t.open('sse', 'a');
      t.require(
        'CORE-2',
        stream.header('content-type').includes('application/problem+json'),
        'application/problem+json for a refused stream',
        headerOf(stream, 'Content-Type'),
      );
    },
  },
  {
    id: 'CORE-4/malformed',
    title: 'malformed requests are not answered 5xx, and the relay continues to serve',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      for (const reply of await malformed(t, room)) {
        t.require('CORE-4', reply.status < 500 || reply.status === 503, 'no 5xx but 503', reply);
      }
      const after = await t.post(room);
      t.require('CORE-4', after.status === 200, 'a valid post is accepted afterwards', after);
    },
  },
  {
    id: 'CORE-5/unknown-fields',
    title: 'unknown fields and parameters are ignored',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const post = await t.post(room, { x_unknown: { deep: [1] }, zz: null });
      t.require('CORE-5', post.status === 200, '200 to a post with unknown fields', post);
      const page = await t.transcript(room, { x_unknown: 'y' });
      t.require(
        'CORE-5',
        page.status === 200 && page.json.get('messages').items.length === 1,
        '200 to a query with an unknown parameter',
        page,
      );
    },
  },
  {
    id: 'CORE-6/clamped',
    title: 'numbers in a query are clamped, and invalid ones are ignored',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      await t.posted(room);
      await t.posted(room);
      const count = async (query: Record<string, string>, expected: number) => {
        const page = await t.transcript(room, query);
        t.require(
          'CORE-6',
          page.status === 200 && page.json.get('messages').items.length === expected,
          `${expected} messages for ${JSON.stringify(query)}`,
          page,
        );
      };
      await count({ limit: '0' }, 1);
      await count({ limit: '-7' }, 1);
      await count({ limit: '99999' }, 2);
      await count({ limit: 'abc' }, 2);
      await count({ limit: '' }, 2);
      await count({ after: '-5' }, 2);
      await count({ after: 'abc' }, 2);
      const wait = await t.wait(room, { after: 'abc', timeout: 'abc' });
      t.require(
        'CORE-6',
        wait.json.get('messages').items.length === 2,
        'a wait with unreadable numbers reads from 0',
        wait,
      );
    },
  },
  {
    id: 'CORE-7/bad-bodies',
    title: 'a body that is not an object with ciphertext and nonce is answered 400',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const { ciphertext, nonce } = t.sealed();
      for (const body of [
        '{',
        'null',
        '[]',
        '7',
        '{}',
        JSON.stringify({ ciphertext }),
        JSON.stringify({ nonce }),
      ]) {
        const reply = await t.send('postMessage', room, body);
        t.require('CORE-7', reply.status === 400, `400 to ${body.slice(0, 30)}`, reply);
      }
    },
  },
  {
    id: 'CORE-8/long-body',
    title: 'a body above body_bytes is answered 413',
    lane: 'quick',
    run: async (t) => {
      const body = JSON.stringify({ ...t.sealed(), filler: 'x'.repeat(t.target.limits.body_bytes) });
      const reply = await t.send('postMessage', t.room(), body);
      t.require('CORE-8', reply.status === 413, '413', reply);
    },
  },
  {
    id: 'CORE-16/unknown-path',
    title: 'unknown paths are answered 404',
    lane: 'quick',
    run: async (t) => {
      for (const path of ['/api/no-such-thing', `/api/rooms/${t.room()}/no-such-thing`]) {
        const reply = await t.request('GET', path);
        t.require('CORE-16', reply.status === 404, `404 to ${path.replace(/t-[^/]+/, ':room')}`, reply);
      }
    },
  },
];
