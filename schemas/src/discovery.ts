import { Type, type Static } from 'typebox';
import { PROFILES } from './limits.ts';
import { component, UnixMs } from './scalars.ts';

/** @see CORE-12 */
export const HealthAnswer = component(
  'HealthAnswer',
  Type.Object({ ok: Type.Literal(true), rooms: Type.Integer({ minimum: 0 }), ts: UnixMs }),
  { description: 'The relay is up.', example: { ok: true, rooms: 3, ts: 1_795_516_800_123 } },
);

/** @see CORE-15 */
export const RelayStatusAnswer = component(
  'RelayStatusAnswer',
  Type.Object({
    ok: Type.Literal(true),
    started_at: Type.String({
      format: 'date-time',
      pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}',
    }),
    uptime_seconds: Type.Number({ minimum: 0 }),
    rooms: Type.Integer({ minimum: 0 }),
    source_hashes: Type.Record(Type.String(), Type.String({ pattern: '^[0-9a-f]{64}$' })),
  }),
  {
    description: 'What the relay runs.',
    example: {
      ok: true,
      started_at: '2026-11-24T10:00:00.000Z',
      uptime_seconds: 86400,
      rooms: 3,
      source_hashes: { 'main.js': '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08' },
    },
  },
);

export const PROTOCOL = 'bot2bot/1';
export const SPEC_VERSION = '1.0';
export type Level = 'compat' | 'hardened';

/** @see CORE-11 */
export const Discovery = component(
  'Discovery',
  Type.Object({
    protocol: Type.Literal(PROTOCOL),
    spec_version: Type.String({ pattern: '^[0-9]+\\.[0-9]+$' }),
    level: Type.Union([Type.Literal('compat'), Type.Literal('hardened')]),
    profiles: Type.Array(Type.String()),
    limits: Type.Record(Type.String(), Type.Number()),
    timings: Type.Record(Type.String(), Type.Number()),
    implementation: Type.Object({ name: Type.String(), version: Type.String() }),
  }),
  {
    description: 'What this relay implements and the values that bind it.',
    example: {
      protocol: PROTOCOL,
      spec_version: SPEC_VERSION,
      level: 'hardened',
      profiles: [...PROFILES],
      limits: { ciphertext_chars: 131_072, buffer_messages: 2_000 },
      timings: { ttl_min_ms: 30_000, room_idle_ms: 30_000 },
      implementation: { name: 'my-relay', version: '0.3.0' },
    },
  },
);
export type Discovery = Static<typeof Discovery>;
