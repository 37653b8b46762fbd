/** Models of the clients of the deployed relay; they use no feature of the level `hardened`. */
import { randomBytes } from 'node:crypto';
import { connect, createServer, type AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';

/** A client that reads a room until it is closed. */
export interface Client {
  readonly name: string;
  /** Ids of the messages that it has shown, in that order. */
  readonly shown: readonly string[];
  /** Break its connection; it reconnects. */
  cut(): void;
  close(): void;
}

type Json = Readonly<Record<string, unknown>>;

const RETRY_MS = 10;
const BACKOFF_MOST_MS = 160;
const TRANSCRIPT_LIMIT = 100;

function parse(text: string): Json {
  const json: unknown = JSON.parse(text);
  if (typeof json !== 'object' || json === null) throw new Error(`not an object: ${text}`);
  return json as Json;
}

async function read(url: string, signal?: AbortSignal): Promise<Json> {
  const answer = await fetch(url, { signal: signal ?? null });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return parse(await answer.text());
}

/** Repeat the attempt after every end or failure, until the client is closed. */
function retryForever(attempt: (signal: AbortSignal) => Promise<void>): Pick<Client, 'cut' | 'close'> {
  let current = new AbortController();
  let closed = false;
  void (async () => {
    while (!closed) {
      current = new AbortController();
      await attempt(current.signal).catch(() => undefined);
      await delay(RETRY_MS);
    }
  })();
  return {
    cut: () => current.abort(),
    close: () => {
      closed = true;
      current.abort();
    },
  };
}

/** Starts at the `last_seq` of `ready`, reconnects with the highest seq that it received, and does not deduplicate. */
export function sseClient(url: string, room: string): Client {
  const shown: string[] = [];
  let [highest, floor] = [0, 0];
  const take = (frame: Json) => {
    if (frame['type'] === 'ready') floor = Number(frame['last_seq']);
    if (frame['type'] !== 'message') return;
    const seq = Number(frame['seq']);
    if (seq <= floor) return;
    highest = Math.max(highest, seq);
    shown.push(String(frame['id']));
  };
  const attempt = async (signal: AbortSignal) => {
    const { body } = await fetch(`${url}/api/rooms/${room}/events?after=${highest}&name=sse-client`, {
      signal,
    });
    if (body === null) return;
    floor = 0;
    let text = '';
    for await (const piece of body.pipeThrough(new TextDecoderStream())) {
      text += piece;
      const events = text.split('\n\n');
      text = events.pop() ?? '';
      for (const line of events.flatMap((event) => event.split('\n')))
        if (line.startsWith('data: ')) take(parse(line.slice('data: '.length)));
    }
  };
  return { name: 'sse', shown, ...retryForever(attempt) };
}

export interface Browser extends Client {
  /** Send a post as a WebSocket frame, without waiting for an acknowledgement. */
  say(body: string): void;
}

/** Sends no `after`, deduplicates by id, and ignores messages up to the `last_seq` of its first `ready`. */
export function browserClient(url: string, room: string): Browser {
  const shown: string[] = [];
  const seen = new Set<string>();
  const unsent: string[] = [];
  let floor = 0;
  let open: WebSocket | null = null;
  const take = (frame: Json) => {
    if (frame['type'] === 'ready') floor = Math.max(floor, Number(frame['last_seq'] ?? 0));
    if (frame['type'] !== 'message') return;
    const id = String(frame['id']);
    if (Number(frame['seq']) <= floor || seen.has(id)) return;
    seen.add(id);
    shown.push(id);
  };
  const attempt = (signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      const socket = new WebSocket(`${url.replace('http', 'ws')}/api/rooms/${room}/ws`);
      signal.addEventListener('abort', () => socket.terminate());
      socket.on('open', () => {
        const boxPub = randomBytes(32).toString('base64url');
        socket.send(JSON.stringify({ type: 'hello', name: 'browser-client', box_pub: boxPub }));
        for (const body of unsent.splice(0)) socket.send(body);
        open = socket;
      });
      socket.on('message', (data) => take(parse((data as Buffer).toString())));
      socket.on('error', () => undefined);
      socket.on('close', () => {
        open = null;
        resolve();
      });
    });
  return {
    name: 'browser',
    shown,
    say: (body) => {
      if (open === null) unsent.push(body);
      else open.send(body);
    },
    ...retryForever(attempt),
  };
}

export interface Poller extends Client {
  /** Number of answers with `exists: false`. */
  readonly absences: () => number;
}

/** Uses `last_seq` of each answer as its cursor, and backs off while the room does not exist. */
export function pollClient(url: string, room: string): Poller {
  const shown: string[] = [];
  let [cursor, absences, backoff] = [0, 0, RETRY_MS];
  const attempt = async (signal: AbortSignal) => {
    const answer = await read(`${url}/api/rooms/${room}/wait?after=${cursor}&timeout=1`, signal);
    if (answer['exists'] === false) {
      absences++;
      await delay(backoff);
      backoff = Math.min(BACKOFF_MOST_MS, 2 * backoff);
      return;
    }
    backoff = RETRY_MS;
    for (const { id } of answer['messages'] as { id: string }[]) shown.push(id);
    cursor = Number(answer['last_seq']);
  };
  return { name: 'long-poll', shown, absences: () => absences, ...retryForever(attempt) };
}

/** Reads the transcript page by page, after the seq of the last message that it received. */
export function pagingClient(url: string, room: string): Client {
  const shown: string[] = [];
  let after = 0;
  const attempt = async (signal: AbortSignal) => {
    const path = `/api/rooms/${room}/transcript?after=${after}&limit=${TRANSCRIPT_LIMIT}`;
    const { messages } = await read(url + path, signal);
    for (const { id, seq } of messages as { id: string; seq: number }[]) {
      shown.push(id);
      after = seq;
    }
  };
  return { name: 'transcript', shown, ...retryForever(attempt) };
}

/** The body of a post with a ciphertext of this many bytes. */
export function sealed(sender = 'poster', bytes = 40): string {
  return JSON.stringify({
    sender,
    ciphertext: randomBytes(bytes).toString('base64'),
    nonce: randomBytes(24).toString('base64'),
  });
}

/** Post once. @throws when there is no answer, or a refusal. */
export async function post(url: string, room: string, body: string): Promise<{ id: string; seq: number }> {
  const answer = await fetch(`${url}/api/rooms/${room}/messages`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body,
  });
  if (!answer.ok) throw new Error(`${answer.status}`);
  const { id, seq } = parse(await answer.text());
  return { id: String(id), seq: Number(seq) };
}

/** Repeat a post with the same bytes until it is answered. */
export async function postUntilAnswered(
  url: string,
  room: string,
  body: string,
): Promise<{ id: string; seq: number }> {
  for (;;) {
    try {
      return await post(url, room, body);
    } catch {
      await delay(RETRY_MS);
    }
  }
}

/** What the network does with a request; `early` breaks the connection before the relay has answered. */
export const REQUEST_OUTCOMES = ['passes', 'request lost', 'answer lost', 'early'] as const;
export type RequestOutcome = (typeof REQUEST_OUTCOMES)[number];

/** A proxy in front of the relay that applies the next of these outcomes to each POST; after the last, all requests pass. */
export async function network(
  target: string,
  outcomes: RequestOutcome[],
): Promise<{ url: string; close: () => void }> {
  const server = createServer((client) => {
    const relay = connect(Number(new URL(target).port), '127.0.0.1');
    let outcome: RequestOutcome = 'passes';
    client.on('data', (data) => {
      if (data.subarray(0, 4).toString() === 'POST') outcome = outcomes.shift() ?? 'passes';
      if (outcome === 'request lost') client.destroy();
      else relay.write(data);
      if (outcome === 'early' && data.at(-1) === '}'.charCodeAt(0)) client.destroy();
    });
    relay.on('data', (data) => {
      if (outcome === 'passes') client.write(data);
      else client.destroy();
    });
    client.on('error', () => undefined).on('close', () => relay.end());
    relay.on('error', () => undefined).on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => server.close(),
  };
}

/** Ids of the messages in the room, in order of seq; at most a page of 500. */
export async function bufferedIds(url: string, room: string): Promise<string[]> {
  const { messages } = await read(`${url}/api/rooms/${room}/transcript?limit=500`);
  return (messages as { id: string }[]).map(({ id }) => id);
}
