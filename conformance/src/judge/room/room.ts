/** A room of a case: its messages, and when each certainly existed or may be gone. */
import type { Post, Read, RoomHistory, RoomAnswer, StreamSeen } from './history.ts';
import type { Outcome } from '../../script/script.ts';
import type { Value } from '../../trace/value.ts';
import { CLOCK_MS, mayExpire, mostBytes, type Lasting } from './known.ts';
import type { RelayRun } from '../../trace/records.ts';

/** Maximum time from the last activity of a room to its removal, in ms. @see ROOM-7 */
const ROOM_GONE_MS = 60_000;

/** A message of the log. */
export interface Logged extends Lasting {
  /** Its post; absent if only a delivery was observed. */
  readonly post?: Post;
}

/** One delivery of a message. */
interface Delivered {
  readonly message: Value;
  readonly at: number;
  readonly key: string;
  /** Whether a claim delivered it: it must be as reads deliver it. @see CLAIM-8 */
  readonly claimed: boolean;
}

/** One room in one case. */
export class Room implements RoomHistory {
  readonly outcomes: Outcome[] = [];
  readonly posts: readonly Post[];
  readonly reads: readonly Read[];
  readonly streams: readonly StreamSeen[];
  readonly answers: readonly RoomAnswer[];
  readonly run: RelayRun;
  readonly hardened: boolean;
  /** Whether its messages may exceed `room_bytes`, so that some may be evicted. @see READ-13 */
  readonly mayExceedBytes: boolean;
  /** Whether a nonce was posted to another room. */
  readonly elsewhere: (nonce: string) => boolean;
  /** Whether the case posted to other rooms too. */
  readonly hasNeighbours: boolean;
  readonly known: ReadonlyMap<number, Logged>;
  readonly #known = new Map<number, Logged>();

  constructor(
    run: RelayRun,
    history: RoomHistory,
    others: { elsewhere: (nonce: string) => boolean; hasNeighbours: boolean },
  ) {
    this.posts = history.posts;
    this.reads = history.reads;
    this.streams = history.streams;
    this.answers = history.answers;
    this.run = run;
    this.hardened = run.target.level === 'hardened';
    const posted = this.posts.filter(({ outcome }) => outcome === 'accepted' || outcome === 'unknown');
    const bytes = this.hardened ? posted.reduce((sum, { body }) => sum + mostBytes(body), 0) : 0;
    this.mayExceedBytes = bytes > run.target.limits.room_bytes;
    this.elsewhere = others.elsewhere;
    this.hasNeighbours = others.hasNeighbours;
    this.known = this.#known;
    this.#learn();
  }

  judge(rule: string, ok: boolean, want: string, got: string, ...evidence: string[]): void {
    this.outcomes.push({ rule, ok, want, got: ok ? '' : got, evidence });
  }

  /** Whether a message may be gone by `at`: expired, evicted, or removed with its room. */
  mayBeGone(known: Logged, at: number): boolean {
    const { buffer_messages: most } = this.run.target.limits;
    const { room_idle_ms: idle, retention_ms: retention } = this.run.target.timings;
    if (mayExpire(known, at)) return true;
    if (at >= known.notBefore + Math.min(retention, idle) - CLOCK_MS) return true;
    return this.mayExceedBytes || this.#known.size >= most || this.posts.length >= most;
  }

  /** Whether, since its first use, the room may have been removed and recreated, or a message removed for its age. */
  mayBeAnother(at: number): boolean {
    const { room_idle_ms: idle, retention_ms: retention } = this.run.target.timings;
    const first = Math.min(
      ...this.posts.map((post) => post.t0),
      ...this.streams.map((stream) => stream.open.t0),
    );
    return at - first >= Math.min(idle, retention, ROOM_GONE_MS) - CLOCK_MS;
  }

  /** Messages that a read must deliver: they certainly existed when it began, and still did when it was answered. */
  due(after: number, began: number, ended: number): Logged[] {
    return [...this.#known.values()]
      .filter((known) => known.seq > after && known.since < began && !this.mayBeGone(known, ended))
      .sort((a, b) => a.seq - b.seq);
  }

  /** Build the log from answers and deliveries. */
  #learn(): void {
    for (const post of this.posts) {
      if (post.outcome !== 'accepted' || Number.isNaN(post.seq)) continue;
      const before = this.#known.get(post.seq);
      const others = before?.post === undefined ? [] : [before.post.key];
      if (this.#known.size > 0)
        this.judge(
          'MSG-3',
          before === undefined,
          'a seq of its own for each accepted message',
          `two posts were answered seq ${post.seq}`,
          post.key,
          ...others,
        );
      const ttl = post.body.get('ttl_ms').number;
      this.#known.set(post.seq, {
        seq: post.seq,
        post,
        since: post.t1,
        notBefore: post.t0,
        ttlMs: ttl > 0 ? ttl : 0,
      });
    }
    // A post without an answer may have been accepted: a delivery of its message shows that it was.
    const unanswered = new Map(this.posts.filter((p) => p.outcome === 'unknown').map((p) => [p.nonce, p]));
    for (const { message, at } of this.delivered()) {
      const seq = message.get('seq').number;
      const post = unanswered.get(message.get('nonce').string);
      if (post === undefined || this.#known.has(seq)) continue;
      const ttl = post.body.get('ttl_ms').number;
      this.#known.set(seq, { seq, post, since: at, notBefore: post.t0, ttlMs: ttl > 0 ? ttl : 0 });
    }
  }

  /** All deliveries. Those of claims come last, since they are compared with those of reads. */
  *delivered(): Generator<Delivered> {
    for (const read of this.reads) {
      if (read.kind === 'stream') continue;
      for (const message of read.messages) yield { message, at: read.t1, key: read.key, claimed: false };
    }
    for (const stream of this.streams) {
      for (const frame of stream.frames) {
        if (frame.type === 'message')
          yield { message: frame.json, at: frame.at, key: frame.key, claimed: false };
      }
    }
    for (const { kind, json, t1, key } of this.answers) {
      if (kind === 'claim' && json.has('message'))
        yield { message: json.get('message'), at: t1, key, claimed: true };
    }
  }
}
