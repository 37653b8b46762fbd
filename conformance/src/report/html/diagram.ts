/**
 * A failing exchange as a sequence diagram, inline SVG. The lanes of the suite stand close together on the left, the
 * target far on the right: every label fits between them and crosses no other lane.
 */
import { clip, type Step } from '../exchange.ts';
import { xml, type Markup } from '../xml.ts';

const LANE = 78;
const LEFT = 52;
const GAP = 680;
const RIGHT = 70;
const HEAD = 44;
/** Heights of a row without a body, and of one with. */
const ROW = 32;
const ROW_WITH_BODY = 48;
/** Characters that fit between the lanes at the font sizes of the labels and of the bodies. */
const LABEL_CHARS = 84;
const BODY_CHARS = 96;

/** Clip text to one line. Characters that are two columns wide count twice. */
function fitting(text: string, columns: number): string {
  const flat = text.trim().replace(/\s+/g, ' ');
  let used = 0;
  let fits = '';
  for (const char of flat) {
    used += (char.codePointAt(0) ?? 0) < 0x1100 ? 1 : 2;
    if (used > columns - 1) return `${fits}…`;
    fits += char;
  }
  return fits;
}

function time(ms: number): string {
  return ms < 10_000 ? `+${ms} ms` : `+${(ms / 1_000).toFixed(1)} s`;
}

function row(step: Step, x: number, nearest: number, target: number, top: number): Markup {
  const { way, what, body, evidence, at } = step;
  const text = nearest + 14;
  const line = top + 22;
  const height = body === undefined ? ROW : ROW_WITH_BODY;
  const whole = body === undefined ? what : `${what}\n${body}`;
  const tooltip = xml`<title>${clip(whole, 2_000)}</title>`;
  const label = xml`<text class="what" x="${text}" y="${line - 7}">${fitting(what, LABEL_CHARS)}</text>`;
  if (way === 'note')
    return xml`<g class="note">${tooltip}${label}<circle cx="${x}" cy="${line - 11}" r="3"/></g>\n`;
  const [from, to] = way === 'sent' ? [x, target] : [target, x];
  const back = way === 'sent' ? -9 : 9;
  return xml`<g class="${evidence ? `${way} evidence` : way}">${tooltip}${
    evidence
      ? [xml`<rect x="4" y="${top + 1}" width="${target + RIGHT - 8}" height="${height - 2}" rx="4"/>`]
      : []
  }${label}<path d="M${from} ${line}H${to}"/><path class="tip" d="M${to} ${line}l${back} -5v10z"/>${
    body === undefined
      ? []
      : [xml`<text class="body" x="${text}" y="${line + 16}">${fitting(body, BODY_CHARS)}</text>`]
  }<text class="time" x="${target + 10}" y="${line + 4}">${time(at)}</text></g>\n`;
}

/** @param title the text alternative of the diagram. @param subject the name of the target's lane. */
export function diagram(steps: readonly Step[], title: string, subject: string): Markup {
  const named = [...new Set(steps.map(({ lane }) => lane))].filter((lane) => lane !== '');
  const isClient = (lane: string) => lane.startsWith('client');
  const lanes = [...named.filter(isClient).sort(), ...named.filter((lane) => !isClient(lane))];
  const place = (lane: string) => LEFT + Math.max(0, lanes.indexOf(lane)) * LANE;
  const nearest = LEFT + Math.max(0, lanes.length - 1) * LANE;
  const target = nearest + GAP;
  let height = HEAD;
  const rows = steps.map((step) => {
    const drawn = row(step, step.lane === '' ? nearest : place(step.lane), nearest, target, height);
    height += step.body === undefined ? ROW : ROW_WITH_BODY;
    return drawn;
  });
  const width = target + RIGHT;
  const lifelines = [
    ...lanes.map((lane): [string, number] => [lane, place(lane)]),
    [subject, target] as const,
  ];
  return xml`<svg role="img" xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height + 8}" viewBox="0 0 ${width} ${height + 8}">
<title>${title}</title>
${lifelines.map(([, x]) => xml`<path class="lifeline" d="M${x} 32V${height + 8}"/>\n`)}${rows}${lifelines.map(
    ([name, x]) =>
      xml`<g class="lane"><rect x="${x - 37}" y="6" width="74" height="26" rx="6"/><text x="${x}" y="23">${name}</text></g>\n`,
  )}</svg>`;
}
