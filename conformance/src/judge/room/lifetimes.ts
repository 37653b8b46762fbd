/** The lifetimes of a room at compat, where the seqs of a room that is made again may begin anew (chapter 04, Epoch). */
import type { Post, RoomHistory } from './history.ts';
import type { Value } from '../../trace/value.ts';

/**
 * Split the history of a room at each answer `exists: false` that came after the room was made. What was under way during
 * such an answer belongs to either side: the outcome of a post is then unknown in both, and a read or stream is dropped.
 */
export function lifetimesOf({ posts, reads, streams, answers }: RoomHistory): RoomHistory[] {
  const until = ({ outcome, t1 }: Post) => (outcome === 'unknown' ? Infinity : t1);
  const made = Math.min(
    ...posts.flatMap(({ outcome, t0, t1 }) => (outcome === 'refused' ? [] : outcome === 'unknown' ? t0 : t1)),
    ...streams.map(({ open }) => open.t1),
  );
  const isEnd = ({ json, t0 }: { json: Value; t0: number }) => json.get('exists').raw === false && t0 > made;
  const ends = [...reads, ...answers].filter(isEnd);
  /** The numbers of the lifetimes in which something may have happened. */
  const span = (from: number, to: number) => ({
    first: ends.filter(({ t1 }) => t1 < from).length,
    last: ends.filter(({ t0 }) => t0 <= to).length,
  });
  const isIn = (n: number, from: number, to: number) => {
    const { first, last } = span(from, to);
    return first === n && last === n;
  };
  return Array.from({ length: ends.length + 1 }, (_, n) => ({
    posts: posts.flatMap((post): Post[] => {
      const { first, last } = span(post.t0, until(post));
      if (n < first || n > last) return [];
      return first === last || post.outcome === 'refused' ? [post] : [{ ...post, outcome: 'unknown' }];
    }),
    // The answer that ends a lifetime is judged with it.
    reads: reads.filter((read) =>
      isEnd(read) ? span(read.t0, read.t1).first === n : isIn(n, read.t0, read.t1),
    ),
    streams: streams.filter(({ open, close, last }) => isIn(n, open.t0, close?.at ?? last)),
    answers: answers.filter(({ t0, t1 }) => isIn(n, t0, t1)),
  }));
}
