/** Chapter 00: headers, and the documents that describe a relay. */
import { ROUTES, type Route } from '@bot2bot/schemas';
import type { Check } from '../check.ts';
import type { RelayScript } from '../../script/claims.ts';
import { headerOf } from '../../script/reply.ts';

/** The limits and timings that a relay of each profile must declare. @see CORE-11 */
const DECLARED = {
  limits: {
    rooms:
      'ciphertext_chars sender_chars ext_chars buffer_messages room_bytes relay_bytes rooms room_listeners page_messages body_bytes frame_bytes room_burst room_rate address_burst address_rate address_streams address_waiters room_waiters connections subscriber_bytes',
    claims: 'exclude_senders room_handles',
    identity: 'identities address_registrations replay_entries',
    dm: 'inbox_messages inbox_unsigned inbox_page dm_bytes',
    directory: 'profiles profile_bytes agents_page',
  },
  timings: {
    rooms:
      'ttl_min_ms ttl_max_ms retention_ms dedup_ms room_idle_ms listening_ms keepalive_ms presence_ms stalled_ms header_ms request_ms wait_default_ms wait_min_ms wait_max_ms',
    claims: 'lease_default_ms lease_min_ms lease_max_ms claim_ttl_min_ms claim_ttl_max_ms',
    identity: 'clock_tolerance_ms',
    dm: 'inbox_retention_ms',
    directory: 'profile_tolerance_ms profile_min_ms profile_max_ms',
  },
} as const;

/** What a page loads: every `src`, and the `href` of each `link` whose `rel` makes a browser load it. */
function loadedBy(html: string): string[] {
  const values = (text: string, name: string) =>
    [...text.matchAll(new RegExp(`\\s${name}\\s*=\\s*["']?([^"'\\s>]+)`, 'gi'))].map(
      (match) => match[1] ?? '',
    );
  const links = [...html.matchAll(/<link\b[^>]*>/gi)]
    .map(([link]) => link)
    .filter((link) => /\srel\s*=\s*["']?[^"'>]*\b(?:stylesheet|icon|preload|modulepreload)\b/i.test(link));
  return [...values(html, 'src'), ...links.flatMap((link) => values(link, 'href'))];
}

export const DISCOVERY_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'CORE-9/preflight',
    title: 'CORS allows all origins',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      for (const path of [ROUTES.postMessage.path, ROUTES.streamEvents.path, ROUTES.health.path]) {
        const reply = await t.request('OPTIONS', path.replace('{room}', room), {
          headers: {
            Origin: 'https://example.org',
            'Access-Control-Request-Method': 'POST',
            'Access-Control-Request-Headers': 'content-type',
          },
        });
        const methods = reply.header('access-control-allow-methods').toUpperCase();
        const headers = reply.header('access-control-allow-headers').toLowerCase();
        const allows = methods === '*' || (methods.includes('GET') && methods.includes('POST'));
        const names = ['content-type', 'authorization', 'last-event-id'].every((name) =>
          headers.includes(name),
        );
        t.require(
          'CORE-9',
          reply.status >= 200 && reply.status < 300 && allows && names,
          '2xx allowing GET, POST and the three headers',
          reply,
        );
      }
      await t.transcript(room);
      await t.status('a');
    },
  },
  {
    id: 'CORE-10/no-store',
    title: 'answers about a room must not be stored by caches',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const replies = [
        await t.post(room),
        await t.transcript(room),
        await t.status(room),
        await t.status('a'),
      ];
      for (const reply of replies)
        t.require(
          'CORE-10',
          reply.header('cache-control').includes('no-store'),
          'Cache-Control: no-store',
          headerOf(reply, 'Cache-Control'),
        );
      const stream = await t.open('sse', room);
      t.require(
        'CORE-10',
        stream.header('cache-control').includes('no-store'),
        'Cache-Control: no-store on the stream',
        headerOf(stream, 'Cache-Control'),
      );
    },
  },
  {
    id: 'CORE-11/discovery',
    title: 'the discovery document has the version, the profiles, the limits and the timings',
    lane: 'quick',
    run: async (t) => {
      const reply = await t.get('discovery');
      t.require(
        'CORE-11',
        reply.status === 200 && reply.header('content-type').includes('json'),
        '200 with JSON',
        headerOf(reply, 'Content-Type'),
      );
      const version = reply.json.get('spec_version').raw;
      t.require('CORE-11', version === '1.0', 'spec_version "1.0", the version of this specification', reply);
      const { profiles } = t.target;
      for (const [place, table] of Object.entries(DECLARED)) {
        for (const [profile, names] of Object.entries(table)) {
          if (!profiles.includes(profile)) continue;
          for (const name of names.split(' ')) {
            // The minimum time between two presence frames may be 0.
            const told = reply.json.get(place).get(name).number;
            const ok = name === 'presence_ms' ? told >= 0 : told > 0;
            t.require('CORE-11', ok, `${name} in ${place}`, reply);
          }
        }
      }
      t.require(
        'CORE-11',
        reply.json.get('profiles').items.some((item) => item.raw === 'rooms'),
        'the profile rooms',
        reply,
      );
    },
  },
  {
    id: 'CORE-12/health',
    title: 'health is answered with ok and the time',
    lane: 'quick',
    run: async (t) => {
      const reply = await t.get('health');
      t.require(
        'CORE-12',
        reply.status === 200 && reply.json.get('ok').raw === true,
        '200 with ok: true',
        reply,
      );
      const ts = reply.json.get('ts').number;
      t.require('CORE-12', ts > 1.6e12 && ts < 4e12, 'ts in Unix milliseconds', reply);
    },
  },
  {
    id: 'CORE-13/document',
    title: 'the OpenAPI document describes every operation',
    lane: 'quick',
    run: async (t) => {
      const reply = await t.get('openapi');
      t.require(
        'CORE-13',
        reply.status === 200 && reply.json.get('openapi').string.startsWith('3.1'),
        '200 with an OpenAPI 3.1 document',
        reply,
      );
      // The names of the parameters are free.
      const plain = (path: string) => path.replaceAll(/\{[^}]*\}/g, '{}');
      const paths = reply.json.get('paths');
      const described = Object.keys(paths.raw ?? {});
      for (const { method, path, profile = 'rooms' } of Object.values<Route>(ROUTES)) {
        if (!t.target.profiles.includes(profile)) continue;
        const same = described.filter((name) => plain(name) === plain(path));
        t.require(
          'CORE-13',
          same.some((name) => paths.get(name).has(method.toLowerCase())),
          `${method} ${path} in the document`,
          reply,
        );
      }
    },
  },
  {
    id: 'CORE-14/docs',
    title: 'the API page loads nothing from other origins',
    lane: 'quick',
    run: async (t) => {
      const reply = await t.get('docs');
      const html = reply.record.resBody;
      t.require(
        'CORE-14',
        reply.status === 200 && reply.header('content-type').includes('text/html') && /<html/i.test(html),
        '200 with an HTML page',
        headerOf(reply, 'Content-Type'),
      );
      const page = new URL(t.target.url);
      const foreign = loadedBy(html).find((link) => {
        const { protocol, origin } = URL.canParse(link, page.href) ? new URL(link, page) : page;
        return protocol.startsWith('http') && origin !== page.origin;
      });
      t.require('CORE-14', foreign === undefined, 'nothing loaded from another origin', reply);
    },
  },
  {
    id: 'CORE-15/status',
    title: 'the relay declares the hashes of its sources',
    lane: 'quick',
    run: async (t) => {
      const reply = await t.get('relayStatus');
      t.require(
        'CORE-15',
        reply.status === 200 && reply.json.get('ok').raw === true,
        '200 with ok: true',
        reply,
      );
      t.require(
        'CORE-15',
        /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$/.test(reply.json.get('started_at').string),
        'started_at as ISO 8601',
        reply,
      );
    },
  },
];
