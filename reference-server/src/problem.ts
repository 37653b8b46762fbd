import { PROBLEM_MEDIA_TYPE, problemBody, PROBLEMS, type ProblemSlug } from '@bot2bot/schemas';

/** A request that fails as the protocol says. */
export class RequestProblem extends Error {
  readonly slug: ProblemSlug;
  readonly detail: string | undefined;
  /** Whole seconds for `Retry-After`. @see CORE-3 */
  readonly retryAfter: number | undefined;
  /** Fields that the operation adds. @see CLAIM-5 */
  readonly fields: Readonly<Record<string, number>>;

  constructor(
    slug: ProblemSlug,
    more: { detail?: string; retryAfter?: number; fields?: Readonly<Record<string, number>> } = {},
  ) {
    super(PROBLEMS[slug].title);
    this.slug = slug;
    this.detail = more.detail;
    this.retryAfter = more.retryAfter;
    this.fields = more.fields ?? {};
  }

  get status(): number {
    return PROBLEMS[this.slug].status;
  }

  get body() {
    return problemBody(this.slug, this.detail, this.fields);
  }

  get headers(): Record<string, string> {
    return {
      'Content-Type': PROBLEM_MEDIA_TYPE,
      ...(this.retryAfter === undefined ? {} : { 'Retry-After': String(this.retryAfter) }),
    };
  }
}

/** On every answer under `/api/` and on discovery. @see CORE-9 */
export const CORS_HEADERS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers': 'Retry-After',
} as const;

/** On every answer of a room. @see CORE-10 */
export const ROOM_HEADERS = { ...CORS_HEADERS, 'Cache-Control': 'no-store' } as const;

/** A whole HTTP/1.1 answer, for sockets that no framework holds. */
export function rawAnswer(problem: RequestProblem): string {
  const body = JSON.stringify(problem.body);
  const headers = {
    ...ROOM_HEADERS,
    ...problem.headers,
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return `HTTP/1.1 ${problem.status} ${problem.message}\r\n${lines.join('\r\n')}\r\n\r\n${body}`;
}
