/** Models of deployed clients, run against this relay: they lose no message and show none twice. */
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import {
  browserClient,
  REQUEST_OUTCOMES,
  bufferedIds,
  postUntilAnswered,
  network,
  pagingClient,
  pollClient,
  post,
  sealed,
  sseClient,
  type Client,
  type RequestOutcome,
} from './deployed.ts';
import { start, stop, type Started } from './process.ts';

const SEED = Date.now() % 2 ** 31;
/** Rate limits that never apply: the test posts quickly from one address. */
const MANY = '1000000000';
const NO_RATES = ['--room-burst', MANY, '--room-rate', MANY, '--address-burst', MANY, '--address-rate', MANY];
const PATIENCE = { timeout: 20_000 };

const opened: { close(): void }[] = [];
const started: Started[] = [];
function open<T extends { close(): void }>(client: T): T {
  opened.push(client);
  return client;
}
function closeAll(): void {
  for (const client of opened.splice(0)) client.close();
}
async function relayWith(...flags: string[]): Promise<Started> {
  const relay = await start([...NO_RATES, ...flags]);
  started.push(relay);
  return relay;
}
afterEach(async () => {
  closeAll();
  for (const relay of started.splice(0)) await stop(relay, 'SIGKILL');
});

let rooms = 0;
const newRoom = () => `deployed-${rooms++}`;
const readers = (url: string, room: string): Client[] =>
  [sseClient, browserClient, pollClient, pagingClient].map((client) => open(client(url, room)));

/** Expect that every client has shown exactly these messages, in this order. */
async function expectShown(clients: readonly Client[], ids: readonly string[]): Promise<void> {
  for (const { name, shown } of clients) {
    await expect
      .poll(() => shown.includes(ids.at(-1) ?? ''), { ...PATIENCE, message: `${name} gets the last message` })
      .toBe(true);
    expect({ name, shown }).toEqual({ name, shown: ids });
  }
}

/** One step of a run. In 40 steps, at most 400 messages are posted: fewer than a page of `wait` holds. */
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ posts: fc.integer({ min: 1, max: 10 }), bytes: fc.constantFrom(40, 9_000) }),
  },
  { weight: 2, arbitrary: fc.record({ frames: fc.integer({ min: 1, max: 10 }) }) },
  { weight: 4, arbitrary: fc.record({ cut: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ join: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ breaths: fc.integer({ min: 1, max: 4 }) }) },
);
const KINDS = [sseClient, browserClient, pollClient, pagingClient];

describe(`clients of the deployed relay (seed ${SEED})`, () => {
  it('joining and rejoining under concurrent posts, each shows every accepted message once', async () => {
    const { url } = await relayWith();
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 40 }), async (steps) => {
        const room = newRoom();
        const clients = readers(url, room);
        const speaker = open(browserClient(url, room));
        const posts: Promise<{ id: string }>[] = [];
        let frames = 0;
        for (const move of steps) {
          if ('posts' in move)
            for (let i = 0; i < move.posts; i++) posts.push(post(url, room, sealed('poster', move.bytes)));
          else if ('frames' in move) {
            frames += move.frames;
            for (let i = 0; i < move.frames; i++) speaker.say(sealed('browser-client'));
          } else if ('cut' in move) clients[move.cut % clients.length]?.cut();
          else if ('join' in move)
            clients.push(open((KINDS[move.join % KINDS.length] ?? sseClient)(url, room)));
          else for (let i = 0; i < move.breaths; i++) await fetch(`${url}/api/rooms/${room}/status`);
        }
        const accepted = await Promise.all(posts);
        await expect
          .poll(async () => (await bufferedIds(url, room)).length, PATIENCE)
          .toBe(posts.length + frames);
        const last = await post(url, room, sealed());
        const ids = await bufferedIds(url, room);
        expect(ids.at(-1)).toBe(last.id);
        for (const { id } of accepted) expect(ids).toContain(id);
        await expectShown([...clients, speaker], ids);
        closeAll();
      }),
      { seed: SEED, numRuns: 15, endOnFailure: true },
    );
  });

  it('a long-poll client backs off while a room does not exist, and gets all of its messages once it does', async () => {
    const { url } = await relayWith();
    const room = newRoom();
    const poller = open(pollClient(url, room));
    await expect.poll(() => poller.absences(), PATIENCE).toBeGreaterThan(2);
    await Promise.all(Array.from({ length: 50 }, () => post(url, room, sealed())));
    await expectShown([poller], await bufferedIds(url, room));
  });

  // On both relays, `last_seq` is the seq of the newest buffered message (READ-5). A client that uses it as its cursor loses
  // nothing as long as at most one page (500 messages) is above its cursor. One sender may post 300 at once and 100 a second,
  // so polls that are 2 s apart are safe. Such a client skips messages beyond the first page, on any relay.
  it.each([
    [500, 500],
    [501, 500],
    [620, 500],
  ])('READ-5: of %i messages above its cursor a long-poll client gets the oldest %i', async (many, got) => {
    const { url } = await relayWith();
    const room = newRoom();
    const posts = await Promise.all(Array.from({ length: many }, () => post(url, room, sealed())));
    const ids = posts.toSorted((a, b) => a.seq - b.seq).map(({ id }) => id);
    const poller = open(pollClient(url, room));
    const pager = open(pagingClient(url, room));
    await expect.poll(() => poller.shown.length, PATIENCE).toBe(got);
    const { id } = await post(url, room, sealed());
    await expectShown([poller], [...ids.slice(0, got), id]);
    await expectShown([pager], [...ids, id]);
  });

  it('MSG-14: a post that is repeated with identical bytes is shown once, with the id of its answer', async () => {
    const { url } = await relayWith();
    const outcomes = fc.array(fc.constantFrom<RequestOutcome>(...REQUEST_OUTCOMES), {
      minLength: 10,
      maxLength: 60,
    });
    await fc.assert(
      fc.asyncProperty(outcomes, fc.integer({ min: 1, max: 8 }), async (given, many) => {
        const room = newRoom();
        const wire = open(await network(url, [...given]));
        const clients = readers(url, room);
        /** The client shows its own message when the post is answered, and recognizes it when the stream delivers it. */
        const own = new Set<string>();
        const poster = async () => {
          for (let i = 0; i < 5; i++) own.add((await postUntilAnswered(wire.url, room, sealed())).id);
        };
        await Promise.all(Array.from({ length: many }, poster));
        expect(own.size).toBe(5 * many);
        const last = await post(url, room, sealed());
        const ids = await bufferedIds(url, room);
        expect(new Set(ids)).toEqual(new Set([...own, last.id]));
        await expectShown(clients, ids);
        closeAll();
      }),
      { seed: SEED, numRuns: 10, endOnFailure: true },
    );
  });

  it('MSG-13: clients without an epoch, with cursors from before a restart, miss no message posted after it', async () => {
    const counts = fc.record({
      before: fc.integer({ min: 1, max: 40 }),
      crossing: fc.integer({ min: 0, max: 40 }),
      after: fc.integer({ min: 1, max: 60 }),
    });
    await fc.assert(
      fc.asyncProperty(counts, async ({ before, crossing, after }) => {
        const first = await relayWith();
        const { url } = first;
        const room = newRoom();
        const clients = readers(url, room);
        for (let i = 0; i < before; i++) await post(url, room, sealed());
        await expectShown(clients, await bufferedIds(url, room));
        const old = await bufferedIds(url, room);
        const across = Array.from({ length: crossing }, () => postUntilAnswered(url, room, sealed()));
        await stop(first, 'SIGKILL');
        await relayWith('--port', new URL(url).port);
        for (let i = 0; i < after; i++) await postUntilAnswered(url, room, sealed());
        await Promise.all(across);
        const last = await post(url, room, sealed());
        const ids = await bufferedIds(url, room);
        expect(ids.at(-1)).toBe(last.id);
        for (const { name, shown } of clients) {
          await expect.poll(() => shown.includes(last.id), { ...PATIENCE, message: name }).toBe(true);
          // Between the old messages and those of the new room there may be some that were accepted just before the kill.
          expect({ name, shown: shown.slice(0, old.length) }).toEqual({ name, shown: old });
          expect({ name, shown: shown.slice(-ids.length) }).toEqual({ name, shown: ids });
          expect(new Set(shown).size).toBe(shown.length);
          expect(shown.length).toBeLessThanOrEqual(old.length + crossing + ids.length);
        }
        closeAll();
      }),
      { seed: SEED, numRuns: 4, endOnFailure: true },
    );
  });
});
