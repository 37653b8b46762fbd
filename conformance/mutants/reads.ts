/** Chapter 04, reads. */
import type { Mutant } from './mutant.ts';

export const READ_MUTANTS: readonly Mutant[] = [
  {
    id: 'READ-1/late',
    file: 'routes/reads.ts',
    from: 'if (room.log.hasAbove(position.after, clock.wall()))',
    to: 'if (room.log.hasAbove(position.after, clock.wall()) && position.after > 0)',
  },
  {
    id: 'READ-2/sleeps',
    file: 'hub.ts',
    from: 'if (room.waiters.size > 0) this.#answerWaiters(room, now);',
    to: '',
  },
  {
    id: 'READ-2/one-waiter',
    file: 'hub.ts',
    from: 'this.#answer(room, waiter, answer);\n    }\n  }',
    to: 'this.#answer(room, waiter, answer);\n      return;\n    }\n  }',
  },
  {
    id: 'READ-3/early',
    file: 'routes/reads.ts',
    from: 'deadline: now + waitMs(query, timings),',
    to: 'deadline: now + waitMs(query, timings) / 2,',
  },
  {
    id: 'READ-4/newest',
    file: 'log.ts',
    from: 'let i = this.#indexAfter(after);\n    for (; i < this.#entries.length && entries.length < most',
    to: 'let i = Math.max(this.#indexAfter(after), this.#entries.length - most);\n    for (; i < this.#entries.length && entries.length < most',
  },
  {
    id: 'READ-4/count',
    file: 'page.ts',
    from: 'count: entries.length, exists: true',
    to: 'count: log.count(now), exists: true',
  },
  {
    id: 'READ-5/assigned',
    file: 'page.ts',
    from: 'last_seq: log.lastSeq(now),',
    to: 'last_seq: log.lastAssigned,',
  },
  {
    id: 'READ-6/stream-only',
    file: 'message.ts',
    from: 'const TYPE = \'{"type":"message",\';',
    to: 'const TYPE = \'{"type":"message","reply_to":"CCCCCCCC",\';',
  },
  {
    id: 'READ-7/inclusive',
    file: 'log.ts',
    from: 'Math.max(0, after + 1 - first.seq)',
    to: 'Math.max(0, after - first.seq)',
  },
  {
    id: 'READ-8/skips',
    file: 'log.ts',
    from: 'if (entry.live) entries.push(entry);',
    to: 'if (entry.live && entry.seq % 6 !== 0) entries.push(entry);',
  },
  {
    id: 'READ-9/last-seq',
    file: 'log.ts',
    from: 'nextAfter: hasMore ? nextAfter : Math.max(after, this.lastAssigned),',
    to: 'nextAfter: this.lastAssigned,',
  },
  {
    id: 'READ-9/no-more',
    file: 'page.ts',
    from: 'has_more: hasMore,',
    to: 'has_more: false,',
  },
  {
    id: 'READ-10/silent',
    file: 'log.ts',
    from: 'return after > 0 && after < to ?',
    to: 'return after > to ?',
  },
  { id: 'READ-10/off-by-one', file: 'log.ts', from: '{ from: after + 1, to }', to: '{ from: after, to }' },
  {
    id: 'READ-11/per-answer',
    file: 'page.ts',
    from: 'epoch: log.epoch,',
    to: 'epoch: `${log.epoch}-${Math.random().toString(36).slice(2, 8)}`,',
  },
  {
    id: 'READ-12/no-reset',
    file: 'page.ts',
    from: 'epoch !== null && epoch !== room?.log.epoch',
    to: 'epoch !== null && room !== undefined && epoch === ""',
  },
  {
    id: 'READ-12/always',
    file: 'page.ts',
    from: 'epoch !== null && epoch !== room?.log.epoch',
    to: 'epoch !== null',
  },
  { id: 'READ-13/one-less', file: 'log.ts', from: 'if (held <= most &&', to: 'if (held < most &&' },
  { id: 'READ-13/one-more', file: 'log.ts', from: 'if (held <= most &&', to: 'if (held <= most + 1 &&' },
  {
    id: 'READ-14/for-ever',
    file: 'log.ts',
    from: 'const oldest = now - this.#timings.retention_ms;',
    to: 'const oldest = -1;',
  },
];
