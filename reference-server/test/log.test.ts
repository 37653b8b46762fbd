import { DEFAULT_TIMINGS } from '@bot2bot/schemas';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clientAt, type Client } from '../src/address.ts';
import { Budget } from '../src/budget.ts';
import { DEFAULT_CONFIG } from '../src/config.ts';
import { EncodingCache, textFrame } from '../src/encoding.ts';
import { MemoryEngine } from '../src/engine/memory.ts';
import { ENTRY_BYTES, RoomLog, type Entry, type Page } from '../src/log.ts';
import type { Draft } from '../src/message.ts';

const limits = { ...DEFAULT_CONFIG.limits, buffer_messages: 7, room_bytes: 4_000 };
const SOMEONE: Client = ['192.0.2.1'];
const shared = (cacheBytes = 1e9) => ({ budget: new Budget<Entry>(), cache: new EncodingCache(cacheBytes) });
const timings = { ...DEFAULT_TIMINGS, ttl_min_ms: 1 };

let made = 0;
function draft(over: Partial<Draft> = {}): Draft {
  const nonce = Buffer.alloc(24, 0);
  nonce.writeUInt32BE(made++);
  return {
    sender: 's',
    signature: undefined,
    signedOnly: false,
    ciphertext: 'AAAA',
    nonce: nonce.toString('base64'),
    ttlMs: 0,
    replyTo: undefined,
    ext: undefined,
    ...over,
  };
}

const messagesOf = ({ entries }: Page) =>
  entries.map((entry) => JSON.parse(entry.json.toString()) as { seq: number });
const seqsOf = (page: Page) => messagesOf(page).map(({ seq }) => seq);

type Step = { readonly post: number; readonly ttl: number } | { readonly pass: number };
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ post: fc.integer({ min: 4, max: 1_200 }), ttl: fc.constantFrom(0, 0, 5, 50) }),
  fc.record({ pass: fc.integer({ min: 1, max: 40 }) }),
);

describe('the log of a room', () => {
  it('READ-8 READ-9 READ-10: from any cursor, every seq is delivered, expired or named by the gap', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 40 }),
        fc.nat(50),
        fc.integer({ min: 1, max: 5 }),
        (steps, back, size) => {
          const log = new RoomLog(1_000, limits, timings, shared());
          let now = 1_000_000;
          const posts: { seq: number; dies: number }[] = [];
          for (const given of steps) {
            if ('pass' in given) now += given.pass;
            else {
              const { seq } = log.append(
                draft({ ciphertext: 'A'.repeat(given.post * 4), ttlMs: given.ttl }),
                SOMEONE,
                now,
              );
              posts.push({ seq, dies: given.ttl === 0 ? Infinity : now + given.ttl });
            }
          }
          const after = Math.max(1, log.lastAssigned - back);
          const gap = log.gap(after);
          const seen: number[] = [];
          let cursor = after;
          for (let more = true; more;) {
            const page = log.page(cursor, size, now);
            seen.push(...seqsOf(page));
            expect(page.nextAfter).toBeGreaterThanOrEqual(cursor);
            expect(page.entries.length).toBeLessThanOrEqual(size);
            cursor = page.nextAfter;
            more = page.hasMore;
          }
          expect(cursor).toBe(Math.max(after, log.lastAssigned));
          for (const { seq, dies } of posts.filter((post) => post.seq > after)) {
            const named = gap !== null && seq >= gap.from && seq <= gap.to;
            expect({ seq, delivered: seen.includes(seq) }).toEqual({ seq, delivered: !named && dies > now });
          }
          expect(log.lastAssigned - log.oldestSeq + 1).toBeLessThanOrEqual(limits.buffer_messages);
          expect(log.count(now)).toBe(seqsOf(log.page(0, 100, now)).length);
        },
      ),
    );
  });

  it('READ-6: a stream gets the same JSON as reads, whatever the size of its parts', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 7 }),
        fc.integer({ min: 1, max: 2_000 }),
        (sizes, portion) => {
          const log = new RoomLog(50, { ...limits, room_bytes: 1e9 }, timings, shared());
          for (const size of sizes) log.append(draft({ ciphertext: 'A'.repeat(size * 4) }), SOMEONE, 1);
          const parts: Buffer[] = [];
          let cursor = 0;
          for (;;) {
            const { data, upTo } = log.frames('sse', cursor, portion, 2);
            if (data.length === 0) break;
            parts.push(data);
            cursor = upTo;
          }
          const frames = Buffer.concat(parts)
            .toString()
            .split('\n\n\r\n')
            .filter((text) => text !== '');
          const messages = frames.map((text) => {
            const [, size, json, seq] = /^([0-9a-f]+)\r\ndata: (.*)\nid: .*:(\d+)$/.exec(text) ?? [];
            expect(Number.parseInt(size ?? '', 16)).toBe(text.length - (size?.length ?? 0));
            const message = JSON.parse(json ?? '') as Record<string, unknown>;
            expect(message['seq']).toBe(Number(seq));
            return message;
          });
          const page = messagesOf(log.page(0, 100, 2));
          expect(messages).toEqual(page.map((message) => ({ type: 'message', ...message })));
          const plain = log.frames('sse-plain', 0, Infinity, 2).data.toString();
          expect(plain).toBe(frames.map((text) => `${text.slice(text.indexOf('\n') + 1)}\n\n`).join(''));
        },
      ),
    );
  });

  it('MSG-16: a nonce outlives its message, and is forgotten after dedup_ms', () => {
    const log = new RoomLog(1, limits, timings, shared());
    const dying = draft({ ttlMs: 5 });
    const { seq } = log.append(dying, SOMEONE, 0);
    log.sweep(10);
    expect(log.page(0, 10, 10).entries.length).toBe(0);
    expect(log.remembered(dying.nonce, dying.ciphertext)).toMatchObject({ seq, same: true });
    expect(log.remembered(dying.nonce, 'BBBB')).toMatchObject({ seq, same: false });
    log.sweep(timings.dedup_ms);
    expect(log.remembered(dying.nonce, dying.ciphertext)).toBeNull();
    const kept = draft();
    log.append(kept, SOMEONE, 0);
    log.sweep(timings.dedup_ms * 10);
    expect(log.remembered(kept.nonce, kept.ciphertext)).toMatchObject({ same: true });
  });

  it('MSG-13: a new lifetime begins above the clock and above every seq of the process', () => {
    let wall = 1_700_000_000_000;
    const engine = new MemoryEngine(limits, timings, { wall: () => wall, mono: () => 0 });
    const first = engine.open();
    expect(first.firstSeq).toBe(1000 * wall);
    const answer = engine.append(first, draft(), SOMEONE, () => undefined);
    wall -= 60_000;
    const second = engine.open();
    expect(answer).toMatchObject({ kind: 'accepted' });
    expect(second.firstSeq).toBe(first.firstSeq + 1);
    expect(second.epoch).not.toBe(first.epoch);
  });
});

describe('the memory of all rooms', () => {
  it('the poster that holds most is evicted first, in any order of posts, evictions and closes', () => {
    const posters: readonly Client[] = [
      ['192.0.2.1'],
      ['192.0.2.2'],
      ['2001:db8:0:1::/64', '2001:db8:0:0::/56', '2001:db8:0:0::/48'],
      ['2001:db8:0:2::/64', '2001:db8:0:0::/56', '2001:db8:0:0::/48'],
    ];
    const site = (client: Client) => client.at(-1) ?? '';
    const act = fc.record({
      who: fc.nat(3),
      room: fc.nat(2),
      size: fc.integer({ min: 1, max: 900 }),
      next: fc.constantFrom('', '', '', 'evict', 'close'),
    });
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
        const all = shared();
        const open = () => new RoomLog(1, { ...limits, room_bytes: 1e9 }, timings, all);
        const rooms = [open(), open(), open()];
        const held: { room: RoomLog; seq: number; key: string; bytes: number }[] = [];
        const sum = (key: string) =>
          held.filter((one) => one.key === key).reduce((bytes, one) => bytes + one.bytes, 0);
        for (const { who, room: at, size, next } of acts) {
          const [room, client] = [rooms[at], posters[who]];
          if (room === undefined || client === undefined) continue;
          const gone = room.lastAssigned - room.oldestSeq + 1 === limits.buffer_messages;
          const { seq } = room.append(draft({ ciphertext: 'A'.repeat(size * 4) }), client, 1);
          if (gone)
            held.splice(
              held.findIndex((one) => one.room === room),
              1,
            );
          const frame = room.page(seq - 1, 1, 1).entries[0]?.frame;
          held.push({ room, seq, key: site(client), bytes: (frame?.length ?? 0) + ENTRY_BYTES });
          if (next === 'close') {
            room.close();
            rooms[at] = open();
            for (let i = held.length - 1; i >= 0; i--) if (held[i]?.room === room) held.splice(i, 1);
          }
          if (next !== 'evict') continue;
          const victim = all.budget.oldestOfHeaviest();
          const most = Math.max(0, ...posters.map((poster) => sum(site(poster))));
          const paying = held.find((one) => one.room === victim?.log && one.seq === victim.seq);
          expect(sum(paying?.key ?? '')).toBeGreaterThanOrEqual(most / 1.2);
          expect(held.find((one) => one.key === paying?.key)).toBe(paying);
          victim?.log.evictThrough(victim.seq);
          for (let i = held.length - 1; i >= 0; i--) {
            const one = held[i];
            if (one !== undefined && one.room === victim?.log && one.seq <= victim.seq) held.splice(i, 1);
          }
        }
        for (const room of rooms) room.close();
        expect(all.budget.bytes).toBe(0);
        expect(all.budget.oldestOfHeaviest()).toBeUndefined();
      }),
    );
  });

  it('cached events never evict a message, and are bounded', () => {
    const all = shared(3_000);
    const rooms = [1, 2, 3].map(() => new RoomLog(1, { ...limits, room_bytes: 1e9 }, timings, all));
    for (const room of rooms)
      for (let i = 0; i < 5; i++) room.append(draft({ ciphertext: 'A'.repeat(400) }), SOMEONE, 1);
    const before = all.budget.bytes;
    for (let round = 0; round < 3; round++)
      for (const room of rooms) {
        const { data } = room.frames('sse', 0, Infinity, 2);
        expect(data.toString().match(/"type":"message"/g)?.length).toBe(5);
        expect(all.cache.bytes).toBeLessThanOrEqual(3_000);
      }
    expect(all.budget.bytes).toBe(before);
    for (const room of rooms) expect(room.page(0, 100, 2).entries.length).toBe(5);
    for (const room of rooms) room.close();
    expect([all.budget.bytes, all.cache.bytes]).toEqual([0, 0]);
  });
  it('a room is served even if caching a message drops its own cached copies', () => {
    const all = shared(1_000);
    const [one, two] = [1, 2].map(() => new RoomLog(1, limits, timings, all)) as [RoomLog, RoomLog];
    const served = (log: RoomLog) =>
      log
        .frames('sse', 0, Infinity, 2)
        .data.toString()
        .match(/"seq":/g)?.length;
    one.append(draft({ ciphertext: 'A'.repeat(400) }), SOMEONE, 1);
    two.append(draft({ ciphertext: 'A'.repeat(400) }), SOMEONE, 1);
    expect([served(one), served(two)]).toEqual([1, 1]);
    // The room that began to cache first loses its copies first: here, while it adds one.
    one.append(draft({ ciphertext: 'A'.repeat(400) }), SOMEONE, 1);
    expect(served(one)).toBe(2);
    expect(all.cache.bytes).toBeLessThanOrEqual(1_000);
  });
});

describe('frames and addresses', () => {
  it.each([0, 125, 126, 65_535, 65_536])('a text frame of %d bytes has the header of RFC 6455', (length) => {
    const frame = textFrame(Buffer.alloc(length, 'x'));
    const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
    expect(frame.length).toBe(head + length);
    const told =
      head === 2 ? frame[1] : head === 4 ? frame.readUInt16BE(2) : Number(frame.readBigUInt64BE(2));
    expect([frame[0], told]).toEqual([0x81, length]);
  });

  it.each([
    ['127.0.0.1', ['127.0.0.1']],
    ['::ffff:10.1.2.3', ['10.1.2.3']],
    ['2001:db8:1:2ff:3:4:5:6', ['2001:db8:1:2ff::/64', '2001:db8:1:200::/56', '2001:db8:1:0::/48']],
    ['2001:db8:1:2::9', ['2001:db8:1:2::/64', '2001:db8:1:0::/56', '2001:db8:1:0::/48']],
    ['2001:0db8::1', ['2001:db8:0:0::/64', '2001:db8:0:0::/56', '2001:db8:0:0::/48']],
    ['fe80::1%eth0', ['fe80:0:0:0::/64', 'fe80:0:0:0::/56', 'fe80:0:0:0::/48']],
  ])('%s counts as %s', (remote, prefixes) => {
    expect(clientAt(remote)).toEqual(prefixes);
  });
});
