/**
 * Failures that one fault of the target explains. A rule is put under another only where everything that it found is
 * also found by the other: a rule with a failure of its own stays a cause of its own.
 */
import type { Failure } from '../judge/verdict.ts';

/** A rule that is broken, with every failure of it that counts. */
export interface Broken {
  readonly rule: string;
  /** Steps of its clearest failure up to the last piece of evidence. */
  readonly steps: number;
  /** Whether it fails the run: it is no warning, and not known from the baseline. */
  readonly counts: boolean;
  readonly failures: readonly Failure[];
}

/** The rule to look at first, and the rules that its failures explain. */
export interface Cause {
  readonly rule: string;
  readonly explains: string[];
}

/** A rule about headers (`Cache-Control: …`, or all of them as JSON) says nothing about the rest of an answer. */
const isAboutHeaders = ({ got }: Failure) => /^[A-Z][\w-]+: |^\{"[a-z]+(-[a-z]+)+":/.test(got);

/** Whether what `key` shows is part of what `whole` shows: a frame `3#5` is part of the stream `3`. */
const isPart = (key: string, whole: string) => key === whole || key.startsWith(`${whole}#`);

const within = (some: readonly string[], all: readonly string[]) =>
  some.every((key) => all.some((other) => isPart(key, other) || isPart(other, key)));

/** Whether two failures show the same fault: one's evidence holds all of the other's, or the words are the same. */
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
 * Group broken rules by cause. Each is in exactly one.
 * @returns those that explain most first; among equals, the one with the fewest steps.
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
