import { follows } from './abort.ts';
import { Bot2BotError, refusal } from './errors.ts';
import { LIMITS, PATHS } from './wire.gen.ts';

/** More than any answer holds: a page of the longest messages, and some. */
const MAX_ANSWER_BYTES = LIMITS.page_messages * (LIMITS.ciphertext_chars + 4_096);

export type Fetch = (input: string, init: RequestInit) => Promise<Response>;
/** Inserted as they are. */
export interface PathValues {
  readonly room?: string;
  readonly handle?: string;
  readonly id?: string;
}
export type Query = Readonly<Record<string, string | number | null | undefined>>;

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly operation: keyof typeof PATHS;
  /** What stands in the path, in place of what the Http was made with. */
  readonly path?: PathValues;
  readonly query?: Query;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON text, sent as it is. */
  readonly body?: string;
  readonly signal: AbortSignal;
  /** The answer must begin within this time, in ms, and never stand still for as long. */
  readonly timeoutMs: number;
}

/** Requests to the operations of one relay, and to nowhere else. @see SEAL-4 */
export class Http {
  readonly #base: string;
  readonly #fetch: Fetch;
  readonly #path: PathValues;

  /** @param path values for every call. */
  constructor(base: string, fetch: Fetch | undefined, path: PathValues = {}) {
    this.#base = base;
    this.#fetch = fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#path = path;
  }

  url(operation: keyof typeof PATHS, query: Query = {}, path: PathValues = this.#path): string {
    const pairs = Object.entries(query).flatMap(([name, value]): [string, string][] =>
      value === undefined || value === null ? [] : [[name, String(value)]],
    );
    const search = pairs.length === 0 ? '' : `?${new URLSearchParams(pairs).toString()}`;
    const filled = PATHS[operation].replaceAll(
      /\{(room|handle|id)\}/g,
      (_, name: keyof PathValues) => path[name] ?? '',
    );
    return this.#base + filled + search;
  }

  /**
   * @returns the answer, its body not yet read; any status below 400.
   * @throws {Bot2BotError} when there is none, or for a status from 400; the reason of an aborted signal.
   */
  async open(call: Call): Promise<Response> {
    return (await this.#request(call)).response;
  }

  /** @returns what lets go of the call's signal, too; it is let go of when this throws. */
  async #request(call: Call): Promise<{ response: Response; end: () => void }> {
    call.signal.throwIfAborted();
    const ending = new AbortController();
    const end = follows(ending, call.signal);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      ending.abort();
    }, call.timeoutMs);
    const url = this.url(call.operation, call.query, call.path);
    let response: Response;
    try {
      response = await this.#fetch(url, {
        method: call.method,
        headers: {
          ...(call.body === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...call.headers,
        },
        ...(call.body === undefined ? {} : { body: call.body }),
        signal: ending.signal,
        // Another origin has no business with this room.
        redirect: 'error',
        credentials: 'omit',
        cache: 'no-store',
        referrerPolicy: 'no-referrer',
      });
    } catch (cause) {
      end();
      call.signal.throwIfAborted();
      const why = late ? `no answer within ${call.timeoutMs} ms` : 'no connection';
      throw new Bot2BotError('network', `${new URL(url).origin}: ${why}`, { cause });
    } finally {
      clearTimeout(timer);
    }
    if (response.status < 400) return { response, end };
    const text = await readText(response, call)
      .catch(() => '')
      .finally(end);
    throw refusal(response.status, parse(text), response.headers.get('retry-after'));
  }

  /** The JSON of an answer. @param check what it has to be. */
  async json<T>(call: Call, check: (value: unknown) => value is T): Promise<T> {
    const { response, end } = await this.#request(call);
    const value = parse(await readText(response, call).finally(end));
    if (!check(value)) {
      throw new Bot2BotError('bad-answer', `the answer to ${call.operation} is not what the protocol says`, {
        status: response.status,
      });
    }
    return value;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * The pieces of a body.
 * @param silentMs for how long nothing may come.
 * @throws {Bot2BotError} network, when nothing came for that long.
 */
export async function* pieces(
  body: ReadableStream<Uint8Array>,
  silentMs: number,
): AsyncGenerator<Uint8Array, void, void> {
  const reader = body.getReader();
  try {
    for (;;) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const silence = new Promise<never>((_, reject) => {
        timer = setTimeout(
          () => reject(new Bot2BotError('network', `nothing came for ${silentMs} ms`)),
          silentMs,
        );
      });
      const { done, value } = await Promise.race([reader.read(), silence]).finally(() => clearTimeout(timer));
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

async function readText(response: Response, { signal, timeoutMs }: Call): Promise<string> {
  if (response.body === null) return '';
  const decoder = new TextDecoder();
  let text = '';
  let size = 0;
  try {
    for await (const piece of pieces(response.body, timeoutMs)) {
      size += piece.length;
      if (size > MAX_ANSWER_BYTES)
        throw new Bot2BotError('bad-answer', 'the answer is longer than any that the protocol allows');
      text += decoder.decode(piece, { stream: true });
    }
    return text + decoder.decode();
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof Bot2BotError) throw cause;
    throw new Bot2BotError('network', 'the answer broke off', { cause });
  }
}
