/** The part of a case that leads up to its failure, as steps: what was sent, what came, and the waits between. */
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
 * The steps up to the last piece of evidence, in the order of time; all of the case where nothing is evidence. Of many,
 * the evidence and what led up to it. Where all of a stream is evidence, for what it lacks, its beginning and its end
 * stand for it.
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

/** Leave out what is neither evidence nor near the end, with a note in its place. */
function shortened(steps: readonly Step[]): Step[] {
  if (steps.length <= SHOWN_STEPS) return [...steps];
  const evidence = steps.filter((step) => step.evidence).slice(-SHOWN_STEPS);
  // What other streams brought at the same time is the first to go.
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
 * An exchange as lines of text: `*` marks the evidence, and lanes are named where there is more than one.
 * @param short what is shown in place of a text, before it is clipped.
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
