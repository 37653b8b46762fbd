/**
 * `npm run examples`: certifies the reference relay with lab timings, and records for each rule an exchange in which it held.
 * An existing example is kept if the new one shows the same.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LAB } from '../mutants/mutants.ts';
import { RELAY } from '../src/judge/relay.ts';
import { EXAMPLES, type Example } from '../src/report/examples.gen.ts';
import { clip, exchange, exchangeLines, type Arrow, type Step } from '../src/report/exchange.ts';
import { namerOf } from '../src/report/names.ts';
import { RELAY_PRESENTER } from '../src/report/relay.ts';
import type { Outcome } from '../src/script/script.ts';
import { roomOf } from '../src/trace/operations.ts';
import type { RelayCase, RelayEvent, RelayTrace } from '../src/trace/records.ts';
import { certify } from '../test/certify.ts';

const LINES = 12;
/** Maximum length of a line, and of a line that shows that the rule held. */
const [LINE_CHARS, TELLING_CHARS] = [120, 320];
/** Maximum number of frames of a stream that is evidence as a whole; the remaining lines are for other steps. */
const STREAM_LINES = 7;

/** The outcomes of the check itself in a case, without those of the models. */
async function outcomesOf({ run }: RelayTrace, part: RelayCase): Promise<readonly Outcome[]> {
  const check = RELAY.checks.find(({ id }) => id === part.start.check);
  const script = RELAY.replay(run, part);
  await check?.run(script, part.start.program);
  return script.outcomes;
}

const stepOf = (key: string) => key.split('#', 1)[0] ?? '';
const branchOf = (key: string) => /^(?:.*b\d+\.)?/.exec(key)?.[0] ?? '';

/** The events of a case that are related to the evidence: of the same rooms, and of concurrent branches only the same one. */
function bearing({ events }: RelayCase, evidence: readonly string[]): RelayEvent[] {
  const steps = new Set(evidence.map(stepOf));
  const branches = new Set(['', ...evidence.map(branchOf)]);
  const isAtOnce = evidence.every((key) => branchOf(key) !== '');
  const room = (event: RelayEvent) => ('path' in event ? roomOf(event.path) : undefined);
  const rooms = new Set(events.filter(({ key }) => steps.has(key)).map(room));
  const opened = new Set(
    events.filter((event) => event.t === 'open' && rooms.has(room(event))).map(({ key }) => key),
  );
  return events.filter((event) => {
    if (steps.has(stepOf(event.key))) return true;
    if (isAtOnce && !branches.has(branchOf(event.key))) return false;
    if (event.t === 'sleep') return true;
    return event.t === 'http'
      ? rooms.has(room(event))
      : opened.has(event.t === 'send' ? event.stream : stepOf(event.key));
  });
}

/** The steps that show that a rule held, and as many of the steps before them as fit. */
function shown(part: RelayCase, evidence: readonly string[]): Step[] {
  const isNamed = ({ key }: Arrow) => evidence.includes(key);
  // If a whole stream is the evidence, so are its frames.
  const isInside = (arrow: Arrow) => !isNamed(arrow) && evidence.includes(stepOf(arrow.key));
  const isNoise = ({ way, what }: Arrow) => way === 'sent' && what.startsWith('closed');
  const arrowsOf = (events: readonly RelayEvent[]) =>
    RELAY_PRESENTER.arrows(events)
      .filter((arrow) => !isNoise(arrow) && (isNamed(arrow) || !arrow.what.startsWith('presence')))
      .sort((a, b) => a.at - b.at);
  const all = arrowsOf(part.events);
  const arrows = all.findLastIndex(isNamed) < LINES ? all : arrowsOf(bearing(part, evidence));
  const most = arrows.some(isInside) ? STREAM_LINES : LINES;
  const telling = arrows.filter((arrow) => isNamed(arrow) || isInside(arrow)).slice(0, most);
  const before = arrows
    .slice(
      0,
      arrows.findLastIndex((arrow) => telling.includes(arrow)),
    )
    .filter((arrow) => !telling.includes(arrow));
  const kept = new Set([...telling, ...before.slice(Math.max(0, before.length + telling.length - LINES))]);
  const first = arrows.findIndex((arrow) => kept.has(arrow));
  const steps = arrows.flatMap((arrow, index): Arrow[] => {
    if (!kept.has(arrow)) return [];
    const isNext = index === first || kept.has(arrows[index - 1] ?? arrow);
    return isNext ? [arrow] : [{ key: '', way: 'note', lane: '', at: arrow.at, what: '…' }, arrow];
  });
  return exchange(steps, { evidence: telling.map(({ key }) => key) });
}

function exampleOf(part: RelayCase, { want, evidence }: Outcome): Example {
  const steps = shown(part, evidence);
  const short = namerOf(steps);
  const named = (text: string) =>
    short(text.replaceAll(/\s+/g, ' ').trim())
      .replaceAll(/time \d+|\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'time')
      .replaceAll(/127\.0\.0\.1:\d+/g, 'relay')
      .replaceAll(/xt[0-9a-f]{22}/gi, 'tag');
  const lines = exchangeLines(steps, named).map((line) =>
    clip(line.replace(/ {2}\(\+\d+ ms\)$/, ''), line.startsWith('*') ? TELLING_CHARS : LINE_CHARS),
  );
  return { check: part.start.check, want: named(want), lines };
}

const isOwn = (check: string | undefined, rule: string) => check?.startsWith(`${rule}/`) === true;

/** For each rule, the first requirement that held in its own check, or else in another check. */
async function examplesOf(trace: RelayTrace): Promise<ReadonlyMap<string, Example>> {
  const found = new Map<string, Example>();
  const place = ({ start }: RelayCase) => RELAY.checks.findIndex(({ id }) => id === start.check);
  for (const part of [...trace.cases].sort((a, b) => place(a) - place(b))) {
    if (part.start.attempt > 0 || part.end?.outcome !== 'done') continue;
    for (const outcome of await outcomesOf(trace, part)) {
      const { rule, ok, evidence } = outcome;
      const before = found.get(rule)?.check;
      if (!ok || evidence.length === 0 || isOwn(before, rule)) continue;
      if (before === undefined || isOwn(part.start.check, rule)) found.set(rule, exampleOf(part, outcome));
    }
  }
  return found;
}

/**
 * The lines of an example that show that the rule held, for comparison: without numbers and order, without lanes (only
 * named where there are several), and without the end of a line, which moves with the lanes.
 */
function gist({ check, want, lines }: Example): string {
  const telling = lines
    .filter((line) => line.startsWith('*'))
    .map((line) => line.slice(line.search(/[→←]/), TELLING_CHARS * 0.75));
  const kinds = new Set([want, ...telling].map((line) => line.replaceAll(/(?:seq [A-Z]?)?\d+/g, '0')));
  return [check, ...[...kinds].sort()].join('\n');
}

/** Whether to keep the existing example. It is also kept if a busy machine prevented the rule's own check this time. */
function stands(rule: string, before: Example | undefined, now: Example): before is Example {
  if (before === undefined) return false;
  return gist(before) === gist(now) || (isOwn(before.check, rule) && !isOwn(now.check, rule));
}

const relay = join(import.meta.dirname, '../../reference-server/bin/bot2bot-relay.mjs');
const { report, trace } = await certify(`exec node ${relay} --port {port} ${LAB.join(' ')}`, { cert: true });
if (report.failures.length > 0 || report.troubles.length > 0) {
  process.stderr.write('examples: the reference relay did not pass, and nothing was written\n');
  process.exit(1);
}
const made = await examplesOf(trace);
const kept = Object.fromEntries(
  RELAY.rules.flatMap(({ id }): [string, Example][] => {
    const [example, before] = [made.get(id), EXAMPLES[id]];
    if (example === undefined) return [];
    return [[id, stands(id, before, example) ? before : example]];
  }),
);
const fresh = Object.keys(kept).filter((id) => kept[id] !== EXAMPLES[id]);
writeFileSync(
  join(import.meta.dirname, '../src/report/examples.gen.ts'),
  `// Generated by \`npm run examples\` from a run of the reference relay. Do not edit.
export interface Example {
  /** Id of the check that sent the requests. */
  readonly check: string;
  /** What the rule requires here. */
  readonly want: string;
  /** The exchange; \`*\` marks the lines that show that the rule held. */
  readonly lines: readonly string[];
}
export const EXAMPLES: Readonly<Record<string, Example>> = ${JSON.stringify(kept, null, 1)};
`,
);
process.stdout.write(`${Object.keys(kept).length} examples, of which ${fresh.length} are new\n`);
process.exit();
