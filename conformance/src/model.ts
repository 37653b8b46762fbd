/**
 * The executable specification of a room: a pure function from what a case did and saw to what the rules say of it.
 *
 * Order is observed, not searched for: a post's answer carries its seq. Everything that clocks and networks blur is an
 * interval: a post happened somewhere between its request and its answer; a message may or must have expired; a room
 * may or must be gone.
 */
import { ROOM_GONE_MS } from '@bot2bot/schemas';
import { operationOf } from './oracle.ts';
import { frameOf, Value, type Frame, type Outcome } from './script.ts';
import type { CaseTrace, CloseRecord, HttpRecord, OpenRecord, RunRecord } from './trace.ts';

/** A stream may lag this far behind an answer before a message counts as missing, in ms. */
const LIVE_MS = 2_000;
/** At compat a relay may deliver an expired message for this long (MSG-9). */
const TTL_GRACE_MS = 5_000;

/** The rules on which the model decides. */
export const MODEL_RULES: readonly string[] = [
  'MSG-2',
  'MSG-3',
  'MSG-9',
  'MSG-10',
  'MSG-12',
  'MSG-14',
  'MSG-15',
  'MSG-19',
  'MSG-21',
  'MSG-22',
  'ROOM-4',
  'READ-1',
  'READ-4',
  'READ-5',
  'READ-6',
  'READ-7',
  'READ-8',
  'READ-9',
  'READ-10',
  'READ-11',
  'READ-12',
  'STREAM-2',
  'STREAM-3',
  'STREAM-5',
  'STREAM-7',
  'SIGN-1',
  'SIGN-4',
  'SIGN-5',
];

interface Post {
  readonly key: string;
  readonly t0: number;
  readonly t1: number;
  readonly body: Value;
  readonly nonce: string;
  /** `unknown`: it may have happened. */
  readonly outcome: 'accepted' | 'duplicate' | 'refused' | 'unknown';
  readonly status: number;
  readonly seq: number;
  readonly id: string;
}

/** A message that was accepted or delivered, under its seq. */
interface Known {
  readonly seq: number;
  /** The post that made it; absent when only its delivery was seen. */
  readonly post?: Post;
  /** When it certainly existed, and when it cannot have existed before. */
  readonly since: number;
  readonly notBefore: number;
  readonly ttl: number;
}

interface Read {
  readonly key: string;
  readonly kind: 'wait' | 'transcript' | 'stream';
  readonly t0: number;
  readonly t1: number;
  readonly after: number;
  readonly epochAsked: string | null;
  readonly json: Value;
  readonly messages: readonly Value[];
  readonly limit: number;
}

interface StreamSeen {
  readonly open: OpenRecord;
  readonly frames: readonly Frame[];
  readonly close: CloseRecord | null;
  readonly last: number;
}

const roomOf = (path: string) => /^\/api\/rooms\/([^/?]*)\//.exec(path)?.[1] ?? null;
const queryOf = (path: string) => new URLSearchParams(path.split('?')[1] ?? '');

function numberIn(query: URLSearchParams, name: string, fallback: number, min: number, max: number): number {
  const value = Number(query.get(name) ?? NaN);
  return Number.isNaN(value) || query.get(name) === ''
    ? fallback
    : Math.min(max, Math.max(min, Math.trunc(value)));
}

const SIGNATURE_FIELDS = [
  'sender_handle',
  'sender_ts',
  'sender_nonce',
  'sender_sig',
  'sender_sig2',
  'signed_only',
] as const;

const FIELDS = [
  'id',
  'sender',
  'sender_verified',
  'ciphertext',
  'nonce',
  'ts',
  'ttl_ms',
  'reply_to',
  'ext',
  ...SIGNATURE_FIELDS,
] as const;

function fingerprint(message: Value): string {
  return JSON.stringify(FIELDS.map((field) => message.get(field).raw ?? null));
}

function outcome(
  rule: string,
  ok: boolean,
  want: string,
  got: string,
  evidence: readonly string[],
  late?: true,
): Outcome {
  return { rule, ok, want, got: ok ? '' : got, evidence, ...(late === true ? { late } : {}) };
}

/** One room in one case. */
class RoomModel {
  readonly outcomes: Outcome[] = [];
  readonly posts: Post[] = [];
  readonly reads: Read[] = [];
  readonly streams: StreamSeen[] = [];
  readonly #run: RunRecord;
  readonly #hardened: boolean;
  readonly #elsewhere: (nonce: string) => boolean;
  #known = new Map<number, Known>();

  constructor(run: RunRecord, elsewhere: (nonce: string) => boolean) {
    this.#run = run;
    this.#hardened = run.target.level === 'hardened';
    this.#elsewhere = elsewhere;
  }

  #judge(rule: string, ok: boolean, want: string, got: string, ...evidence: string[]): void {
    this.outcomes.push(outcome(rule, ok, want, got, evidence));
  }

  judge(): void {
    this.#learn();
    this.#answers();
    this.#deliveries();
    for (const read of this.reads) this.#read(read);
    for (const stream of this.streams) this.#stream(stream);
    this.#epochs();
  }

  /** Whether it may have left the buffer by `at`: expired, or the room gone. */
  #mayBeGone(known: Known, at: number): boolean {
    const { buffer_messages: most } = this.#run.target.limits;
    const { room_idle_ms: idle, retention_ms: retention } = this.#run.target.timings;
    if (known.ttl > 0 && at >= known.notBefore + known.ttl) return true;
    if (at >= known.notBefore + Math.min(retention, idle)) return true;
    return this.#known.size >= most || this.posts.length >= most;
  }

  /** Whether it must not be delivered by a read that began at `at`. */
  #mustBeGone(known: Known, at: number): boolean {
    const grace = this.#hardened ? 0 : TTL_GRACE_MS;
    return known.ttl > 0 && at > known.since + known.ttl + grace;
  }

  /** Build the log from answers and deliveries. */
  #learn(): void {
    for (const post of this.posts) {
      if (post.outcome !== 'accepted' || Number.isNaN(post.seq)) continue;
      const before = this.#known.get(post.seq);
      const others = before?.post === undefined ? [] : [before.post.key];
      this.#judge(
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
        ttl: ttl > 0 ? ttl : 0,
      });
    }
    // A post without an answer may have happened: its message is known once someone saw it.
    const unanswered = new Map(this.posts.filter((p) => p.outcome === 'unknown').map((p) => [p.nonce, p]));
    for (const { message, at } of this.#delivered()) {
      const seq = message.get('seq').number;
      const post = unanswered.get(message.get('nonce').string);
      if (post === undefined || this.#known.has(seq)) continue;
      const ttl = post.body.get('ttl_ms').number;
      this.#known.set(seq, { seq, post, since: at, notBefore: post.t0, ttl: ttl > 0 ? ttl : 0 });
    }
  }

  *#delivered(): Generator<{ message: Value; at: number; key: string }> {
    for (const read of this.reads) {
      if (read.kind === 'stream') continue;
      for (const message of read.messages) yield { message, at: read.t1, key: read.key };
    }
    for (const stream of this.streams) {
      for (const frame of stream.frames) {
        if (frame.type === 'message') yield { message: frame.json, at: frame.at, key: stream.open.key };
      }
    }
  }

  /** What the answers to posts say of each other. */
  #answers(): void {
    const accepted = this.posts.filter((post) => post.outcome === 'accepted').sort((a, b) => a.t0 - b.t0);
    let newest: Post | null = null;
    const returned = [...accepted].sort((a, b) => a.t1 - b.t1);
    let i = 0;
    for (const post of accepted) {
      for (; i < returned.length; i++) {
        const earlier = returned[i];
        if (earlier === undefined || earlier.t1 >= post.t0) break;
        if (newest === null || earlier.seq > newest.seq) newest = earlier;
      }
      if (newest === null) continue;
      this.#judge(
        'MSG-3',
        post.seq > newest.seq,
        `a seq above ${newest.seq}, which was answered before this post was sent`,
        `seq ${post.seq}`,
        newest.key,
        post.key,
      );
    }
    for (const post of this.posts) {
      if (post.status === 429) {
        const rule = this.#hardened ? 'MSG-19' : null;
        if (rule !== null) this.#judge(rule, false, 'no 429 within the declared rate', '429', post.key);
      }
    }
    if (this.#hardened) this.#idempotence();
    if (this.#hardened) this.#contiguity();
  }

  #idempotence(): void {
    const { dedup_ms: window, room_idle_ms: idle } = this.#run.target.timings;
    const remembered = Math.min(window, idle);
    const byNonce = new Map<string, Post[]>();
    for (const post of this.posts) byNonce.set(post.nonce, [...(byNonce.get(post.nonce) ?? []), post]);
    for (const posts of byNonce.values()) {
      const first = posts.filter((post) => post.outcome === 'accepted').sort((a, b) => a.t1 - b.t1)[0];
      if (first === undefined) continue;
      for (const post of posts) {
        if (post === first || post.t0 < first.t1 || post.outcome === 'unknown') continue;
        if (post.t1 - first.t0 >= remembered) continue;
        const same = post.body.get('ciphertext').string === first.body.get('ciphertext').string;
        const identical = JSON.stringify(post.body.raw) === JSON.stringify(first.body.raw);
        // Who may not post here is told so, whatever was posted before.
        if (!identical && (post.status === 401 || post.status === 403)) continue;
        const rule = identical && post.body.has('sender_handle') ? 'SIGN-4' : 'MSG-14';
        if (same && post.status === 200) {
          const ok = post.outcome === 'duplicate' && post.seq === first.seq && post.id === first.id;
          this.#judge(
            rule,
            ok,
            `the first answer again: id ${first.id}, seq ${first.seq}, duplicate:true`,
            `id ${post.id}, seq ${post.seq}, ${post.outcome}`,
            first.key,
            post.key,
          );
        } else if (same) {
          this.#judge(
            rule,
            post.status === 429,
            'the first answer again',
            `status ${post.status}`,
            first.key,
            post.key,
          );
        } else if (post.status !== 400) {
          this.#judge(
            'MSG-15',
            post.status === 409 || post.status === 429,
            '409 to another ciphertext under the same nonce',
            `status ${post.status}`,
            first.key,
            post.key,
          );
        }
      }
    }
  }

  #contiguity(): void {
    const seqs = [...this.#known.keys()].sort((a, b) => a - b);
    const unknown = this.posts.filter((post) => post.outcome === 'unknown').length;
    for (let i = 1; i < seqs.length; i++) {
      const [a = NaN, b = NaN] = [seqs[i - 1], seqs[i]];
      const apart = (this.#known.get(b)?.since ?? 0) - (this.#known.get(a)?.notBefore ?? 0);
      if (apart >= this.#run.target.timings.room_idle_ms) continue; // Perhaps another epoch.
      const keys = [this.#known.get(a)?.post?.key, this.#known.get(b)?.post?.key].filter(
        (key) => key !== undefined,
      );
      this.#judge('MSG-12', b - a <= 1 + unknown, `seq ${a + 1} to follow ${a}`, `${b} follows`, ...keys);
    }
  }

  /** What each delivered message is. */
  #deliveries(): void {
    const byNonce = new Map<string, Post[]>();
    for (const post of this.posts) byNonce.set(post.nonce, [...(byNonce.get(post.nonce) ?? []), post]);
    const prints = new Map<number, { print: string; key: string }>();
    for (const { message, key } of this.#delivered()) {
      const seq = message.get('seq').number;
      const nonce = message.get('nonce').string;
      const posts = byNonce.get(nonce) ?? [];
      const ciphertext = message.get('ciphertext').string;
      const origin =
        posts.find((p) => p.outcome === 'accepted' && p.seq === seq) ??
        posts.find((p) => p.outcome === 'unknown');
      if (posts.length === 0) {
        const stray = this.#elsewhere(nonce);
        this.#judge(
          stray ? 'ROOM-4' : 'MSG-2',
          false,
          stray ? 'only messages of this room' : 'only what was posted',
          `a message with nonce ${nonce}`,
          key,
        );
      } else if (origin === undefined) {
        const taken = posts.find((p) => p.outcome === 'accepted');
        if (taken === undefined)
          this.#judge(
            'MSG-21',
            false,
            'nothing of a post that was refused',
            `its message under seq ${seq}`,
            posts[0]?.key ?? key,
            key,
          );
        else
          this.#judge(
            this.#hardened ? 'MSG-14' : 'MSG-2',
            false,
            `nonce of seq ${taken.seq} under that seq alone`,
            `seq ${seq}`,
            taken.key,
            key,
          );
      } else {
        this.#judge('MSG-21', true, 'nothing of a refused post', '');
        this.#judge('ROOM-4', true, 'only messages of this room', '');
        const wrong = this.#altered(message, origin, ciphertext);
        this.#judge(
          'MSG-2',
          wrong === null,
          'the message as it was posted',
          `another ${wrong ?? ''}`,
          origin.key,
          key,
        );
        if (origin.body.has('sender_handle')) this.#signed(message, origin, key);
        else
          this.#judge(
            'MSG-22',
            message.get('sender_verified').raw === false,
            'sender_verified: false',
            JSON.stringify(message.get('sender_verified').raw ?? null),
            key,
          );
      }
      const print = fingerprint(message);
      const before = prints.get(seq);
      if (before === undefined) prints.set(seq, { print, key });
      else
        this.#judge(
          'READ-6',
          before.print === print,
          `seq ${seq} as it was delivered before: ${before.print.slice(0, 160)}`,
          print.slice(0, 160),
          before.key,
          key,
        );
    }
  }

  /** What a message that was accepted with a signature is delivered with. */
  #signed(message: Value, { body, key: post }: Post, key: string): void {
    const handle = body.get('sender_handle').string;
    const stamped = message.get('sender').raw === `@${handle}` && message.get('sender_verified').raw === true;
    const got = JSON.stringify([
      message.get('sender').raw ?? null,
      message.get('sender_verified').raw ?? null,
    ]);
    this.#judge('SIGN-1', stamped, `sender @${handle} and sender_verified: true`, got, post, key);
    if (!this.#hardened) return;
    const wrong = SIGNATURE_FIELDS.find(
      (field) => (message.get(field).raw ?? null) !== (body.get(field).raw ?? null),
    );
    this.#judge(
      'SIGN-5',
      wrong === undefined,
      'the signature as it was posted',
      `another ${wrong ?? ''}`,
      post,
      key,
    );
  }

  #altered(message: Value, post: Post, ciphertext: string): string | null {
    const { body } = post;
    if (ciphertext !== body.get('ciphertext').string) return 'ciphertext';
    if (
      body.has('sender') &&
      !body.has('sender_handle') &&
      message.get('sender').raw !== body.get('sender').raw
    )
      return 'sender';
    if ((message.get('reply_to').raw ?? null) !== (body.get('reply_to').raw ?? null)) return 'reply_to';
    if (post.outcome === 'accepted' && message.get('id').string !== post.id) return 'id';
    return null;
  }

  /** Seqs that a read must deliver: certain before it began, and certain to be there still when it was answered. */
  #due(after: number, began: number, ended: number): Known[] {
    return [...this.#known.values()]
      .filter((known) => known.seq > after && known.since < began && !this.#mayBeGone(known, ended))
      .sort((a, b) => a.seq - b.seq);
  }

  #read(read: Read): void {
    const { key } = read;
    const seqs = read.messages.map((message) => message.get('seq').number);
    const epoch = this.#epochAt(read);
    const reset = read.json.get('reset').raw === true;
    const foreign = read.epochAsked !== null && epoch !== '' && read.epochAsked !== epoch;
    if (this.#hardened && epoch !== '') {
      this.#judge(
        'READ-12',
        reset === foreign,
        foreign ? 'reset: true to another epoch' : 'no reset',
        reset ? 'reset: true' : 'no reset',
        key,
      );
    }
    const after = foreign && this.#hardened ? 0 : read.after;
    const low = seqs.find((seq) => !(seq > after));
    this.#judge('READ-7', low === undefined, `only messages above ${after}`, `seq ${low ?? ''}`, key);
    const disorder = seqs.findIndex((seq, i) => i > 0 && !(seq > (seqs[i - 1] ?? NaN)));
    this.#judge(
      'READ-8',
      disorder < 0,
      'each message once, in the order of seq',
      `seq ${seqs[disorder] ?? ''} after ${seqs[disorder - 1] ?? ''}`,
      key,
    );
    const pageRule = read.kind === 'wait' ? 'READ-1' : 'READ-4';
    if (read.kind !== 'stream')
      this.#judge(
        pageRule,
        seqs.length <= read.limit,
        `at most ${read.limit} messages`,
        `${seqs.length}`,
        key,
      );
    const full = seqs.length >= read.limit;
    const end = full ? (seqs.at(-1) ?? 0) : Infinity;
    const missing = this.#due(after, read.t0, read.t1).find(
      (known) => known.seq <= end && !seqs.includes(known.seq),
    );
    this.#judge(
      'READ-8',
      missing === undefined,
      `seq ${missing?.seq ?? ''}, accepted before this read began`,
      `a read without it`,
      missing?.post?.key ?? key,
      key,
    );
    const stale = seqs
      .map((seq) => this.#known.get(seq))
      .find((known) => known !== undefined && this.#mustBeGone(known, read.t0));
    if ([...this.#known.values()].some((known) => known.ttl > 0)) {
      this.#judge(
        this.#hardened ? 'MSG-10' : 'MSG-9',
        stale === undefined,
        'no message past its ttl_ms',
        `seq ${stale?.seq ?? ''}`,
        stale?.post?.key ?? key,
        key,
      );
    }
    if (read.kind !== 'stream') this.#lastSeq(read);
    if (this.#hardened && read.json.get('exists').raw !== false) this.#position(read, after, seqs, full);
  }

  #lastSeq(read: Read): void {
    const value = read.json.get('last_seq').number;
    const due = this.#due(0, read.t0, read.t1);
    const least = due.at(-1)?.seq ?? 0;
    const possible = [...this.#known.values()].filter(
      (known) => known.notBefore < read.t1 && !this.#mustBeGone(known, read.t0),
    );
    const unknown = this.posts.some((post) => post.outcome === 'unknown' && post.t0 < read.t1);
    const most = unknown ? Infinity : Math.max(0, ...possible.map((known) => known.seq));
    const ok = value >= least && value <= most;
    this.#judge(
      'READ-5',
      ok,
      `last_seq ${least === most ? least : `from ${least} to ${most}`}`,
      `${value}`,
      read.key,
    );
  }

  /** next_after, has_more, oldest_seq, gap. */
  #position(read: Read, after: number, seqs: readonly number[], full: boolean): void {
    const { json, key } = read;
    const oldest = json.get('oldest_seq').number;
    const gap = json.get('gap');
    if (read.kind !== 'stream') {
      const next = json.get('next_after').number;
      const more = json.get('has_more').raw;
      const delivered = seqs.at(-1) ?? after;
      this.#judge(
        'READ-9',
        next >= Math.max(after, delivered),
        `next_after of at least ${Math.max(after, delivered)}`,
        `${next}`,
        key,
      );
      const left = this.#due(next, read.t0, read.t1);
      this.#judge(
        'READ-9',
        more !== false || left.length === 0,
        `has_more: true, for seq ${left[0]?.seq ?? ''}`,
        'has_more: false',
        key,
      );
      const possible = [...this.#known.values()].some(
        (k) => k.seq > next && k.notBefore < read.t1 && !this.#mustBeGone(k, read.t0),
      );
      const unknown = this.posts.some((post) => post.outcome === 'unknown' && post.t0 < read.t1);
      this.#judge(
        'READ-9',
        more !== true || possible || unknown,
        'has_more: false, for nothing is left',
        'has_more: true',
        key,
      );
      if (after > 0) {
        const skipped = [...this.#known.values()].find(
          (k) =>
            k.seq > after &&
            k.seq <= next &&
            k.since < read.t0 &&
            !seqs.includes(k.seq) &&
            !(k.seq < oldest && k.seq >= gap.get('from').number && k.seq <= gap.get('to').number) &&
            !this.#mayExpire(k, read.t1),
        );
        this.#judge(
          'READ-10',
          skipped === undefined,
          `seq ${skipped?.seq ?? ''} delivered or named by gap`,
          'neither',
          key,
        );
      }
      if (!full && seqs.length > 0)
        this.#judge(
          'READ-9',
          oldest <= (seqs[0] ?? 0),
          `oldest_seq of at most ${seqs[0] ?? 0}`,
          `${oldest}`,
          key,
        );
    }
    const expected = after > 0 && after < oldest - 1;
    const named = gap.get('from').number === after + 1 && gap.get('to').number === oldest - 1;
    this.#judge(
      'READ-10',
      expected ? named : !json.has('gap'),
      expected ? `gap from ${after + 1} to ${oldest - 1}` : 'no gap',
      JSON.stringify(gap.raw ?? null),
      key,
    );
    const evicted = this.#known.size >= this.#run.target.limits.buffer_messages;
    const first = Math.min(...this.#known.keys());
    if (!evicted && Number.isFinite(first) && !this.#roomMayBeGone(read.t1)) {
      const unknown = this.posts.some((post) => post.outcome === 'unknown');
      if (!unknown)
        this.#judge(
          'READ-9',
          oldest <= first,
          `oldest_seq ${first} or below, for nothing was evicted`,
          `${oldest}`,
          key,
        );
    }
  }

  #mayExpire(known: Known, at: number): boolean {
    return known.ttl > 0 && at >= known.notBefore + known.ttl;
  }

  /** Whether the case left the room alone for long enough that it may have been made anew. */
  #roomMayBeGone(at: number): boolean {
    const { room_idle_ms: idle } = this.#run.target.timings;
    const first = Math.min(
      ...this.posts.map((post) => post.t0),
      ...this.streams.map((stream) => stream.open.t0),
    );
    return at - first >= Math.min(idle, ROOM_GONE_MS);
  }

  #epochAt(read: Read): string {
    return read.json.get('epoch').string;
  }

  #stream(stream: StreamSeen): void {
    const { open, frames } = stream;
    const { key } = open;
    const types = frames.map((frame) => frame.type);
    const readyAt = types.indexOf('ready');
    const early = types.slice(0, readyAt < 0 ? types.length : readyAt).find((type) => type !== 'message');
    this.#judge(
      'STREAM-2',
      early === undefined,
      'only buffered messages before ready',
      `a ${early ?? ''} frame`,
      key,
    );
    this.#judge(
      'STREAM-2',
      types.filter((type) => type === 'ready').length <= 1,
      'one ready',
      'several',
      key,
    );
    const ready = frames[readyAt];
    if (ready === undefined) return;
    const query = queryOf(open.path);
    const replay = frames.slice(0, readyAt).map((frame) => frame.json.get('seq').number);
    const live = frames.slice(readyAt + 1).filter((frame) => frame.type === 'message');
    const resumed = /^([A-Za-z0-9_-]{8,32}):(\d{1,16})$/.exec(open.reqHeaders['Last-Event-ID'] ?? '');
    const takesAfter = open.kind === 'sse' || this.#hardened;
    const usesId = this.#hardened && resumed !== null && open.kind === 'sse';
    const asked = usesId ? Number(resumed[2]) : numberIn(query, 'after', 0, 0, Number.MAX_SAFE_INTEGER);
    const after = takesAfter ? asked : 0;
    this.#read({
      key,
      kind: 'stream',
      t0: open.t0,
      t1: ready.at,
      after,
      epochAsked: usesId ? (resumed[1] ?? null) : query.get('epoch'),
      json: ready.json,
      messages: frames.slice(0, readyAt).map((frame) => frame.json),
      limit: Infinity,
    });
    const foreign = this.#hardened && ready.json.get('reset').raw === true;
    this.#floor(stream, ready, foreign ? 0 : after, replay, live);
    this.#live(stream, ready, foreign ? 0 : after, replay, live);
    if (this.#hardened && open.kind === 'sse') this.#ids(stream, ready);
  }

  #floor(
    stream: StreamSeen,
    ready: Frame,
    after: number,
    replay: readonly number[],
    live: readonly Frame[],
  ): void {
    const { key } = stream.open;
    const floor = ready.json.get('last_seq').number;
    if (Number.isNaN(floor)) return;
    const most = Math.max(after, 0, ...replay);
    this.#judge('STREAM-5', floor <= most, `last_seq of at most ${most}`, `${floor}`, key);
    const below = live.find((frame) => frame.json.get('seq').number <= floor);
    this.#judge(
      'STREAM-5',
      below === undefined,
      `only messages above ${floor} after ready`,
      `seq ${below?.json.get('seq').number ?? ''}`,
      key,
    );
  }

  #live(
    stream: StreamSeen,
    ready: Frame,
    after: number,
    replay: readonly number[],
    live: readonly Frame[],
  ): void {
    const { key } = stream.open;
    const seqs = [...replay, ...live.map((frame) => frame.json.get('seq').number)];
    const disorder = seqs.findIndex((seq, i) => i > 0 && !(seq > (seqs[i - 1] ?? NaN)));
    this.#judge(
      'STREAM-3',
      disorder < 0,
      'each message once, in the order of seq',
      `seq ${seqs[disorder] ?? ''} after ${seqs[disorder - 1] ?? ''}`,
      key,
    );
    const seen = new Set(seqs);
    const newest = seqs.at(-1) ?? 0;
    const until = stream.close?.at ?? stream.last;
    const missing = [...this.#known.values()].filter(
      (known) =>
        known.seq > after &&
        !seen.has(known.seq) &&
        known.since >= ready.at &&
        !this.#mayExpire(known, Math.min(until, known.since + LIVE_MS)),
    );
    const judge = (lost: Known | undefined, late?: true) => {
      const want = `seq ${lost?.seq ?? ''}, accepted while the stream was open`;
      const evidence = [lost?.post?.key ?? key, key];
      this.outcomes.push(
        outcome('STREAM-3', lost === undefined, want, 'a stream without it', evidence, late),
      );
    };
    judge(missing.find(({ seq }) => seq < newest));
    judge(
      missing.find(({ seq, since }) => seq > newest && since + LIVE_MS < until),
      true,
    );
  }

  #ids(stream: StreamSeen, ready: Frame): void {
    const { key } = stream.open;
    const epoch = ready.json.get('epoch').string;
    for (const frame of stream.frames) {
      if (frame.type !== 'message' && frame.type !== 'ready') continue;
      const seq = frame.json.get(frame.type === 'ready' ? 'last_seq' : 'seq').number;
      this.#judge(
        'STREAM-7',
        frame.id === `${epoch}:${seq}`,
        `the event id ${epoch}:${seq}`,
        frame.id ?? 'none',
        key,
      );
    }
  }

  /** One epoch while the room certainly exists. */
  #epochs(): void {
    if (!this.#hardened) return;
    const seen = [
      ...this.reads
        .filter((read) => read.kind !== 'stream')
        .map((read) => ({ epoch: read.json.get('epoch').string, at: read.t1, key: read.key })),
      ...this.streams.flatMap((stream) => {
        const ready = stream.frames.find((frame) => frame.type === 'ready');
        return ready === undefined
          ? []
          : [{ epoch: ready.json.get('epoch').string, at: ready.at, key: stream.open.key }];
      }),
    ].filter(({ epoch }) => epoch !== '');
    const [first] = seen.sort((a, b) => a.at - b.at);
    for (const { epoch, at, key } of seen) {
      if (first === undefined || this.#roomMayBeGone(at)) return;
      this.#judge('READ-11', epoch === first.epoch, `the epoch ${first.epoch}`, epoch, first.key, key);
    }
  }
}

function postOf(event: HttpRecord): Post {
  const body = Value.parse(event.reqBody ?? '');
  const answer = Value.parse(event.resBody);
  const accepted = event.status === 200;
  const outcome = accepted
    ? answer.get('duplicate').raw === true
      ? 'duplicate'
      : 'accepted'
    : event.status >= 400 && event.status < 500
      ? 'refused'
      : 'unknown';
  return {
    key: event.key,
    t0: event.t0,
    t1: event.t1,
    body,
    nonce: body.get('nonce').string,
    outcome,
    status: event.flood === true && event.status === 429 ? 0 : event.status,
    seq: answer.get('seq').number,
    id: answer.get('id').string,
  };
}

/** Judge every room of a case. */
export function judgeRooms(run: RunRecord, trace: CaseTrace): Outcome[] {
  const rooms = new Map<string, RoomModel>();
  const nonces = new Map<string, Set<string>>();
  const model = (id: string): RoomModel => {
    let room = rooms.get(id);
    if (room === undefined) {
      room = new RoomModel(run, (nonce) =>
        [...nonces].some(([other, set]) => other !== id && set.has(nonce)),
      );
      rooms.set(id, room);
    }
    return room;
  };
  const posted = (room: string, post: Post) => {
    model(room).posts.push(post);
    nonces.set(room, (nonces.get(room) ?? new Set()).add(post.nonce));
  };
  for (const event of trace.events) {
    if (event.t !== 'http') continue;
    const room = roomOf(event.path);
    const operation = operationOf(event.method, event.path);
    if (room === null || operation === null) continue;
    if (operation === 'postMessage') posted(room, postOf(event));
    if ((operation !== 'waitForMessages' && operation !== 'readTranscript') || event.status !== 200) continue;
    const query = queryOf(event.path);
    const json = Value.parse(event.resBody);
    const { page_messages: most } = run.target.limits;
    model(room).reads.push({
      key: event.key,
      kind: operation === 'waitForMessages' ? 'wait' : 'transcript',
      t0: event.t0,
      t1: event.t1,
      after: numberIn(query, 'after', 0, 0, Number.MAX_SAFE_INTEGER),
      epochAsked: query.get('epoch'),
      json,
      messages: json.get('messages').items,
      limit: operation === 'waitForMessages' ? most : numberIn(query, 'limit', 100, 1, most),
    });
  }
  for (const stream of streamsOf(trace)) {
    const room = roomOf(stream.open.path);
    if (room === null) continue;
    model(room).streams.push(stream);
    for (const post of sendsOf(trace, stream)) posted(room, post);
  }
  for (const room of rooms.values()) room.judge();
  return [...rooms.values()].flatMap((room) => room.outcomes);
}

function streamsOf(trace: CaseTrace): StreamSeen[] {
  const last = Math.max(0, ...trace.events.map((event) => ('at' in event ? event.at : event.t1)));
  return trace.events.flatMap((event) => {
    if (event.t !== 'open' || (event.status !== 200 && event.status !== 101)) return [];
    const frames = trace.events.flatMap((other) => {
      const frame = other.t === 'frame' && other.key.startsWith(`${event.key}#`) ? frameOf(other) : null;
      return frame === null ? [] : [frame];
    });
    const close = trace.events.find((other) => other.t === 'close' && other.key === event.key);
    return [{ open: event, frames, close: close?.t === 'close' ? close : null, last }];
  });
}

/** Messages sent on a WebSocket: `sent` answers by nonce, `error` too at hardened; otherwise nobody knows. */
function sendsOf(trace: CaseTrace, stream: StreamSeen): Post[] {
  const sends = trace.events.flatMap((event) => {
    if (event.t !== 'send' || event.stream !== stream.open.key) return [];
    const body = Value.parse(event.data);
    return body.has('type') || body.get('nonce').string === '' ? [] : [{ event, body }];
  });
  const taken = new Set<Frame>();
  return sends.map(({ event, body }) => {
    const nonce = body.get('nonce').string;
    const answer = stream.frames.find(
      (frame) =>
        !taken.has(frame) &&
        frame.at >= event.at &&
        (frame.type === 'sent' || frame.type === 'error') &&
        frame.json.get('nonce').string === nonce,
    );
    if (answer !== undefined) taken.add(answer);
    const accepted = answer?.type === 'sent';
    const duplicate = answer?.json.get('duplicate').raw === true;
    const status = accepted ? 200 : answer === undefined ? 0 : answer.json.get('code').number;
    return {
      key: event.key,
      t0: event.at,
      t1: answer?.at ?? Infinity,
      body,
      nonce,
      outcome: accepted
        ? duplicate
          ? 'duplicate'
          : 'accepted'
        : answer === undefined
          ? 'unknown'
          : 'refused',
      status: event.flood === true && status === 429 ? 0 : status,
      seq: answer?.json.get('seq').number ?? NaN,
      id: answer?.json.get('id').string ?? '',
    } satisfies Post;
  });
}
