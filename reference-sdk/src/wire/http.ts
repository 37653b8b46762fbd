import { abortWith } from './abort.ts';
import { Bot2BotError, refusal } from './errors.ts';
import { LIMITS, PATHS } from './wire.gen.ts';

/** Upper bound of any answer: a full page of the longest messages, with some room to spare. */
const MAX_ANSWER_BYTES = LIMITS.page_messages * (LIMITS.ciphertext_chars + 4_096);

export type Fetch = (input: string, init: RequestInit) => Promise<Response>;
/** Values of the path's parameters, inserted without escaping. */
export interface PathValues {
  readonly room?: string;
  readonly handle?: string;
  readonly id?: string;
}
export type Query = Readonly<Record<string, string | number | null | undefined>>;

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly operation: keyof typeof PATHS;
  /** Path parameters of this call; those given to the constructor when absent. */
  readonly path?: PathValues;
  readonly query?: Query;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON text, sent unchanged. */
  readonly body?: string;
  readonly signal: AbortSignal;
  /** Limit in ms, both until the answer begins and between two pieces of its body. */
  readonly timeoutMs: number;
}

/** Sends requests to one relay and to no other host. @see SEAL-4 */
export class Http {
  readonly #base: string;
  readonly #fetch: Fetch;
  readonly #path: PathValues;

  /** @param path parameters that every call shares. */
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
   * Send a request.
   * @returns the answer (status below 400), its body not yet read.
   * @throws {Bot2BotError} network; the relay's problem for a status of 400 or above. The signal's reason when it aborts.
   */
  async open(call: Call): Promise<Response> {
    return (await this.#request(call)).response;
  }

  /** @returns also `end`, which stops listening to the call's signal; the caller calls it after reading the body. */
  async #request(call: Call): Promise<{ response: Response; end: () => void }> {
    call.signal.throwIfAborted();
    const ending = new AbortController();
    const end = abortWith(ending, call.signal);
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
        // A redirect to another origin would tell it the room id.
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

  /** Send a request and read its JSON answer. @param check type guard; an answer that fails it is a `bad-answer`. */
  async json<T>(call: Call, check: (value: unknown) => value is T): Promise<T> {
    const { response, end } = await this.#request(call);
    const value = parse(await readText(response, call).finally(end));
    if (!check(value)) {
      throw new Bot2BotError('bad-answer', `the answer to ${call.operation} does not match the protocol`, {
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
 * Read a body chunk by chunk.
 * @param silentMs longest wait for the next chunk.
 * @throws {Bot2BotError} network, after `silentMs` without a chunk.
 */
export async function* chunks(
  body: ReadableStream<Uint8Array>,
  silentMs: number,
): AsyncGenerator<Uint8Array, void, void> {
  const reader = body.getReader();
  try {
    for (;;) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const silence = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Bot2BotError('network', `no data for ${silentMs} ms`)), silentMs);
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
    for await (const piece of chunks(response.body, timeoutMs)) {
      size += piece.length;
      if (size > MAX_ANSWER_BYTES)
        throw new Bot2BotError('bad-answer', 'the answer is longer than the protocol allows');
      text += decoder.decode(piece, { stream: true });
    }
    return text + decoder.decode();
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof Bot2BotError) throw cause;
    throw new Bot2BotError('network', 'the answer broke off', { cause });
  }
}
