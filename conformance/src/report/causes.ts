/**
 * Groups failures that have the same cause. A rule is listed under another only if each of its failures shows the same
 * fault as a failure of the other; otherwise it is a cause of its own.
 */
import type { Failure } from '../judge/verdict.ts';

/** A rule that is broken, with every failure of it that counts. */
export interface Broken {
  readonly rule: string;
  /** Number of steps of its clearest failure, up to the last piece of evidence. */
  readonly steps: number;
  /** Whether it fails the run: it is neither a warning nor in the baseline. */
  readonly counts: boolean;
  readonly failures: readonly Failure[];
}

/** The rule to look at first, and the rules that its failures explain. */
export interface Cause {
  readonly rule: string;
  readonly explains: string[];
}

/** Whether a failure shows headers (`Cache-Control: …`, or all of them as JSON): it cannot explain a fault of a body. */
const isAboutHeaders = ({ got }: Failure) => /^[A-Z][\w-]+: |^\{"[a-z]+(-[a-z]+)+":/.test(got);

/** Whether what `key` shows is part of what `whole` shows: a frame `3#5` is part of the stream `3`. */
const isPart = (key: string, whole: string) => key === whole || key.startsWith(`${whole}#`);

const within = (some: readonly string[], all: readonly string[]) =>
  some.every((key) => all.some((other) => isPart(key, other) || isPart(other, key)));

/** Whether two failures show the same fault: the evidence of one contains that of the other, or both have the same text. */
function sharesFault(one: Failure, other: Failure): boolean {
  if (one.want === other.want && one.got === other.got) return true;
  if (one.case !== other.case || isAboutHeaders(one) || isAboutHeaders(other)) return false;
  const [a, b] = [one.evidence, other.evidence];
  return a.length > 0 && b.length > 0 && (within(a, b) || within(b, a));
}

function isExplainedBy(rule: Broken, head: Broken): boolean {
  if (rule.counts && !head.counts) return false;
  return rule.failures.every((failure) => head.failures.some((known) => sharesFault(failure, known)));
}

/**
 * Group broken rules by cause. Each is in exactly one group.
 * @returns the causes that explain most first; among equals, those with the fewest steps.
 */
export function causesOf(broken: readonly Broken[]): Cause[] {
  const explained = new Map(
    broken.map((head) => [
      head.rule,
      broken.filter((rule) => rule !== head && isExplainedBy(rule, head)).map(({ rule }) => rule),
    ]),
  );
  const left = new Set(broken.map(({ rule }) => rule));
  const causes: Cause[] = [];
  while (left.size > 0) {
    const [first] = broken
      .filter(({ rule }) => left.has(rule))
      .map((head) => ({ head, explains: (explained.get(head.rule) ?? []).filter((rule) => left.has(rule)) }))
      .sort((a, b) => b.explains.length - a.explains.length || a.head.steps - b.head.steps);
    if (first === undefined) break;
    const { head, explains } = first;
    for (const rule of [head.rule, ...explains]) left.delete(rule);
    causes.push({ rule: head.rule, explains });
  }
  return causes;
}
