import { DEFINITE, PROBLEM_BASE, Problem } from './wire.gen.ts';

/**
 * Why an operation failed: the slug of the relay's problem (`nonce-reused`, `rate-limited`, …), or one of
 * `network` (no answer), `no-ready` (a stream that did not begin), `bad-answer` (not what the protocol says), `http-<status>` (a refusal without a slug),
 * `closed` (the room was closed).
 */
export class Bot2BotError extends Error {
  override readonly name = 'Bot2BotError';
  readonly code: string;
  /** The operation certainly did not happen. When false, it may have. */
  readonly definite: boolean;
  /** When the relay asked to wait: for how long, in ms. */
  readonly retryAfterMs: number | null;
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** What the handle acked last, where a refused ack or renewal tells. @see CLAIM-5 CLAIM-21 */
  readonly cursor: number | null;

  constructor(
    code: string,
    message: string,
    more: {
      definite?: boolean;
      retryAfterMs?: number | null;
      status?: number;
      cursor?: number | null;
      cause?: unknown;
    } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.definite = more.definite ?? false;
    this.retryAfterMs = more.retryAfterMs ?? null;
    this.status = more.status ?? 0;
    this.cursor = more.cursor ?? null;
  }

  /** Whether the same call may succeed later. */
  get passing(): boolean {
    return this.code === 'network' || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

const definite: ReadonlySet<string> = new Set(DEFINITE);
const SHOWN_CHARS = 200;
/** The longest that a timer takes; one that is longer fires at once. */
const MOST_TIMER_MS = 2 ** 31 - 1;

function cursorOf(problem: Problem & { cursor?: unknown }): number | null {
  return typeof problem.cursor === 'number' ? problem.cursor : null;
}

/** What a refusal says. @param retryAfter the header, in seconds. */
export function refusal(status: number, body: unknown, retryAfter: string | null): Bot2BotError {
  const problem = Problem(body) ? body : null;
  const slug = problem?.type?.startsWith(PROBLEM_BASE) ? problem.type.slice(PROBLEM_BASE.length) : null;
  const seconds = retryAfter === null || !/^\d+$/.test(retryAfter) ? null : Number(retryAfter);
  return new Bot2BotError(
    slug ?? `http-${status}`,
    `the relay answered ${status}${problem === null ? '' : `: ${problem.error.slice(0, SHOWN_CHARS)}`}`,
    {
      status,
      definite: slug === null ? status < 500 : definite.has(slug),
      retryAfterMs: seconds === null ? null : Math.min(seconds * 1000, MOST_TIMER_MS),
      cursor: problem === null ? null : cursorOf(problem),
    },
  );
}
