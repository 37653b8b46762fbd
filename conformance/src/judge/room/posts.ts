/** Judges the answers to the posts of a room: the order of their seqs, repeated nonces, and gaps between seqs. */
import type { Post } from './history.ts';
import type { Room } from './room.ts';

export function judgeAnswers(room: Room): void {
  const accepted = room.posts.filter((post) => post.outcome === 'accepted').sort((a, b) => a.t0 - b.t0);
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
    room.judge(
      'MSG-3',
      post.seq > newest.seq,
      `a seq above ${newest.seq}, which was answered before this post was sent`,
      `seq ${post.seq}`,
      newest.key,
      post.key,
    );
  }
  for (const post of room.posts) {
    if (post.status === 429) {
      const rule = room.hardened ? 'MSG-19' : null;
      if (rule !== null) room.judge(rule, false, 'no 429 within the declared rate', '429', post.key);
    }
  }
  if (room.hardened) idempotence(room);
  if (room.hardened) contiguity(room);
}

function idempotence(room: Room): void {
  const { dedup_ms: window, room_idle_ms: idle } = room.run.target.timings;
  const remembered = Math.min(window, idle);
  const byNonce = new Map<string, Post[]>();
  for (const post of room.posts) byNonce.set(post.nonce, [...(byNonce.get(post.nonce) ?? []), post]);
  for (const posts of byNonce.values()) {
    const first = posts.filter((post) => post.outcome === 'accepted').sort((a, b) => a.t1 - b.t1)[0];
    if (first === undefined) continue;
    for (const post of posts) {
      if (post === first || post.t0 <= first.t1 || post.outcome === 'unknown') continue;
      if (post.t1 - first.t0 >= remembered) continue;
      const same = post.body.get('ciphertext').string === first.body.get('ciphertext').string;
      const identical = JSON.stringify(post.body.raw) === JSON.stringify(first.body.raw);
      // A client that may not post is refused even if the nonce was used before.
      if (!identical && (post.status === 401 || post.status === 403)) continue;
      const rule = identical && post.body.has('sender_handle') ? 'SIGN-4' : 'MSG-14';
      if (same && post.status === 200) {
        const ok = post.outcome === 'duplicate' && post.seq === first.seq && post.id === first.id;
        room.judge(
          rule,
          ok,
          `the first answer again: id ${first.id}, seq ${first.seq}, duplicate:true`,
          `id ${post.id}, seq ${post.seq}, ${post.outcome}`,
          first.key,
          post.key,
        );
      } else if (same) {
        room.judge(
          rule,
          post.status === 429,
          'the first answer again',
          `status ${post.status}`,
          first.key,
          post.key,
        );
      } else if (post.status !== 400) {
        room.judge(
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

function contiguity(room: Room): void {
  const seqs = [...room.known.keys()].sort((a, b) => a - b);
  const unknown = room.posts.filter((post) => post.outcome === 'unknown').length;
  for (let i = 1; i < seqs.length; i++) {
    const [a = NaN, b = NaN] = [seqs[i - 1], seqs[i]];
    const apart = (room.known.get(b)?.since ?? 0) - (room.known.get(a)?.notBefore ?? 0);
    if (apart >= room.run.target.timings.room_idle_ms) continue; // The room may have been recreated.
    const keys = [room.known.get(a)?.post?.key, room.known.get(b)?.post?.key].filter(
      (key) => key !== undefined,
    );
    room.judge('MSG-12', b - a <= 1 + unknown, `seq ${a + 1} to follow ${a}`, `${b} follows`, ...keys);
  }
}
