/** Replay detection: no signature is accepted twice, whatever the clock does, and no client can fill the table. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Client } from '../src/address.ts';
import { DEFAULT_CONFIG } from '../src/config.ts';
import { RequestProblem } from '../src/problem.ts';
import { Replays } from '../src/replay.ts';

const TOLERANCE_MS = 60_000;
const START = 1_800_000_000_000;

function fakeClock() {
  const now = { wall: START, mono: 0 };
  const pass = (ms: number) => {
    now.wall += ms;
    now.mono += ms;
  };
  return { now, pass, clock: { wall: () => now.wall, mono: () => now.mono } };
}

function replaysOf(entries: number, share: number) {
  const { clock, ...rest } = fakeClock();
  const limits = { ...DEFAULT_CONFIG.limits, replay_entries: entries, address_share: share };
  return { replays: new Replays(limits, TOLERANCE_MS, clock), ...rest };
}

/** @returns the slug of the problem for a signature; null when it is accepted. */
function slugOf(use: () => void): string | null {
  try {
    use();
    return null;
  } catch (error) {
    if (error instanceof RequestProblem) return error.slug;
    throw error;
  }
}

const from = (key: string, handle: string, client: Client, ts = START) => ({ key, ts, handle, client });

describe('the table of used signatures', () => {
  it('REQ-4: when full, refuses new signatures, and accepts none twice', () => {
    const { replays, pass, now } = replaysOf(3, 1);
    const take = (key: string, ts = START) => slugOf(() => replays.use(from(key, key, [key], ts)));
    expect(['a', 'b', 'c', 'a', 'd'].map((key) => take(key))).toEqual([
      null,
      null,
      null,
      'replayed',
      'unavailable',
    ]);
    pass(2 * TOLERANCE_MS);
    replays.sweep();
    expect(take('a')).toBe('replayed');
    pass(11_000);
    replays.sweep();
    expect(take('d', now.wall)).toBe(null);
    expect(take('a')).toBe('replayed');
  });

  it('one address, and one handle, has a share of it; then 429, and others are still accepted', () => {
    const { replays, pass, now } = replaysOf(80, 8);
    const some = (handle: (i: number) => string, client: (i: number) => string) =>
      Array.from({ length: 11 }, (_, i) =>
        slugOf(() => replays.use(from(`${handle(i)}${client(i)}${i}`, handle(i), [client(i)], now.wall))),
      );
    const share = [...Array<null>(10).fill(null), 'rate-limited'];
    expect(
      some(
        (i) => `h${i}`,
        () => '192.0.2.1',
      ),
    ).toEqual(share);
    expect(
      some(
        () => 'alice',
        (i) => `198.51.100.${i}`,
      ),
    ).toEqual(share);
    expect(
      some(
        () => 'bob',
        () => '203.0.113.1',
      ),
    ).toEqual(share);
    pass(2 * TOLERANCE_MS + 11_000);
    replays.sweep();
    expect(
      some(
        () => 'alice',
        () => '192.0.2.1',
      ),
    ).toEqual(share);
  });

  it('a signature is accepted once, however the clock jumps', () => {
    const move = fc.oneof(
      { weight: 4, arbitrary: fc.record({ pass: fc.integer({ min: 0, max: 90_000 }) }) },
      {
        weight: 3,
        arbitrary: fc.record({
          jump: fc.oneof(
            fc.integer({ min: -200_000, max: 200_000 }),
            fc.constantFrom(150_000, -150_000, 3_600_000, -3_600_000),
          ),
        }),
      },
      { weight: 6, arbitrary: fc.record({ sign: fc.integer({ min: -70_000, max: 70_000 }) }) },
    );
    fc.assert(
      fc.property(fc.array(move, { minLength: 5, maxLength: 80 }), (moves) => {
        const { replays, now, pass } = replaysOf(10_000, 1);
        const known: number[] = [];
        const taken = new Set<number>();
        const offer = (id: number) => {
          const ts = known[id] ?? 0;
          if (!replays.isTimely(ts)) return;
          const slug = slugOf(() => replays.use(from(String(id), 'alice', ['192.0.2.1'], ts)));
          if (slug === null) {
            expect({ id, twice: taken.has(id) }).toEqual({ id, twice: false });
            taken.add(id);
          }
        };
        for (const step of moves) {
          if ('pass' in step) pass(step.pass);
          else if ('jump' in step) now.wall += step.jump;
          else known.push(now.wall + step.sign);
          replays.sweep();
          known.forEach((_, id) => offer(id));
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it('while the clock runs evenly, every fresh signature within the tolerance is accepted', () => {
    const { replays, now, pass } = replaysOf(1_000_000, 1);
    let id = 0;
    for (let i = 0; i < 400; i++) {
      for (const off of [-TOLERANCE_MS, -30_000, 0, 30_000, TOLERANCE_MS]) {
        const ts = now.wall + off;
        expect(replays.isTimely(ts)).toBe(true);
        expect(slugOf(() => replays.use(from(String(id++), 'alice', ['192.0.2.1'], ts)))).toBe(null);
      }
      pass(1_700);
      replays.sweep();
    }
  });

  it('after the clock was an hour ahead for some minutes, current signatures are accepted', () => {
    const { replays, now, pass } = replaysOf(1_000_000, 1);
    let id = 0;
    const live = () => {
      const taken = replays.isTimely(now.wall)
        ? slugOf(() => replays.use(from(String(id++), 'alice', ['192.0.2.1'], now.wall)))
        : 'late';
      pass(5_000);
      replays.sweep();
      return taken;
    };
    for (let i = 0; i < 60; i++) expect(live()).toBe(null);
    now.wall += 3_600_000;
    for (let i = 0; i < 60; i++) expect(live()).toBe(null);
    now.wall -= 3_600_000;
    for (let i = 0; i < 60; i++) expect(live()).toBe(null);
  });
});
