import {
  AGENTS_LIMIT,
  queryNumber,
  type Agent,
  type AgentsAnswer,
  type HeartbeatAnswer,
  type IdentityAnswer,
  type Timings,
} from '@bot2bot/schemas';
import type { Client } from './address.ts';
import type { Clock } from './clock.ts';
import type { RelayLimits } from './config.ts';
import { RequestProblem } from './problem.ts';
import { checkProfile } from './profile.ts';
import { shareOf, type ConcurrencyCap } from './rate-limit.ts';
import type { Published, Store } from './store.ts';
import { firstAbove, TagIndex } from './tag-index.ts';
import { Tombstones } from './tombstones.ts';

/** Maximum number of profiles that one sweep checks. */
const PROFILES_PER_SWEEP = 1_000;

type KeysOf = (handle: string) => IdentityAnswer | undefined;
/** Called with the number of profiles that a search has examined, to charge them to its client. */
type Charge = (examined: number) => void;

/** A published profile and the directory's own data about it. */
interface Entry {
  published: Published;
  /** Position in the order of the directory; kept when the profile is replaced. */
  readonly number: number;
  /** Handle, display name and summary, in lower case. */
  texts: readonly string[];
  framework: string;
  seen: number | null;
  /** Used during `matches`: how many tags it shares with the profile whose matches are computed; 0 otherwise. */
  score: number;
  /** Releases its slot in the share of the client that published it. */
  readonly release: () => void;
}

/** Published profiles, in the order in which their handles first published one. */
export class Directory {
  readonly #limits: RelayLimits;
  readonly #timings: Timings;
  readonly #clock: Clock;
  readonly #store: Store<Published>;
  readonly #held = new Map<string, Entry>();
  readonly #order: Entry[] = [];
  readonly #tags = new TagIndex<Entry>();
  readonly #shares: ConcurrencyCap;
  readonly #tombstones: Tombstones;
  #lastNumber = 0;
  /** Number of the last profile that the last sweep checked; 0 at the end of a pass. */
  #swept = 0;

  /** @param held profiles that were loaded from the store. */
  constructor(given: {
    limits: RelayLimits;
    timings: Timings;
    clock: Clock;
    store: Store<Published>;
    held: Map<string, Published>;
  }) {
    this.#limits = given.limits;
    this.#timings = given.timings;
    this.#clock = given.clock;
    this.#store = given.store;
    this.#shares = shareOf(given.limits.profiles, given.limits);
    this.#tombstones = new Tombstones(given.timings.profile_tolerance_ms, given.clock);
    const all = [...given.held.values()].sort((a, b) => (a.number ?? Infinity) - (b.number ?? Infinity));
    for (const published of all) this.#insert(published, () => undefined);
  }

  /** @throws {RequestProblem} bad-profile, clock-skew. @see DIR-3 */
  check(profile: Published['profile'], canonical: string): void {
    checkProfile(profile, canonical, {
      limits: this.#limits,
      timings: this.#timings,
      now: this.#clock.wall(),
    });
  }

  /**
   * Publish a profile. The caller has verified its signature.
   * @throws {RequestProblem} stale-profile; rate-limited, when the client's share is used up; unavailable, when the
   * directory is full.
   * @throws {StoreError} it may or may not have been stored; in memory the change is undone.
   * @see DIR-5
   */
  async publish({ profile, sig }: Published, client: Client): Promise<void> {
    const { handle, updated_at } = profile;
    const before = this.#held.get(handle);
    const was = before?.published;
    const isStale =
      was === undefined ? this.#tombstones.covers(handle, updated_at) : updated_at < was.profile.updated_at;
    if (isStale) throw new RequestProblem('stale-profile');
    const entry = before ?? this.#insert({ profile, sig }, this.#reserve(handle, client));
    if (before !== undefined) this.#replaceProfile(entry, { profile, sig, number: entry.number });
    entry.seen = this.#clock.wall();
    const { published } = entry;
    try {
      await this.#store.put(handle, published);
    } catch (error) {
      if (this.#held.get(handle) === entry && entry.published === published) {
        if (was === undefined) this.#removeEntry(entry)();
        else this.#replaceProfile(entry, was);
      }
      throw error;
    }
  }

  /** Take a slot for a new profile: that of its handle's tombstone, or one of the client's share. @returns its release. */
  #reserve(handle: string, client: Client): () => void {
    const released = this.#tombstones.take(handle);
    if (released !== undefined) return released;
    if (this.#held.size + this.#tombstones.size >= this.#limits.profiles)
      throw new RequestProblem('unavailable', { retryAfter: 60 });
    return this.#shares.take(client);
  }

  #insert(published: Published, release: () => void): Entry {
    const number = Math.max(published.number ?? 0, this.#lastNumber + 1);
    this.#lastNumber = number;
    const entry: Entry = { published, number, texts: [], framework: '', seen: null, score: 0, release };
    this.#order.push(entry);
    this.#held.set(published.profile.handle, entry);
    this.#setProfile(entry, { ...published, number });
    return entry;
  }

  /** Replace the profile of an entry. */
  #replaceProfile(entry: Entry, published: Published): void {
    this.#tags.remove(entry.published.profile, entry);
    this.#setProfile(entry, published);
  }

  #setProfile(entry: Entry, published: Published): void {
    const { profile } = published;
    entry.published = published;
    entry.texts = [profile.handle, profile.display_name, profile.summary].map((text) => text.toLowerCase());
    entry.framework = profile.framework.toLowerCase();
    this.#tags.add(profile, entry);
  }

  /** Remove an entry from memory. @returns the release of its slot, which the caller calls or passes on. */
  #removeEntry(entry: Entry): () => void {
    this.#held.delete(entry.published.profile.handle);
    this.#order.splice(firstAbove(this.#order, entry.number - 1), 1);
    this.#tags.remove(entry.published.profile, entry);
    return entry.release;
  }

  /** Delete a profile. @returns whether an unexpired one existed. @see DIR-9 */
  async remove(handle: string): Promise<boolean> {
    const entry = this.#held.get(handle);
    if (entry === undefined) return false;
    const wasLive = this.#live(handle) !== undefined;
    this.#tombstones.put(handle, entry.published.profile.updated_at, this.#removeEntry(entry));
    await this.#store.delete(handle);
    return wasLive;
  }

  /** @throws {RequestProblem} unknown-agent. @see DIR-10 */
  heartbeat(handle: string): HeartbeatAnswer {
    const entry = this.#live(handle);
    if (entry === undefined) throw new RequestProblem('unknown-agent');
    const now = this.#clock.wall();
    entry.seen = now;
    return { ok: true, handle, last_seen_at: now, expires_at: entry.published.profile.expires_at };
  }

  /** The entry of a handle, unless its profile has expired. @see DIR-8 */
  #live(handle: string): Entry | undefined {
    const entry = this.#held.get(handle);
    return entry !== undefined && this.#isLive(entry) ? entry : undefined;
  }

  #isLive({ published }: Entry): boolean {
    return published.profile.expires_at > this.#clock.wall();
  }

  /** @throws {RequestProblem} unknown-agent. @see DIR-2 */
  agent(handle: string, keysOf: KeysOf): Agent {
    const entry = this.#live(handle);
    const agent = entry === undefined ? undefined : this.#agent(entry, keysOf);
    if (agent === undefined) throw new RequestProblem('unknown-agent');
    return agent;
  }

  #agent({ published: { profile, sig }, seen }: Entry, keysOf: KeysOf): Agent | undefined {
    const keys = keysOf(profile.handle);
    if (keys === undefined) return undefined;
    const { box_pub, sign_pub } = keys;
    return {
      ...profile,
      box_pub,
      sign_pub,
      profile_sig: sig,
      last_seen_at: seen,
    };
  }

  /** @see DIR-6 DIR-7 */
  search(query: URLSearchParams, keysOf: KeysOf, charge: Charge): AgentsAnswer {
    const limit = queryNumber(query.get('limit'), {
      min: 1,
      max: this.#limits.agents_page,
      fallback: AGENTS_LIMIT,
    });
    const cursor = query.get('cursor') ?? '';
    const after = /^\d{1,15}$/.test(cursor) ? Number(cursor) : 0;
    const asked = filterOf(query);
    const among = this.#candidates(asked);
    const agents: Agent[] = [];
    let last = 0;
    const from = firstAbove(among, after);
    for (let i = from; i < among.length; i++) {
      const entry = among[i];
      if (entry === undefined || !this.#isLive(entry) || !satisfies(entry, asked)) continue;
      if (agents.length === limit) {
        charge(i - from + 1);
        return { agents, count: limit, next_cursor: last };
      }
      const agent = this.#agent(entry, keysOf);
      if (agent !== undefined) agents.push(agent);
      last = entry.number;
    }
    charge(among.length - from + 1);
    return { agents, count: agents.length, next_cursor: null };
  }

  /** The shortest list that contains every match of the filter: all profiles, or those with one of the tags. */
  #candidates({ capability, topic, language }: Filter): readonly Entry[] {
    let shortest: readonly Entry[] = this.#order;
    for (const [field, tag] of [
      ['capabilities', capability],
      ['topics', topic],
      ['languages', language],
    ] as const) {
      if (tag === '') continue;
      const having = this.#tags.with(field, tag);
      if (having.length < shortest.length) shortest = having;
    }
    return shortest;
  }

  /** @throws {RequestProblem} unknown-agent. @see DIR-11 */
  matches(handle: string, keysOf: KeysOf, charge: Charge): AgentsAnswer {
    const mine = this.#live(handle);
    if (mine === undefined) throw new RequestProblem('unknown-agent');
    const sharingTags: Entry[] = [];
    for (const having of this.#tags.sharingTags(mine.published.profile))
      for (const entry of having) if (entry.score++ === 0) sharingTags.push(entry);
    charge(sharingTags.length);
    const others = sharingTags.filter((other) => other !== mine && this.#isLive(other));
    const agents = topScores(others, this.#limits.agents_page).flatMap((other) => {
      const agent = this.#agent(other, keysOf);
      return agent === undefined ? [] : [{ ...agent, score: other.score, match_score: other.score }];
    });
    for (const entry of sharingTags) entry.score = 0;
    return { agents, count: agents.length, next_cursor: null };
  }

  /** Number of profiles that have not expired. */
  count(): number {
    return this.#order.filter((entry) => this.#isLive(entry)).length;
  }

  /** Remove expired profiles; each call checks a part of the directory. */
  sweep(): void {
    this.#tombstones.sweep();
    const from = firstAbove(this.#order, this.#swept);
    const some = this.#order.slice(from, from + PROFILES_PER_SWEEP);
    this.#swept = some.length < PROFILES_PER_SWEEP ? 0 : (some.at(-1)?.number ?? 0);
    for (const entry of some) {
      if (this.#isLive(entry)) continue;
      this.#removeEntry(entry)();
      this.#store.delete(entry.published.profile.handle).catch(() => undefined);
    }
  }
}

/** The `most` entries with the highest scores, highest first; entries with equal scores in directory order. */
function topScores(entries: readonly Entry[], most: number): Entry[] {
  const byScore: Entry[][] = [];
  for (const entry of entries) (byScore[entry.score] ??= []).push(entry);
  const found: Entry[] = [];
  for (let score = byScore.length - 1; score >= 0 && found.length < most; score--)
    found.push(...(byScore[score] ?? []).sort((a, b) => a.number - b.number).slice(0, most - found.length));
  return found;
}

interface Filter {
  readonly framework: string;
  readonly capability: string;
  readonly topic: string;
  readonly language: string;
  readonly q: string;
}

function filterOf(query: URLSearchParams): Filter {
  const asked = (name: string) => (query.get(name) ?? '').toLowerCase();
  return {
    framework: asked('framework'),
    capability: asked('capability'),
    topic: asked('topic'),
    language: asked('language'),
    q: asked('q'),
  };
}

/** @see DIR-6 */
function satisfies(entry: Entry, asked: Filter): boolean {
  const { profile } = entry.published;
  const among = (tag: string, tags: readonly string[]) => tag === '' || tags.includes(tag);
  return (
    (asked.framework === '' || entry.framework === asked.framework) &&
    among(asked.capability, profile.capabilities) &&
    among(asked.topic, profile.topics) &&
    among(asked.language, profile.languages) &&
    (asked.q === '' || entry.texts.some((text) => text.includes(asked.q)))
  );
}
