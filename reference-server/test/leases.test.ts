import { DEFAULT_TIMINGS } from '@bot2bot/schemas';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Client } from '../src/address.ts';
import { DEFAULT_CONFIG } from '../src/config.ts';
import { MemoryEngine } from '../src/engine/memory.ts';
import type { Grant, ClaimRequest } from '../src/leases.ts';
import type { RoomLog } from '../src/log.ts';
import type { Draft } from '../src/message.ts';

const CLIENT: Client = ['192.0.2.1'];
const LEASE_MS = 1_000;
const START = 1_700_000_000_000;
const HANDLES = ['ada', 'bob'] as const;

type Step =
  | { readonly do: 'post'; readonly sender: string; readonly ttlMs: number }
  | { readonly do: 'claim'; readonly who: number; readonly exclude: boolean; readonly verified: boolean }
  | { readonly do: 'ack' | 'renew' | 'release'; readonly who: number; readonly which: number }
  | { readonly do: 'pass'; readonly ms: number };

const who = fc.nat(1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('post' as const),
      sender: fc.constantFrom('carol', 'ada', '@bob', 'dan'),
      ttlMs: fc.constantFrom(0, 0, 700),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('claim' as const),
      who,
      exclude: fc.boolean(),
      verified: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('ack' as const, 'ack' as const, 'renew' as const, 'release' as const),
      who,
      which: fc.nat(2),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(1, 400, 999, 1_001) }),
  },
);

/** A room with a clock that the test moves, and the grants of each handle. */
class Scene {
  now = START;
  readonly log: RoomLog;
  readonly engine: MemoryEngine;
  readonly posted: { readonly seq: number; readonly sender: string; readonly expiresAt: number }[] = [];
  #made = 0;

  constructor(bufferMessages = 1_000) {
    const clock = { wall: () => this.now, mono: () => this.now };
    const limits = { ...DEFAULT_CONFIG.limits, buffer_messages: bufferMessages };
    this.engine = new MemoryEngine(limits, { ...DEFAULT_TIMINGS, ttl_min_ms: 1 }, clock);
    this.log = this.engine.open();
  }

  post(sender: string, ttlMs = 0): number {
    const nonce = Buffer.alloc(24);
    nonce.writeUInt32BE(this.#made++);
    const draft: Draft = {
      sender,
      signature: undefined,
      signedOnly: false,
      ciphertext: 'AAAA',
      nonce: nonce.toString('base64'),
      ttlMs,
      replyTo: undefined,
      ext: undefined,
    };
    const appended = this.engine.append(this.log, draft, CLIENT, () => undefined);
    if (appended.kind !== 'accepted') throw new Error(appended.kind);
    const expiresAt = ttlMs === 0 ? Infinity : this.now + ttlMs;
    this.posted.push({ seq: appended.seq, sender, expiresAt });
    return appended.seq;
  }

  claim(handle: string, more: Partial<ClaimRequest> = {}): Grant | null {
    const request = {
      handle,
      client: CLIENT,
      leaseMs: LEASE_MS,
      exclude: new Set<string>(),
      self: 'label',
      searched: 0,
    } as const;
    return this.engine.claim(this.log, { ...request, ...more });
  }
}

const seqOf = ({ message }: Grant) => (JSON.parse(message.toString()) as { seq: number }).seq;

describe('leases', () => {
  it('CLAIM-1 to CLAIM-7: hold in every order of events', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const scene = new Scene();
        const held = HANDLES.map(() => ({
          cursor: 0,
          grants: [] as { id: string; seq: number; until: number; ended: boolean }[],
        }));
        for (const given of steps) {
          if (given.do === 'pass') {
            scene.now += given.ms;
            continue;
          }
          if (given.do === 'post') {
            scene.post(given.sender, given.ttlMs);
            continue;
          }
          const [handle, mine] = [HANDLES[given.who] ?? 'ada', held[given.who]];
          if (mine === undefined) continue;
          const isLive = (grant: (typeof mine.grants)[number]) => !grant.ended && scene.now < grant.until;
          const expired = (seq: number) =>
            (scene.posted.find((message) => message.seq === seq)?.expiresAt ?? 0) <= scene.now;
          const live = mine.grants.find(isLive);
          if (given.do === 'claim') {
            const exclude = new Set(given.exclude ? ['dan'] : []);
            const grant = scene.claim(handle, { exclude, self: given.verified ? 'verified' : 'label' });
            if (live !== undefined && !expired(live.seq)) {
              expect([grant?.claimId, grant?.resumed]).toEqual([live.id, true]);
              expect(grant?.remainingMs).toBe(live.until - scene.now);
              continue;
            }
            if (live !== undefined) live.ended = true;
            const next = scene.posted.find(
              ({ seq, sender }) =>
                seq > mine.cursor &&
                !expired(seq) &&
                !exclude.has(sender) &&
                (given.verified || (sender !== handle && sender !== `@${handle}`)),
            );
            expect(grant === null ? undefined : seqOf(grant)).toBe(next?.seq);
            if (grant === null || next === undefined) continue;
            expect(mine.grants.map(({ id }) => id)).not.toContain(grant.claimId);
            expect(grant.delivery).toBe(mine.grants.filter(({ seq }) => seq === next.seq).length + 1);
            mine.grants.push({ id: grant.claimId, seq: next.seq, until: scene.now + LEASE_MS, ended: false });
            continue;
          }
          const named = mine.grants.at(-1 - given.which);
          if (named === undefined) continue;
          if (given.do === 'renew') {
            const left = scene.engine.renew(scene.log, handle, named.id, LEASE_MS);
            expect(left).toBe(isLive(named) ? LEASE_MS : null);
            if (left !== null) named.until = scene.now + LEASE_MS;
          } else if (given.do === 'release') {
            expect(scene.engine.release(scene.log, handle, named.id)).toBe(isLive(named));
            named.ended = true;
          } else {
            const acked = scene.engine.ack(scene.log, handle, named.id, named.seq);
            if (named.seq <= mine.cursor)
              expect(acked).toEqual({ kind: 'acked', advanced: false, cursor: mine.cursor });
            else if (isLive(named)) {
              expect(acked).toEqual({ kind: 'acked', advanced: true, cursor: named.seq });
              mine.cursor = named.seq;
              named.ended = true;
            } else expect(acked).toEqual({ kind: 'gone', cursor: mine.cursor });
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('CLAIM-4: an unacked message is offered again after its lease', () => {
    const scene = new Scene();
    const seq = scene.post('carol');
    const first = scene.claim('ada');
    scene.now += LEASE_MS - 1;
    expect(scene.claim('ada')?.claimId).toBe(first?.claimId);
    scene.now += 1;
    const second = scene.claim('ada');
    expect(second?.claimId).not.toBe(first?.claimId);
    expect(second).toMatchObject({ delivery: 2, resumed: false });
    expect(scene.engine.ack(scene.log, 'ada', first?.claimId ?? '', seq)).toEqual({
      kind: 'gone',
      cursor: 0,
    });
    expect(scene.engine.ack(scene.log, 'ada', second?.claimId ?? '', seq)).toMatchObject({ advanced: true });
  });

  it('CLAIM-25, CLAIM-26: an evicted message can be acked while its claim is live; the next claim gets the next message', () => {
    const scene = new Scene(3);
    const seq = scene.post('carol');
    const grant = scene.claim('ada');
    for (let i = 0; i < 3; i++) scene.post('carol');
    expect(scene.engine.ack(scene.log, 'ada', grant?.claimId ?? '', seq)).toMatchObject({ advanced: true });
    const next = scene.claim('ada');
    for (let i = 0; i < 3; i++) scene.post('carol');
    const after = scene.claim('ada');
    expect(after?.claimId).not.toBe(next?.claimId);
    expect(after === null ? 0 : seqOf(after)).toBe(seq + 4);
    expect(scene.log.gap(scene.engine.cursor(scene.log, 'ada'))).toEqual({ from: seq + 1, to: seq + 3 });
  });

  it('a parked claim does not search messages again that did not match', () => {
    const scene = new Scene();
    const request: ClaimRequest = {
      handle: 'ada',
      client: CLIENT,
      leaseMs: LEASE_MS,
      exclude: new Set(['dan']),
      self: 'label',
      searched: 0,
    };
    for (let i = 0; i < 5; i++) scene.post('dan');
    expect(scene.engine.claim(scene.log, request)).toBe(null);
    expect(request.searched).toBe(scene.log.lastAssigned);
    const seq = scene.post('carol');
    const grant = scene.engine.claim(scene.log, request);
    expect(grant === null ? 0 : seqOf(grant)).toBe(seq);
  });
});
