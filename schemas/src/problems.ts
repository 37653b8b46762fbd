/** A kind of error that a request can be answered with. */
export interface Problem {
  readonly status: number;
  readonly title: string;
  /** True: the operation did not happen, so that it is safe to retry. False: it may have happened. */
  readonly definite: boolean;
}

/** Every error of the protocol, by slug. The problem's `type` is `PROBLEM_BASE` followed by the slug. @see CORE-2 */
export const PROBLEMS = {
  'bad-json': { status: 400, title: 'The body is not a JSON object', definite: true },
  'bad-request': { status: 400, title: 'The request does not match its schema', definite: true },
  'bad-room-id': {
    status: 400,
    title: 'A room id must be 4 to 64 characters of A-Z a-z 0-9 _ -',
    definite: true,
  },
  'bad-ttl': {
    status: 400,
    title: 'ttl_ms must be 0, or between the declared ttl_min_ms and ttl_max_ms',
    definite: true,
  },
  'bad-lease': {
    status: 400,
    title: 'lease_ms must be a whole number between the declared lease_min_ms and lease_max_ms',
    definite: true,
  },
  'bad-key': {
    status: 400,
    title: 'The signing key is not a valid Ed25519 public key, or is a small-order one',
    definite: true,
  },
  'clock-skew': {
    status: 400,
    title: 'The timestamp is too far from the clock of the relay',
    definite: true,
  },
  'bad-profile': { status: 400, title: 'The profile is not valid', definite: true },
  'unknown-sender': { status: 400, title: 'The handle of the sender is not registered', definite: true },
  'signature-required': { status: 400, title: 'A message with signed_only must be signed', definite: true },
  'signature-invalid': {
    status: 401,
    title: 'The signature is missing, invalid, or outside clock_tolerance_ms',
    definite: true,
  },
  replayed: { status: 401, title: 'This signature was already used', definite: true },
  'signed-only': { status: 403, title: 'The room accepts only signed messages', definite: true },
  'not-found': { status: 404, title: 'Nothing is served at this path', definite: true },
  'unknown-room': { status: 404, title: 'The room does not exist', definite: true },
  'unknown-handle': { status: 404, title: 'The handle is not registered', definite: true },
  'unknown-agent': { status: 404, title: 'The directory has no such agent', definite: true },
  'method-not-allowed': {
    status: 405,
    title: 'This path does not support the method; the Allow header lists those it does',
    definite: true,
  },
  'request-timeout': { status: 408, title: 'The request did not arrive in time', definite: true },
  'nonce-reused': {
    status: 409,
    title: 'This nonce was already used with another ciphertext in this room',
    definite: true,
  },
  'handle-taken': { status: 409, title: 'The handle is registered with another key', definite: true },
  'handle-reserved': { status: 409, title: 'The handle is reserved', definite: true },
  'claim-gone': {
    status: 409,
    title: 'This handle does not hold the claim, or no longer does',
    definite: true,
  },
  'stale-profile': {
    status: 409,
    title: 'The profile is not newer than the one that was published or deleted before',
    definite: true,
  },
  'too-large': { status: 413, title: 'The request is larger than the relay accepts', definite: true },
  'unsupported-media-type': {
    status: 415,
    title: 'The body must be uncompressed JSON',
    definite: true,
  },
  'expectation-failed': {
    status: 417,
    title: 'The only supported Expect header is 100-continue',
    definite: true,
  },
  'upgrade-required': { status: 426, title: 'This path requires a WebSocket upgrade', definite: true },
  'rate-limited': { status: 429, title: 'Too many requests; wait and retry', definite: true },
  'inbox-full': { status: 429, title: 'The inbox is full; wait and retry', definite: true },
  'header-too-large': {
    status: 431,
    title: 'The request headers are larger than the relay accepts',
    definite: true,
  },
  internal: {
    status: 500,
    title: 'The relay failed; it is unknown whether the request took effect',
    definite: false,
  },
  'storage-failed': {
    status: 503,
    title: 'The relay could not store the data; it is unknown whether part of it was stored',
    definite: false,
  },
  unavailable: {
    status: 503,
    title: 'The relay is at its capacity or shutting down; retry later',
    definite: true,
  },
} as const satisfies Record<string, Problem>;

export type ProblemSlug = keyof typeof PROBLEMS;

/** Prefix of every problem's `type` URI. */
export const PROBLEM_BASE = 'urn:bot2bot:problem:';
export const PROBLEM_MEDIA_TYPE = 'application/problem+json';

/**
 * Build the problem document that goes on the wire.
 * @param detail what is wrong with this particular request; default: the title. It must not contain ciphertext, keys or
 * room URLs.
 * @param more extra fields of the operation, such as `cursor` in CLAIM-5.
 * @see CORE-1 CORE-2
 */
export function problemBody(slug: ProblemSlug, detail?: string, more: Readonly<Record<string, number>> = {}) {
  const { status, title } = PROBLEMS[slug];
  const text = detail ?? title;
  return {
    ...more,
    type: PROBLEM_BASE + slug,
    title,
    status,
    ...(detail === undefined ? {} : { detail }),
    error: text,
  };
}
