/** The part of a case that leads up to its failure, as steps: what was sent, what came, and the waits between. */
import { Type, type Static } from 'typebox';
import type { Failure } from '../judge/verdict.ts';
import type { CaseTrace } from '../trace/records.ts';

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

/** What a frame calls itself. */
function frameName(data: string): string {
  try {
    const frame: unknown = JSON.parse(data);
    if (typeof frame === 'object' && frame !== null && 'type' in frame && typeof frame.type === 'string')
      return clip(frame.type, 40);
  } catch {
    // Not JSON: it has no type.
  }
  return 'frame';
}

/**
 * The steps up to the last piece of evidence, in the order of time; all of the case where nothing is evidence. Of many,
 * the evidence and what led up to it.
 */
export function exchange({ events }: CaseTrace, failure: Pick<Failure, 'evidence'>): Step[] {
  const isEvidence = (key: string) =>
    failure.evidence.some((wanted) => key === wanted || key.startsWith(`${wanted}#`));
  const last = events.findLastIndex((event) => isEvidence(event.key));
  const streams = new Map<string, string>();
  const counts = { sse: 0, ws: 0 };
  const client = (key: string) => {
    const branch = /^b(\d+)\./.exec(key)?.[1];
    return branch === undefined ? 'client' : `client ${Number(branch) + 1}`;
  };
  const steps = (last < 0 ? events : events.slice(0, last + 1)).flatMap((event): Step[] => {
    const evidence = isEvidence(event.key);
    const step = (way: Step['way'], lane: string, at: number, what: string, body = ''): Step => ({
      lane,
      way,
      what,
      ...(body === '' ? {} : { body: clip(body, SHOWN_CHARS) }),
      at,
      evidence,
    });
    const stream = streams.get(event.key.split('#')[0] ?? '') ?? 'stream';
    switch (event.t) {
      case 'http': {
        const answer = event.status === 0 ? `no answer (${event.error ?? ''})` : String(event.status);
        return [
          step('sent', client(event.key), event.t0, `${event.method} ${event.path}`, event.reqBody),
          step('came', client(event.key), event.t1, answer, event.resBody),
        ];
      }
      case 'open': {
        const lane = `${event.kind.toUpperCase()} ${++counts[event.kind]}`;
        streams.set(event.key, lane);
        const answer = event.status === 0 ? `no answer (${event.error ?? ''})` : String(event.status);
        return [
          step('sent', lane, event.t0, `${event.kind.toUpperCase()} ${event.path}`),
          step('came', lane, event.t1, answer, event.resBody),
        ];
      }
      case 'frame': {
        const id = event.id === undefined ? '' : ` [${event.id}]`;
        return event.kind === 'comment'
          ? []
          : [step('came', stream, event.at, `${frameName(event.data)}${id}`, event.data)];
      }
      case 'send':
        return [
          step('sent', streams.get(event.stream) ?? 'stream', event.at, frameName(event.data), event.data),
        ];
      case 'close':
        return [
          step(
            event.by === 'relay' ? 'came' : 'sent',
            stream,
            event.at,
            `closed${event.code === undefined ? '' : ` (${event.code})`}`,
          ),
        ];
      case 'sleep':
        return [step('note', client(event.key), event.t0, `waited ${Math.round(event.t1 - event.t0)} ms`)];
      default:
        return [];
    }
  });
  const start = Math.min(...steps.map(({ at }) => at));
  return shortened(
    steps.sort((a, b) => a.at - b.at).map((step) => ({ ...step, at: Math.round(step.at - start) })),
  );
}

/** Leave out what is neither evidence nor near the end, with a note in its place. */
function shortened(steps: readonly Step[]): Step[] {
  if (steps.length <= SHOWN_STEPS) return [...steps];
  const evidence = steps.filter((step) => step.evidence).slice(-SHOWN_STEPS);
  const rest = steps.filter((step) => !step.evidence).slice(-SHOWN_STEPS);
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

/** An exchange as lines of text: `*` marks the evidence, and lanes are named where there is more than one. */
export function exchangeLines(steps: readonly Step[]): string[] {
  const lanes = new Set(steps.map(({ lane }) => lane).filter((lane) => lane !== ''));
  const width = Math.max(0, ...[...lanes].map((lane) => lane.length));
  return steps.map(({ lane, way, what, body, at, evidence }) => {
    const who = lanes.size > 1 ? `${lane.padEnd(width)} ` : '';
    const text = body === undefined ? '' : ` ${clip(body, way === 'sent' ? 200 : 400)}`;
    return `${evidence ? '*' : ' '} ${who}${ARROWS[way]} ${what}${text}${way === 'came' ? `  (+${at} ms)` : ''}`;
  });
}
