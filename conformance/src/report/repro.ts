/** Shell scripts that reproduce a failing exchange. The exit code tells whether it failed again. */
import type { Failure } from '../judge/verdict.ts';
import type { RelayCase, RelayEvent, RelayRun } from '../trace/records.ts';
import { statusesOf } from './names.ts';
import { curlTemplate, replayTemplate, sh } from './repro-template.ts';

/** Values of answers that later requests of the case may contain: they differ from run to run. */
function variablesIn(body: string, step: number): { name: string; value: string; pattern: string }[] {
  const found: { name: string; value: string; pattern: string }[] = [];
  for (const field of ['seq', 'last_seq', 'next_after', 'oldest_seq']) {
    const match = new RegExp(`"${field}":([0-9]{6,16})`).exec(body);
    if (match?.[1] !== undefined)
      found.push({
        name: `${field.toUpperCase()}_${step}`,
        value: match[1],
        pattern: `"${field}":\\([0-9]*\\)`,
      });
  }
  for (const field of ['id', 'epoch']) {
    const match = new RegExp(`"${field}":"([^"]{8,64})"`).exec(body);
    if (match?.[1] !== undefined)
      found.push({
        name: `${field.toUpperCase()}_${step}`,
        value: match[1],
        pattern: `"${field}":"\\([^"]*\\)"`,
      });
  }
  return found;
}

/** A request's text as a shell word, in which variables replace the values that differ from run to run. */
function substituted(text: string, known: ReadonlyMap<string, string>): string {
  let rest = sh(text);
  for (const [value, name] of known) {
    rest = rest.replaceAll(value, `'"$${name}"'`);
    const number = Number(value);
    if (!Number.isSafeInteger(number)) continue;
    rest = rest
      .replaceAll(String(number - 1), `'"$(($${name} - 1))"'`)
      .replaceAll(String(number + 1), `'"$(($${name} + 1))"'`);
  }
  return rest;
}

/** Whether curl cannot send it: a signature expires after a minute, and raw bytes may not be a well-formed request. */
function isBeyondCurl(event: RelayCase['events'][number]): boolean {
  if (event.t === 'send') return event.data.includes('"sender_sig"');
  if (event.t !== 'http') return false;
  return (
    event.raw !== undefined ||
    'Authorization' in event.reqHeaders ||
    /"(?:sender|from|register|profile)_sig"/.test(event.reqBody ?? '')
  );
}

/** The room that a request is about, if any. */
const roomIn = (path: string) => /^\/api\/rooms\/([^/?]+)/.exec(path)?.[1] ?? '';

/**
 * The steps about the room of the answer that broke the rule, up to that answer.
 * @returns null if a script with curl cannot decide: it sees only the status of the last answer.
 */
function curlSteps(trace: RelayCase, failure: Failure): { steps: RelayEvent[]; wanted: string[] } | null {
  const wanted = statusesOf(failure.want);
  const [key, ...others] = failure.evidence;
  const last = trace.events.findIndex((event) => event.key === key);
  const broken = trace.events[last];
  if (broken?.t !== 'http' || others.length > 0 || wanted.length === 0) return null;
  if (broken.status === 0 || wanted.includes(String(broken.status))) return null;
  const before = trace.events.slice(0, last + 1);
  if (before.some((event) => event.t === 'open' || event.t === 'send' || isBeyondCurl(event))) return null;
  const room = roomIn(broken.path);
  const isOfRoom = (event: RelayEvent) =>
    event === broken ||
    (room !== '' && (event.t === 'sleep' || (event.t === 'http' && roomIn(event.path) === room)));
  return { steps: before.filter(isOfRoom), wanted };
}

/** The script for a failure: with curl if the status of an answer decides, otherwise with the suite's `replay`. */
export function reproScript(run: RelayRun, trace: RelayCase, failure: Failure, sentence: string): string {
  const rooms = new Map<string, string>();
  const known = new Map<string, string>();
  const lines: string[] = [];
  const head = {
    rule: failure.rule,
    sentence,
    required: failure.want,
    recorded: failure.got,
    seed: run.seed,
    case: failure.case,
    url: run.target.started === true ? null : run.target.url,
  };
  const found = curlSteps(trace, failure);
  if (found === null) return replayTemplate(head);
  const url = (path: string) => {
    const match = /^(\/api\/rooms\/)([^/?]+)(.*)$/.exec(path);
    if (match === null || !(match[2] ?? '').startsWith('t-')) return `"$BASE"${substituted(path, known)}`;
    const [, start = '', room = '', tail = ''] = match;
    if (!rooms.has(room)) rooms.set(room, `ROOM_${rooms.size}`);
    return `"$BASE${start}$${rooms.get(room)}"${substituted(tail, known)}`;
  };
  let step = 0;
  for (const event of found.steps) {
    if (event.t === 'sleep') lines.push(`sleep ${Math.ceil((event.t1 - event.t0) / 100) / 10}`);
    if (event.t !== 'http') continue;
    step++;
    const headers = Object.entries(event.reqHeaders).map(
      ([name, value]) => ` -H ${substituted(`${name}: ${value}`, known)}`,
    );
    // A long body is passed as a here-document, since the length of an argument is limited.
    const body =
      event.reqBody === undefined
        ? ''
        : event.reqBody.length < 2_000
          ? ` --data-binary ${substituted(event.reqBody, known)}`
          : ` --data-binary @- <<'BODY'\n${event.reqBody}\nBODY`;
    lines.push(`call ${step} ${event.method} ${url(event.path)}${headers.join('')}${body}`);
    for (const { name, value, pattern } of variablesIn(event.resBody, step)) {
      if (known.has(value)) continue;
      known.set(value, name);
      lines.push(`${name}=$(value ${step} ${sh(pattern)})`);
    }
  }
  return curlTemplate({ ...head, rooms: [...rooms.values()], lines, last: step, wanted: found.wanted });
}
