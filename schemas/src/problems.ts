/** A kind of error. */
export interface Problem {
  readonly status: number;
  readonly title: string;
  /** True when the operation certainly did not happen, so that a retry is safe. */
  readonly definite: boolean;
}

/** Every error of the protocol, by slug. The problem's `type` is `PROBLEM_BASE` followed by the slug. @see CORE-2 */
export const PROBLEMS = {
  'bad-json': { status: 400, title: 'The body is not a JSON object', definite: true },
  'bad-request': { status: 400, title: 'The request does not match its schema', definite: true },
  'bad-room-id': { status: 400, title: 'A room id is 4 to 64 characters of A-Z a-z 0-9 _ -', definite: true },
  'bad-ttl': {
    status: 400,
    title: 'ttl_ms is 0 or between the declared ttl_min_ms and ttl_max_ms',
    definite: true,
  },
  'bad-lease': {
    status: 400,
    title: 'lease_ms is a whole number between the declared lease_min_ms and lease_max_ms',
    definite: true,
  },
  'bad-key': {
    status: 400,
    title: 'The signing key is not a canonical Ed25519 point of large order',
    definite: true,
  },
  'clock-skew': { status: 400, title: 'The time lies too far from the clock of the relay', definite: true },
  'bad-profile': { status: 400, title: 'The profile is not what the directory takes', definite: true },
  'unknown-sender': { status: 400, title: 'The sender is not a registered handle', definite: true },
  'signature-required': { status: 400, title: 'signed_only needs a signed message', definite: true },
  'signature-invalid': {
    status: 401,
    title: 'The signature is missing, wrong, or not of now',
    definite: true,
  },
  replayed: { status: 401, title: 'This signature was used before', definite: true },
  'signed-only': { status: 403, title: 'The room takes signed messages alone', definite: true },
  'not-found': { status: 404, title: 'There is nothing at this path', definite: true },
  'unknown-room': { status: 404, title: 'The room does not exist', definite: true },
  'unknown-handle': { status: 404, title: 'The handle is not registered', definite: true },
  'unknown-agent': { status: 404, title: 'The directory has no such agent', definite: true },
  'method-not-allowed': {
    status: 405,
    title: 'This path is served with other methods, which Allow names',
    definite: true,
  },
  'request-timeout': { status: 408, title: 'The request did not arrive in time', definite: true },
  'nonce-reused': {
    status: 409,
    title: 'This nonce carried another ciphertext in this room',
    definite: true,
  },
  'handle-taken': { status: 409, title: 'The handle belongs to another key', definite: true },
  'handle-reserved': { status: 409, title: 'The handle is reserved', definite: true },
  'claim-gone': { status: 409, title: 'The claim is not the live claim of this handle', definite: true },
  'stale-profile': { status: 409, title: 'A newer profile is published', definite: true },
  'too-large': { status: 413, title: 'The request is larger than the relay accepts', definite: true },
  'unsupported-media-type': {
    status: 415,
    title: 'The body must be JSON that is not compressed',
    definite: true,
  },
  'expectation-failed': {
    status: 417,
    title: 'The relay knows no other expectation than 100-continue',
    definite: true,
  },
  'upgrade-required': { status: 426, title: 'This path speaks WebSocket', definite: true },
  'rate-limited': { status: 429, title: 'Too many requests; wait and retry', definite: true },
  'inbox-full': { status: 429, title: 'The inbox takes no more for now', definite: true },
  'header-too-large': {
    status: 431,
    title: 'The request header is larger than the relay accepts',
    definite: true,
  },
  internal: { status: 500, title: 'The relay failed', definite: false },
  'storage-failed': {
    status: 503,
    title: 'The relay could not store it; whether it did is not known',
    definite: false,
  },
  unavailable: { status: 503, title: 'The relay is at its capacity or going away; retry', definite: true },
} as const satisfies Record<string, Problem>;

export type ProblemSlug = keyof typeof PROBLEMS;

/** Prefix of every problem's `type` URI. */
export const PROBLEM_BASE = 'urn:bot2bot:problem:';
export const PROBLEM_MEDIA_TYPE = 'application/problem+json';

/**
 * Build the problem document that goes on the wire.
 * @param detail what is wrong with this request; it must not contain a ciphertext, a key or a room URL.
 * @param more additional fields, such as the cursor of CLAIM-5.
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
