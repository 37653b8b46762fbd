import {
  AGENTS_LIMIT,
  queryNumber,
  type Agent,
  type AgentsAnswer,
  type IdentityAnswer,
  type Limits,
  type Timings,
} from '@bot2bot/schemas';
import type { Clock } from './clock.ts';
import { RequestProblem } from './problem.ts';
import type { Published, Store } from './store.ts';

/** What the canonical form of a profile must not contain. @see DIR-3 */
const FORBIDDEN = [
  '#k=',
  '/room/',
  'private_key',
  'privatekey',
  'secret_key',
  'secretkey',
  'sign_sk',
  'box_sk',
  'ciphertext',
  'sender_eph_pub',
];
const HOMEPAGE_SCHEMES: readonly string[] = ['http:', 'https:'];

type KeysOf = (handle: string) => IdentityAnswer | undefined;

/** Published profiles, by handle in the order of handles. */
export class Directory {
  readonly #limits: Limits;
  readonly #timings: Timings;
  readonly #clock: Clock;
  readonly #store: Store<Published>;
  readonly #held: Map<string, Published>;
  readonly #seen = new Map<string, number>();
  /** Handles in order; null when it has to be made anew. */
  #order: string[] | null = null;

  /** @param held what the store already has. */
  constructor(given: {
    limits: Limits;
    timings: Timings;
    clock: Clock;
    store: Store<Published>;
    held: Map<string, Published>;
  }) {
    this.#limits = given.limits;
    this.#timings = given.timings;
    this.#clock = given.clock;
    this.#store = given.store;
    this.#held = given.held;
  }

  /** @throws {RequestProblem} bad-profile, clock-skew. @see DIR-3 */
  check(profile: Published['profile'], canonical: string): void {
    const { profile_tolerance_ms: tolerance, profile_min_ms: least, profile_max_ms: most } = this.#timings;
    const refuse = (detail: string) => new RequestProblem('bad-profile', { detail });
    const { homepage_url: url } = profile;
    if (url !== '' && !HOMEPAGE_SCHEMES.includes(new URL(url).protocol))
      throw refuse('homepage_url is neither http nor https');
    if (Buffer.byteLength(canonical) > this.#limits.profile_bytes)
      throw refuse(`the profile is longer than ${this.#limits.profile_bytes} bytes`);
    const lower = canonical.toLowerCase();
    if (FORBIDDEN.some((word) => lower.includes(word)))
      throw refuse('the profile contains what looks like a room URL or a secret');
    const now = this.#clock.wall();
    if (Math.abs(now - profile.updated_at) > tolerance) throw new RequestProblem('clock-skew');
    const ahead = profile.expires_at - now;
    if (ahead > most || ahead < least) throw refuse(`expires_at is not ${least} to ${most} ms ahead`);
  }

  /** Publish a profile, whose signature has been verified. @throws {RequestProblem} stale-profile, unavailable. @see DIR-5 */
  async publish(published: Published): Promise<void> {
    const { handle, updated_at } = published.profile;
    const before = this.#held.get(handle);
    if (before !== undefined && updated_at < before.profile.updated_at)
      throw new RequestProblem('stale-profile');
    if (before === undefined && this.#held.size >= this.#limits.profiles)
      throw new RequestProblem('unavailable', { retryAfter: 60 });
    this.#held.set(handle, published);
    if (before === undefined) this.#order = null;
    this.#seen.set(handle, this.#clock.wall());
    try {
      await this.#store.put(handle, published);
    } catch (error) {
      if (before === undefined) this.#forget(handle);
      else this.#held.set(handle, before);
      throw error;
    }
  }

  /** @returns whether there was one. @see DIR-9 */
  async remove(handle: string): Promise<boolean> {
    const was = this.#shown(handle) !== undefined;
    if (!this.#forget(handle)) return false;
    await this.#store.delete(handle);
    return was;
  }

  #forget(handle: string): boolean {
    this.#seen.delete(handle);
    if (!this.#held.delete(handle)) return false;
    this.#order = null;
    return true;
  }

  /** @returns the time that is now its last. @throws {RequestProblem} unknown-agent. @see DIR-10 */
  heartbeat(handle: string): number {
    if (this.#shown(handle) === undefined) throw new RequestProblem('unknown-agent');
    const now = this.#clock.wall();
    this.#seen.set(handle, now);
    return now;
  }

  /** @see DIR-8 */
  #shown(handle: string): Published | undefined {
    const published = this.#held.get(handle);
    return published !== undefined && published.profile.expires_at > this.#clock.wall()
      ? published
      : undefined;
  }

  /** @throws {RequestProblem} unknown-agent. @see DIR-2 */
  agent(handle: string, keysOf: KeysOf): Agent {
    const published = this.#shown(handle);
    const agent = published === undefined ? undefined : this.#agent(published, keysOf);
    if (agent === undefined) throw new RequestProblem('unknown-agent');
    return agent;
  }

  #agent({ profile, sig }: Published, keysOf: KeysOf): Agent | undefined {
    const keys = keysOf(profile.handle);
    if (keys === undefined) return undefined;
    const { box_pub, sign_pub } = keys;
    return {
      ...profile,
      box_pub,
      sign_pub,
      profile_sig: sig,
      last_seen_at: this.#seen.get(profile.handle) ?? null,
    };
  }

  /** @see DIR-6 DIR-7 */
  search(query: URLSearchParams, keysOf: KeysOf): AgentsAnswer {
    this.#order ??= [...this.#held.keys()].sort();
    const limit = queryNumber(query.get('limit'), {
      min: 1,
      max: this.#limits.agents_page,
      fallback: AGENTS_LIMIT,
    });
    const after = query.get('cursor') ?? '';
    const agents: Agent[] = [];
    for (let i = firstAbove(this.#order, after); i < this.#order.length; i++) {
      const published = this.#shown(this.#order[i] ?? '');
      if (published === undefined || !satisfies(published.profile, query)) continue;
      if (agents.length === limit)
        return { agents, count: limit, next_cursor: agents.at(-1)?.handle ?? null };
      const agent = this.#agent(published, keysOf);
      if (agent !== undefined) agents.push(agent);
    }
    return { agents, count: agents.length, next_cursor: null };
  }

  /** @throws {RequestProblem} unknown-agent. @see DIR-11 */
  matches(handle: string, keysOf: KeysOf): AgentsAnswer {
    const mine = this.#shown(handle)?.profile;
    if (mine === undefined) throw new RequestProblem('unknown-agent');
    const agents = [...this.#held.keys()]
      .flatMap((other) => {
        const published = other === handle ? undefined : this.#shown(other);
        const score = published === undefined ? 0 : common(mine, published.profile);
        return published === undefined || score === 0 ? [] : [{ published, score }];
      })
      .sort((a, b) => b.score - a.score || (a.published.profile.handle < b.published.profile.handle ? -1 : 1))
      .slice(0, this.#limits.agents_page)
      .flatMap(({ published, score }) => {
        const agent = this.#agent(published, keysOf);
        return agent === undefined ? [] : [{ ...agent, score }];
      });
    return { agents, count: agents.length, next_cursor: null };
  }

  /** Number of profiles that are shown. */
  count(): number {
    let shown = 0;
    for (const handle of this.#held.keys()) if (this.#shown(handle) !== undefined) shown++;
    return shown;
  }

  sweep(): void {
    const now = this.#clock.wall();
    for (const [handle, { profile }] of this.#held) {
      if (profile.expires_at > now) continue;
      this.#forget(handle);
      this.#store.delete(handle).catch(() => undefined);
    }
  }
}

/** Place of the first handle above `after` in a sorted list. */
function firstAbove(sorted: readonly string[], after: string): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? '') > after) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** @see DIR-6 */
function satisfies(profile: Published['profile'], query: URLSearchParams): boolean {
  const asked = (name: string) => (query.get(name) ?? '').toLowerCase();
  const among = (name: string, tags: readonly string[]) => asked(name) === '' || tags.includes(asked(name));
  const framework = asked('framework');
  const q = asked('q');
  return (
    (framework === '' || profile.framework.toLowerCase() === framework) &&
    among('capability', profile.capabilities) &&
    among('topic', profile.topics) &&
    among('language', profile.languages) &&
    (q === '' ||
      [profile.handle, profile.display_name, profile.summary].some((text) => text.toLowerCase().includes(q)))
  );
}

/** Tags that two profiles share. */
function common(a: Published['profile'], b: Published['profile']): number {
  return (['capabilities', 'topics', 'languages'] as const)
    .map((field) => new Set(a[field].filter((tag) => b[field].includes(tag))).size)
    .reduce((sum, count) => sum + count, 0);
}
