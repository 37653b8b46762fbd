/** Reads as the deployed Python SDK does, with Debian's python3 and requests: no event or answer arrives late. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bufferedIds, post, sealed } from './deployed.ts';
import { start, stop, type Started } from './process.ts';
import { needs } from '../../scripts/needs.ts';

beforeAll(() => needs('python3-requests'));

const PYTHON = '/usr/bin/python3';
const script = join(import.meta.dirname, 'deployed-sdk.py');
/** Maximum time from a post until a listener has it, in ms. */
const SOON_MS = 2_000;
/** Python and its libraries take a second or two to start. */
const PATIENCE = { timeout: 20_000 };

type Told = Readonly<Record<string, unknown>> & { readonly at: number };

const clients: ChildProcess[] = [];
const started: Started[] = [];
const cleanUps: (() => void)[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.kill('SIGKILL');
  for (const relay of started.splice(0)) await stop(relay, 'SIGKILL');
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
});

async function relayWith(...flags: string[]): Promise<string> {
  const relay = await start(flags);
  started.push(relay);
  return relay.url;
}

/** Run the script. @returns its output so far, and a promise that resolves when it ends. */
function python(...words: string[]): { told: Told[]; errors: () => string; ended: Promise<unknown> } {
  const client = spawn(PYTHON, [script, ...words]);
  clients.push(client);
  const told: Told[] = [];
  let errors = '';
  createInterface({ input: client.stdout }).on('line', (line) => told.push(JSON.parse(line) as Told));
  client.stderr.on('data', (text: Buffer) => (errors += text.toString()));
  return { told, errors: () => errors, ended: once(client, 'exit') };
}

let rooms = 0;
const newRoom = () => `python-${rooms++}`;
const frames = (told: readonly Told[]) =>
  told.flatMap(({ frame, at }) =>
    frame === undefined ? [] : [{ at, ...(frame as { type: string; id?: string }) }],
  );

describe('python3-requests', () => {
  it.each([
    ['as iter_lines reads by default', []],
    ['a byte at a time', ['1']],
  ])('sees each live message as it is posted, %s', async (_, chunkSize) => {
    const [url, room] = [await relayWith(), newRoom()];
    const before = await post(url, room, sealed());
    const { told, errors } = python('events', url, room, ...chunkSize);
    const has = (what: (frame: { type: string; id?: string }) => boolean) => () => frames(told).some(what);
    await expect
      .poll(
        has(({ type }) => type === 'ready'),
        { ...PATIENCE, message: 'ready' },
      )
      .toBe(true);
    expect(has(({ id }) => id === before.id)()).toBe(true);
    for (const bytes of [40, 40, 9_000, 300, 40]) {
      const from = Date.now();
      const { id } = await post(url, room, sealed('poster', bytes));
      await expect
        .poll(
          has((frame) => frame.id === id),
          { timeout: SOON_MS, message: `${bytes} bytes: ${errors()}` },
        )
        .toBe(true);
      const at = frames(told).find((frame) => frame.id === id)?.at ?? Infinity;
      expect(at - from).toBeLessThan(SOON_MS);
    }
  });

  it('posts', async () => {
    const [url, room] = [await relayWith(), newRoom()];
    const { told, ended } = python('post', url, room, '5');
    await ended;
    expect(told.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    const ids = told.map(({ answer }) => (answer as { id: string }).id);
    expect(await bufferedIds(url, room)).toEqual(ids);
  });

  // The keep-alive of a parked request is whitespace before its JSON; with this interval, each of these requests gets some.
  it.each(['json', 'lines'])('long-polls, and accepts white space before the JSON, by %s', async (how) => {
    const [url, room] = [await relayWith('--keepalive-ms', '400'), newRoom()];
    await post(url, room, sealed());
    const { told, errors } = python('wait', url, room, how);
    const pages = () => told.map(({ page }) => page as { messages: { id: string }[]; last_seq: number });
    const ids = () => pages().flatMap(({ messages }) => messages.map(({ id }) => id));
    // First a wait that times out, then one that is parked when its message arrives.
    await expect
      .poll(() => pages().some(({ messages }) => messages.length === 0), { ...PATIENCE, message: errors() })
      .toBe(true);
    for (let i = 0; i < 3; i++) {
      const from = Date.now();
      const { id } = await post(url, room, sealed());
      await expect.poll(() => ids().includes(id), { timeout: SOON_MS, message: errors() }).toBe(true);
      const seen = told.findLast(({ page }) => JSON.stringify(page).includes(id))?.at ?? Infinity;
      expect(seen - from).toBeLessThan(SOON_MS);
    }
    expect(ids()).toEqual(await bufferedIds(url, room));
  });

  it.each(['json', 'lines'])(
    'accepts an answer with white space that arrives in pieces before the JSON, by %s',
    async (how) => {
      const page = { messages: [{ seq: 7, id: 'm_of_the_test' }], last_seq: 7 };
      const server = createServer((_, response) => {
        response.writeHead(200, { 'Content-Type': 'application/json; charset=utf-8' });
        void (async () => {
          for (const piece of [' ', '\n', ' \n ', JSON.stringify(page)]) {
            response.write(piece);
            await delay(50);
          }
          response.end();
        })();
      });
      cleanUps.push(
        () => server.closeAllConnections(),
        () => server.close(),
      );
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const { told, errors } = python('wait', url, 'a-room', how);
      await expect.poll(() => told.length, { ...PATIENCE, message: errors() }).toBeGreaterThan(0);
      expect(told[0]?.['page']).toEqual(page);
    },
  );
});
