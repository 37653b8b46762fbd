import { DEFINITE, PROBLEM_BASE, Problem } from './wire.gen.ts';

/**
 * Why an operation failed. `code` is the slug of the relay's problem (`nonce-reused`, `rate-limited`, …) or one of the
 * SDK's own: `network` (no answer), `no-ready` (a stream sent no `ready`), `bad-answer` (the answer breaks the protocol),
 * `http-<status>` (an error answer without a slug), `closed` (`Room.close` was called).
 */
export class Bot2BotError extends Error {
  override readonly name = 'Bot2BotError';
  readonly code: string;
  /** True when the operation certainly did not happen; false when it may have happened. */
  readonly definite: boolean;
  /** Milliseconds to wait, where the relay sent `Retry-After`; else null. */
  readonly retryAfterMs: number | null;
  /** HTTP status; 0 without an answer. */
  readonly status: number;
  /** The handle's cursor, where a refused ack or renew reports it; else null. @see CLAIM-5 CLAIM-21 */
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

  /** Whether the failure is temporary: the same call may succeed later. */
  get passing(): boolean {
    return this.code === 'network' || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

const definite: ReadonlySet<string> = new Set(DEFINITE);
const SHOWN_CHARS = 200;
/** The longest delay that `setTimeout` accepts; a longer one fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

function cursorOf(problem: Problem & { cursor?: unknown }): number | null {
  return typeof problem.cursor === 'number' ? problem.cursor : null;
}

/** The error for an answer with a status of 400 or above. @param retryAfter value of the `Retry-After` header, in seconds. */
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
      retryAfterMs: seconds === null ? null : Math.min(seconds * 1000, MAX_TIMER_MS),
      cursor: problem === null ? null : cursorOf(problem),
    },
  );
}
