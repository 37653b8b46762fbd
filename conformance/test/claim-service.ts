/** A claim service in virtual time with concurrent clients, which produces histories for the tests of the search. */
import { DEFAULT_LIMITS, DEFAULT_TIMINGS } from '@bot2bot/schemas';
import type { ClaimOp, History } from '../src/judge/claims/history.ts';
import { RoomLog } from '../src/judge/room/known.ts';
import { Random } from '../src/script/random.ts';
import { Value } from '../src/trace/value.ts';
import type { RelayRun } from '../src/trace/records.ts';

export const BUGS = [
  'double grant',
  'lost redelivery',
  'late ack accepted',
  'cursor jump',
  'ack without claim',
  'same claim_id again',
  'renew revives',
  'release ignored',
  'exclude ignored',
  'expired granted',
] as const;
export type Bug = (typeof BUGS)[number] | null;

const HANDLE = 'ada';
const LEASE_MS = 1_000;

export function runRecord(level: 'compat' | 'hardened' = 'hardened'): RelayRun {
  return {
    t: 'run',
    subject: 'relay',
    suite: '',
    spec: '',
    startedAt: '',
    seed: 1,
    salt: '',
    cert: false,
    only: [],
    target: {
      url: '',
      level,
      declared: true,
      profiles: ['rooms', 'identity', 'claims'],
      limits: DEFAULT_LIMITS,
      timings: DEFAULT_TIMINGS,
      outside: [],
      implementation: null,
    },
  };
}

interface Stored {
  readonly seq: number;
  readonly sender: string;
  readonly expiresAt: number;
}

/** An independent implementation of chapter 05; `bug` breaks one rule. */
class Service {
  readonly #bug: Bug;
  readonly log: Stored[] = [];
  cursor = 0;
  claimed = false;
  #claim: { id: string; seq: number; until: number } | null = null;
  readonly #granted = new Set<number>();
  #made = 0;

  constructor(bug: Bug) {
    this.#bug = bug;
  }

  #live(now: number, id?: string) {
    const claim = this.#claim;
    return claim !== null && now < claim.until && (id === undefined || claim.id === id) ? claim : null;
  }

  #buffered(seq: number, now: number): boolean {
    return this.log.some((m) => m.seq === seq && now < m.expiresAt);
  }

  claim(now: number, exclude: readonly string[], leaseMs: number): { id: string; seq: number } | null {
    const live = this.#live(now);
    if (live !== null && this.#buffered(live.seq, now) && this.#bug !== 'double grant') return live;
    const next = this.log.find(
      ({ seq, sender, expiresAt }) =>
        seq > this.cursor &&
        (now < expiresAt || this.#bug === 'expired granted') &&
        (this.#bug === 'exclude ignored' || !exclude.includes(sender)) &&
        !(this.#bug === 'lost redelivery' && this.#granted.has(seq)),
    );
    if (next === undefined) {
      this.#claim = null;
      return null;
    }
    const before = this.#claim;
    const id =
      this.#bug === 'same claim_id again' && before?.seq === next.seq ? before.id : `c_${this.#made++}_claim`;
    this.claimed = true;
    this.#granted.add(next.seq);
    this.#claim = { id, seq: next.seq, until: now + leaseMs };
    return this.#claim;
  }

  ack(now: number, id: string, seq: number): 'advanced' | 'idle' | 'gone' {
    if (!this.claimed || seq <= this.cursor) return 'idle';
    const claim =
      this.#bug === 'late ack accepted' && this.#claim?.id === id ? this.#claim : this.#live(now, id);
    if (this.#bug !== 'ack without claim' && claim?.seq !== seq) return 'gone';
    this.cursor = this.#bug === 'cursor jump' ? (this.log.at(-1)?.seq ?? seq) : seq;
    this.#claim = null;
    return 'advanced';
  }

  renew(now: number, id: string, leaseMs: number): boolean {
    const claim = this.#bug === 'renew revives' && this.#claim?.id === id ? this.#claim : this.#live(now, id);
    if (claim !== null) claim.until = now + leaseMs;
    return claim !== null;
  }

  release(now: number, id: string): boolean {
    const live = this.#live(now, id);
    if (live !== null && this.#bug !== 'release ignored') this.#claim = null;
    return live !== null;
  }
}

/** Run clients that claim, ack, renew, release and crash concurrently. @returns the history that they observe. */
export function simulate(seed: number, bug: Bug): History {
  const random = new Random('history', seed);
  const below = (n: number) => random.bytes(4).readUInt32BE() % n;
  const pick = <T>(items: readonly [T, ...T[]]): T => items[below(items.length)] ?? items[0];
  const service = new Service(bug);
  const log = new RoomLog(runRecord());
  const ops: ClaimOp[] = [];
  const seen: { id: string; seq: number }[] = [];
  const agenda: { at: number; act: () => void }[] = [];
  const plan = (at: number, act: () => void) => agenda.push({ at, act });

  const post = (now: number) => {
    const took = now + below(8);
    const [sender, ttlMs] = [pick(['bob', 'carol', 'dan']), pick([0, 0, 0, 700])];
    plan(took, () => {
      const seq = service.log.length + 1;
      service.log.push({ seq, sender, expiresAt: ttlMs === 0 ? Infinity : took + ttlMs });
      const since = took + below(8);
      log.see({ seq, id: '', body: new Value({}), sender, signer: '', since, notBefore: now, ttlMs });
    });
  };

  const client = (t0: number, left: number, name: string, late = false) => {
    if (left === 0) return;
    const key = `${name}.${left}`;
    const crash = below(10) === 0;
    const took = t0 + below(40);
    const back = took + below(40);
    const t1 = crash ? Infinity : back;
    const common = { key, t0, t1, status: 200, json: new Value({}) };
    const leaseMs = pick([LEASE_MS, LEASE_MS, 300]);
    const kind = late
      ? pick(['ack', 'ack', 'renew', 'claim'])
      : pick(['claim', 'claim', 'claim', 'ack', 'ack', 'ack', 'renew', 'release']);
    const happens = !crash || below(2) === 0;
    // Mostly the newest claim that any client saw, sometimes an older one.
    const named = seen.at(below(5) === 0 ? -2 : -1) ?? { id: 'c_nothing', seq: 1 };
    const exclude = below(2) === 0 ? ['dan'] : [];
    plan(took, () => {
      const cursorBefore = service.cursor;
      const unknown = { ...common, outcome: 'unknown' as const };
      if (kind === 'claim') {
        const asked = { kind, leaseMs, leaseGiven: true, timeoutMs: 0, epochAsked: null, exclude } as const;
        const grant = happens ? service.claim(took, exclude, leaseMs) : null;
        if (grant !== null && !crash) plan(back, () => seen.push(grant));
        const outcome = crash ? 'unknown' : grant === null ? 'empty' : 'granted';
        const { id: claimId, seq } = grant ?? { id: '', seq: NaN };
        ops.push({ ...common, ...asked, self: 'label', outcome, claimId, seq, cursor: cursorBefore });
      } else if (kind === 'ack') {
        const asked = { kind, claimId: named.id, seq: below(9) === 0 ? named.seq + 1 : named.seq } as const;
        const outcome = happens ? service.ack(took, asked.claimId, asked.seq) : 'unknown';
        const cursor = outcome === 'advanced' && bug === 'cursor jump' ? asked.seq : service.cursor;
        ops.push(crash ? { ...unknown, ...asked, cursor } : { ...common, ...asked, outcome, cursor });
      } else if (kind === 'renew') {
        const asked = { kind, claimId: named.id, leaseMs, cursor: service.cursor } as const;
        const renewed = happens && service.renew(took, named.id, leaseMs);
        ops.push(
          crash ? { ...unknown, ...asked } : { ...common, ...asked, outcome: renewed ? 'renewed' : 'gone' },
        );
      } else {
        const asked = { kind: 'release', claimId: named.id } as const;
        const released = happens && service.release(took, named.id);
        ops.push(
          crash ? { ...unknown, ...asked } : { ...common, ...asked, outcome: released ? 'released' : 'idle' },
        );
      }
    });
    // Sometimes the client waits until a lease expires.
    const waits = below(3) === 0;
    const next = back + (waits ? leaseMs + below(200) : below(60));
    plan(next, () => client(next, left - 1, name, waits));
  };

  for (let i = 0; i < 20; i++) {
    const at = below(4_000);
    plan(at, () => post(at));
  }
  for (const [index, name] of ['x', 'y', 'z'].entries()) plan(index, () => client(index, 14, name));
  for (let next = take(agenda); next !== undefined; next = take(agenda)) next.act();
  return { handle: HANDLE, room: 'r', ops, log };
}

function take(agenda: { at: number; act: () => void }[]) {
  agenda.sort((a, b) => a.at - b.at);
  return agenda.shift();
}
