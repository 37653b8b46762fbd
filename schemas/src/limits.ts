/** The parts of the protocol that a relay may implement; `rooms` is chapters 00 to 04. @see CORE-11 */
export const PROFILES = ['rooms', 'claims', 'identity', 'dm', 'directory'] as const;
export type Profile = (typeof PROFILES)[number];

/** Profile of each rule family (the letters of a rule's id); families not listed belong to `rooms`. */
export const PROFILE_OF_FAMILY: Readonly<Record<string, Profile>> = {
  CLAIM: 'claims',
  ID: 'identity',
  REQ: 'identity',
  SIGN: 'identity',
  DM: 'dm',
  DIR: 'directory',
};

/** A limit of the protocol. An operator may set it within `min` and `max`; `/.well-known/bot2bot` declares the value. */
export interface Bound {
  readonly default: number;
  /** The smallest and the largest (`max`) value that a certified relay may declare. */
  readonly min: number;
  readonly max: number;
  readonly unit: string;
  readonly about: string;
  /** Only relays that implement this profile declare a value. */
  readonly profile: Profile;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const UNBOUNDED = Number.MAX_SAFE_INTEGER;

function bound(
  value: number,
  min: number,
  max: number,
  unit: string,
  about: string,
  profile: Profile = 'rooms',
): Bound {
  return { default: value, min, max, unit, about, profile };
}

function fixed(value: number, unit: string, about: string, profile: Profile): Bound {
  return bound(value, value, value, unit, about, profile);
}

/** Sizes and counts. @see CORE-11 */
export const LIMITS = {
  ciphertext_chars: bound(
    131_072,
    131_072,
    131_072,
    'characters',
    'ciphertext of one message, as base64 text',
  ),
  sender_chars: bound(64, 64, 64, 'characters', 'sender label'),
  ext_chars: bound(1_024, 1_024, 1_024, 'characters', 'ext field'),
  buffer_messages: bound(2_000, 100, 2_000, 'messages', 'buffered in a room'),
  room_bytes: bound(64 << 20, 1 << 20, UNBOUNDED, 'bytes', 'buffered in a room'),
  relay_bytes: bound(1 << 30, 64 << 20, UNBOUNDED, 'bytes', 'buffered in all rooms'),
  rooms: bound(100_000, 1_000, UNBOUNDED, 'rooms', 'that exist at the same time'),
  room_listeners: bound(256, 64, UNBOUNDED, 'names', 'kept in presence by listening, per room'),
  page_messages: bound(500, 500, 500, 'messages', 'in one answer of wait or transcript'),
  body_bytes: bound(196_608, 196_608, 1 << 20, 'bytes', 'JSON body of a request'),
  frame_bytes: bound(262_144, 262_144, 1 << 20, 'bytes', 'WebSocket frame from a client'),
  room_burst: bound(300, 30, UNBOUNDED, 'messages', 'burst per (room, address)'),
  room_rate: bound(100, 10, UNBOUNDED, 'messages/s', 'sustained per (room, address)'),
  address_burst: bound(600, 60, UNBOUNDED, 'writes', 'burst per address, over all rooms'),
  address_rate: bound(200, 20, UNBOUNDED, 'writes/s', 'sustained per address, over all rooms'),
  address_streams: bound(256, 32, UNBOUNDED, 'streams', 'open per address'),
  address_waiters: bound(256, 16, UNBOUNDED, 'requests', 'parked per address'),
  room_waiters: bound(256, 256, UNBOUNDED, 'requests', 'parked in a room'),
  connections: bound(20_000, 1_000, UNBOUNDED, 'connections', 'open to the relay'),
  subscriber_bytes: bound(
    64 << 10,
    64 << 10,
    UNBOUNDED,
    'bytes',
    'buffered for one stream; further messages wait in the log',
  ),
  exclude_senders: fixed(256, 'labels', 'in exclude_senders of one claim', 'claims'),
  room_handles: bound(1_024, 64, UNBOUNDED, 'handles', 'with a cursor in a room', 'claims'),
  identities: bound(200_000, 1_000, UNBOUNDED, 'handles', 'registered', 'identity'),
  address_registrations: bound(
    1_000,
    100,
    UNBOUNDED,
    'handles/h',
    'newly registered from one address',
    'identity',
  ),
  replay_entries: bound(500_000, 10_000, UNBOUNDED, 'signatures', 'remembered to detect replays', 'identity'),
  inbox_messages: fixed(256, 'messages', 'in an inbox', 'dm'),
  inbox_unsigned: fixed(32, 'messages', 'in an inbox, unsigned', 'dm'),
  inbox_page: fixed(50, 'messages', 'in one answer of an inbox', 'dm'),
  dm_bytes: bound(
    256 << 20,
    16 << 20,
    UNBOUNDED,
    'bytes',
    'in all inboxes; unsigned messages at most a quarter',
    'dm',
  ),
  profiles: bound(20_000, 1_000, UNBOUNDED, 'profiles', 'published', 'directory'),
  profile_bytes: fixed(8_192, 'bytes', 'of a profile as canonical JSON', 'directory'),
  agents_page: fixed(100, 'agents', 'in one answer of the directory', 'directory'),
} as const satisfies Record<string, Bound>;

/** Durations in milliseconds. @see CORE-11 */
export const TIMINGS = {
  ttl_min_ms: bound(30 * SECOND, 30 * SECOND, 30 * SECOND, 'ms', 'shortest time to live'),
  ttl_max_ms: bound(366 * DAY, 366 * DAY, 366 * DAY, 'ms', 'longest time to live'),
  retention_ms: bound(24 * HOUR, HOUR, 24 * HOUR, 'ms', 'age at which a message is evicted from the buffer'),
  dedup_ms: bound(60 * SECOND, 60 * SECOND, 24 * HOUR, 'ms', 'minimum time for which a nonce is remembered'),
  room_idle_ms: bound(
    30 * SECOND,
    30 * SECOND,
    45 * SECOND,
    'ms',
    'from the last activity until a room is evicted',
  ),
  listening_ms: bound(
    60 * SECOND,
    60 * SECOND,
    60 * SECOND,
    'ms',
    'time for which a listening keeps its name in presence',
  ),
  keepalive_ms: bound(15 * SECOND, 5 * SECOND, 15 * SECOND, 'ms', 'between comments on an idle SSE stream'),
  presence_ms: bound(1 * SECOND, 0, 2 * SECOND, 'ms', 'minimum time between two presence frames of a room'),
  stalled_ms: bound(MINUTE, 10 * SECOND, HOUR, 'ms', 'until a stream whose client does not read is closed'),
  header_ms: bound(10 * SECOND, 5 * SECOND, 5 * MINUTE, 'ms', 'to receive the header of a request'),
  request_ms: bound(30 * SECOND, 10 * SECOND, 5 * MINUTE, 'ms', 'to receive a whole request'),
  wait_default_ms: bound(
    30 * SECOND,
    30 * SECOND,
    30 * SECOND,
    'ms',
    'longest time that a wait without timeout parks',
  ),
  wait_min_ms: bound(1 * SECOND, 1 * SECOND, 1 * SECOND, 'ms', 'shortest wait'),
  wait_max_ms: bound(90 * SECOND, 90 * SECOND, 90 * SECOND, 'ms', 'longest wait'),
  lease_default_ms: fixed(MINUTE, 'ms', 'lease of a claim without lease_ms and ttl_ms', 'claims'),
  lease_min_ms: fixed(SECOND, 'ms', 'shortest lease_ms', 'claims'),
  lease_max_ms: fixed(10 * MINUTE, 'ms', 'longest lease_ms', 'claims'),
  claim_ttl_min_ms: fixed(MINUTE, 'ms', 'lower bound to which the ttl_ms of a claim is clamped', 'claims'),
  claim_ttl_max_ms: fixed(
    5 * MINUTE,
    'ms',
    'upper bound to which the ttl_ms of a claim is clamped',
    'claims',
  ),
  clock_tolerance_ms: fixed(
    MINUTE,
    'ms',
    "largest difference between a signer's timestamp and the relay's clock",
    'identity',
  ),
  inbox_retention_ms: fixed(7 * DAY, 'ms', 'age at which a message is removed from an inbox', 'dm'),
  profile_tolerance_ms: fixed(
    5 * MINUTE,
    'ms',
    "largest difference between updated_at and the relay's clock",
    'directory',
  ),
  profile_min_ms: fixed(MINUTE, 'ms', 'shortest time until expires_at', 'directory'),
  profile_max_ms: fixed(7 * DAY, 'ms', 'longest time until expires_at', 'directory'),
} as const satisfies Record<string, Bound>;

export type LimitName = keyof typeof LIMITS;
export type TimingName = keyof typeof TIMINGS;
export type Limits = Record<LimitName, number>;
export type Timings = Record<TimingName, number>;

/** This long after its last activity, a room no longer exists. @see ROOM-7 */
export const ROOM_GONE_MS = 60 * SECOND;

/** Page size of a transcript without `limit`. @see READ-4 */
export const TRANSCRIPT_LIMIT = 100;

/** Page size of a directory search without `limit`. @see DIR-7 */
export const AGENTS_LIMIT = 50;

function values<K extends string>(table: Readonly<Record<K, Bound>>): Record<K, number> {
  return Object.fromEntries(Object.entries<Bound>(table).map(([name, b]) => [name, b.default])) as Record<
    K,
    number
  >;
}

/** The default of every limit. */
export const DEFAULT_LIMITS: Limits = values(LIMITS);
/** The default of every timing. */
export const DEFAULT_TIMINGS: Timings = values(TIMINGS);

/** The limits to assume for a relay that declares none. @see CORE-11 */
export const COMPAT_LIMITS: Limits = { ...DEFAULT_LIMITS, address_streams: 32, address_waiters: 16 };

/**
 * Parse a number from a query string. Out-of-range values are clamped, never refused.
 * @param text the raw value; when absent or not a number, the result is `fallback`.
 * @see CORE-6
 */
export function queryNumber(
  text: string | null | undefined,
  range: { min: number; max: number; fallback: number },
): number {
  const value = text === null || text === undefined || text.trim() === '' ? NaN : Number(text);
  if (Number.isNaN(value)) return range.fallback;
  return Math.min(range.max, Math.max(range.min, Math.trunc(value)));
}
