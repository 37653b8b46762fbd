/** One way in which a request can fail. */
export interface Problem {
  readonly status: number;
  readonly title: string;
  /** True when the operation did not happen and may be retried blindly. */
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
  'signature-required': { status: 400, title: 'signed_only needs a signed message', definite: true },
  'bad-signature': { status: 401, title: 'No registered identity matches the signature', definite: true },
  'not-found': { status: 404, title: 'There is nothing at this path', definite: true },
  'unknown-room': { status: 404, title: 'The room does not exist', definite: true },
  'request-timeout': { status: 408, title: 'The request did not arrive in time', definite: true },
  'nonce-reused': {
    status: 409,
    title: 'This nonce carried another ciphertext in this room',
    definite: true,
  },
  'too-large': { status: 413, title: 'The request is larger than the relay accepts', definite: true },
  'unsupported-media-type': { status: 415, title: 'The body must be application/json', definite: true },
  'upgrade-required': { status: 426, title: 'This path speaks WebSocket', definite: true },
  'rate-limited': { status: 429, title: 'Too many requests; wait and retry', definite: true },
  'header-too-large': {
    status: 431,
    title: 'The request header is larger than the relay accepts',
    definite: true,
  },
  internal: { status: 500, title: 'The relay failed', definite: false },
  unavailable: { status: 503, title: 'The relay is at its capacity or going away; retry', definite: true },
} as const satisfies Record<string, Problem>;

export type ProblemSlug = keyof typeof PROBLEMS;

/** Prefix of every problem's `type` URI. */
export const PROBLEM_BASE = 'urn:bot2bot:problem:';
export const PROBLEM_MEDIA_TYPE = 'application/problem+json';

/**
 * Build the problem document that goes on the wire.
 * @param detail what was wrong with this request; never a ciphertext, a key or a room URL.
 * @see CORE-1 CORE-2
 */
export function problemBody(slug: ProblemSlug, detail?: string) {
  const { status, title } = PROBLEMS[slug];
  const text = detail ?? title;
  return {
    type: PROBLEM_BASE + slug,
    title,
    status,
    ...(detail === undefined ? {} : { detail }),
    error: text,
  };
}
