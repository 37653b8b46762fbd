/** The part of a case that leads to a failure, as steps: requests, answers, frames and waits. */
import { Type, type Static } from 'typebox';
import type { Failure } from '../judge/verdict.ts';

/** One arrow of a sequence diagram, or a note on it. */
export const Step = Type.Object({
  lane: Type.String({
    description: 'Who of the suite: `client`, `client 1`, `SSE 1`, `WS 2`; empty for a gap.',
  }),
  way: Type.Union([Type.Literal('sent'), Type.Literal('came'), Type.Literal('note')]),
  what: Type.String({ description: 'Method and path, status, type of the frame, or the note.' }),
  body: Type.Optional(Type.String({ description: 'Clipped; the whole of it is in trace.ndjson.' })),
  at: Type.Number({ description: 'Milliseconds since the first step of the case.' }),
  evidence: Type.Boolean({ description: 'It shows that the rule was broken.' }),
});
export type Step = Static<typeof Step>;

const SHOWN_STEPS = 24;
const SHOWN_CHARS = 600;

/** @returns the text, or its first characters and `…`; never half a surrogate pair. */
export function clip(text: string, chars: number): string {
  return text.length > chars ? `${text.slice(0, chars).replace(/[\uD800-\uDBFF]$/, '')}…` : text;
}

/** A step, and the key of the record that it shows. */
export type Arrow = Omit<Step, 'evidence'> & { readonly key: string };

/**
 * The steps up to the last piece of evidence, ordered by time; all steps if there is no evidence. If there are too many,
 * only the evidence and the steps before it. If a whole stream is evidence, because it lacks something, only its opening
 * and its end are marked.
 */
export function exchange(arrows: readonly Arrow[], failure: Pick<Failure, 'evidence'>): Step[] {
  const isEvidence = (key: string) => failure.evidence.includes(key);
  const last = arrows.findLastIndex(
    ({ key }) => isEvidence(key) || failure.evidence.some((wanted) => key.startsWith(`${wanted}#`)),
  );
  const steps = (last < 0 ? arrows : arrows.slice(0, last + 1)).map(({ key, body, ...arrow }): Step => ({
    ...arrow,
    ...(body === undefined || body === '' ? {} : { body: clip(body, SHOWN_CHARS) }),
    evidence: isEvidence(key),
  }));
  const start = Math.min(...steps.map(({ at }) => at));
  return shortened(
    steps.sort((a, b) => a.at - b.at).map((step) => ({ ...step, at: Math.round(step.at - start) })),
  );
}

/** Omit steps that are neither evidence nor near the end; a note replaces them. */
function shortened(steps: readonly Step[]): Step[] {
  if (steps.length <= SHOWN_STEPS) return [...steps];
  const evidence = steps.filter((step) => step.evidence).slice(-SHOWN_STEPS);
  // Steps of other streams are omitted first.
  const lanes = new Set(evidence.map(({ lane }) => lane));
  const isNear = ({ lane }: Step) => lanes.size === 0 || lanes.has(lane) || lane.startsWith('client');
  const rest = steps.filter((step) => !step.evidence && isNear(step)).slice(-SHOWN_STEPS);
  const kept = new Set([...evidence, ...rest.slice(Math.min(evidence.length, SHOWN_STEPS - 4))]);
  const shown: Step[] = [];
  let omitted = 0;
  for (const step of steps) {
    if (!kept.has(step)) {
      omitted++;
      continue;
    }
    if (omitted > 0) shown.push(gap(omitted, step.at));
    omitted = 0;
    shown.push(step);
  }
  return omitted > 0 ? [...shown, gap(omitted, steps.at(-1)?.at ?? 0)] : shown;
}

function gap(omitted: number, at: number): Step {
  return { lane: '', way: 'note', what: `… ${omitted} more in trace.ndjson`, at, evidence: false };
}

const ARROWS = { sent: '→', came: '←', note: ' ' } as const;

/**
 * An exchange as lines of text: `*` marks the evidence, and lanes are named if there is more than one.
 * @param short shortens a text before it is clipped.
 */
export function exchangeLines(
  steps: readonly Step[],
  short: (text: string) => string = (text) => text,
): string[] {
  const lanes = new Set(steps.map(({ lane }) => lane).filter((lane) => lane !== ''));
  const width = Math.max(0, ...[...lanes].map((lane) => lane.length));
  return steps.map(({ lane, way, what, body, at, evidence }) => {
    const who = lanes.size > 1 ? `${lane.padEnd(width)} ` : '';
    const text = body === undefined ? '' : ` ${clip(short(body.trim()), way === 'sent' ? 200 : 400)}`;
    return `${evidence ? '*' : ' '} ${who}${ARROWS[way]} ${short(what)}${text}${way === 'came' ? `  (+${at} ms)` : ''}`;
  });
}
