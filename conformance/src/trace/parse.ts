/** Reads a saved trace. */
import type { CaseRecord, CaseTrace, EndRecord, Event, RunRecord, ShrinkRecord, Trace } from './records.ts';

type Line = RunRecord | CaseRecord | EndRecord | ShrinkRecord | Event;

const isOf = <T extends Line>(line: Line, t: string): line is T => line.t === t;

function recordOf(line: string, number: number): Line {
  try {
    const record = JSON.parse(line) as Line;
    if (typeof record.t !== 'string') throw new TypeError('no t');
    return record;
  } catch {
    throw new SyntaxError(`line ${number} of the trace is not a record`);
  }
}

function traceOf(records: readonly Line[]): Trace {
  const run = records.find((record) => isOf<RunRecord>(record, 'run'));
  if (run === undefined) throw new SyntaxError('the trace has no run record');
  const shrunk = records.filter((record) => isOf<ShrinkRecord>(record, 'shrink'));
  return { run, cases: groupCases(records), shrunk };
}

/**
 * Parse a trace. The contents of events are not validated here: the judge does that.
 * @throws {SyntaxError} naming the line that is not a record.
 */
export function parseTrace(text: string): Trace {
  const lines = text.split('\n').filter((line) => line !== '');
  return traceOf(lines.map((line, index) => recordOf(line, index + 1)));
}

/**
 * Read a trace in pieces, since it may be longer than the maximum length of a string. Only `\n` ends a line:
 * `node:readline` would also split at U+2028, which JSON does not escape.
 * @throws {SyntaxError} as `parseTrace`.
 */
export async function readTrace(pieces: AsyncIterable<string>): Promise<Trace> {
  const records: Line[] = [];
  let rest = '';
  for await (const piece of pieces) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') records.push(recordOf(line, records.length + 1));
  }
  if (rest !== '') records.push(recordOf(rest, records.length + 1));
  return traceOf(records);
}

function groupCases(records: readonly Line[]): CaseTrace[] {
  const cases = new Map<string, { start: CaseRecord; end: EndRecord | null; events: Event[] }>();
  for (const record of records) {
    if (isOf<RunRecord>(record, 'run') || isOf<ShrinkRecord>(record, 'shrink')) continue;
    if (isOf<CaseRecord>(record, 'case')) {
      cases.set(record.case, { start: record, end: null, events: [] });
      continue;
    }
    const known = cases.get(record.case);
    if (known === undefined)
      throw new SyntaxError(`the trace has an event of an unknown case ${record.case}`);
    if (isOf<EndRecord>(record, 'end')) known.end = record;
    else known.events.push(record as Event);
  }
  return [...cases.values()];
}
