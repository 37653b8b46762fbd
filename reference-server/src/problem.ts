import { STATUS_CODES, type ServerResponse } from 'node:http';
import { PROBLEM_MEDIA_TYPE, problemBody, PROBLEMS, type ProblemSlug } from '@bot2bot/schemas';

/** An error that is answered with a problem document of the protocol. */
export class RequestProblem extends Error {
  readonly slug: ProblemSlug;
  readonly detail: string | undefined;
  /** Whole seconds for `Retry-After`. @see CORE-3 */
  readonly retryAfter: number | undefined;
  /** Additional members of the problem document, such as `cursor`. @see CLAIM-5 */
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

export const JSON_TYPE = 'application/json; charset=utf-8';

/** Headers of every answer. @see CORE-9 */
const CORS_HEADERS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers': 'Retry-After',
} as const;

/** Headers of every answer except static files, which may be cached. @see CORE-10 */
export const NO_STORE_HEADERS = { ...CORS_HEADERS, 'Cache-Control': 'no-store' } as const;

/** Headers of streams: proxies must neither buffer nor transform them. */
export const STREAM_HEADERS = {
  ...CORS_HEADERS,
  'Cache-Control': 'no-store, no-transform',
  'X-Accel-Buffering': 'no',
} as const;

/** Headers of parked requests, whose body follows later; like streams, they must not be buffered. */
export const PARKED_HEADERS = { ...STREAM_HEADERS, 'Content-Type': JSON_TYPE };

/** Answer with a problem through Node's own response, where Fastify does not handle the request. */
export function answerProblem(response: ServerResponse, problem: RequestProblem): void {
  const { body, headers } = serialized(problem);
  response.writeHead(problem.status, headers).end(body);
}

function serialized(problem: RequestProblem) {
  const body = JSON.stringify(problem.body);
  const headers = {
    ...NO_STORE_HEADERS,
    ...problem.headers,
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  };
  return { body, headers };
}

/** The bytes of an HTTP/1.1 answer with a problem, for a raw socket. */
export function rawAnswer(problem: RequestProblem): string {
  const { body, headers } = serialized(problem);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${lines.join('\r\n')}\r\n\r\n${body}`;
}
