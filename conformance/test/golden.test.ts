/**
 * Small hand-written traces and the verdicts of the models. A trace has the format of `trace.ndjson`, except that its first
 * line contains only the relevant facts of the target. The file beside it lists the verdicts, one per line:
 *
 *   pass RULE                    the trace tested the rule, and it held
 *   fail RULE keys: required     the rule was broken, as the records with these keys show
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { judgeClaims } from '../src/judge/claims/promises.ts';
import { RELAY } from '../src/judge/relay.ts';
import { judgeRooms } from '../src/judge/room/model.ts';
import type { Outcome } from '../src/script/script.ts';
import { parseTrace, readTrace } from '../src/trace/parse.ts';
import type { RelayTrace } from '../src/trace/records.ts';
import { runRecord } from './claim-service.ts';

const folder = join(import.meta.dirname, 'golden');
const names = readdirSync(folder).filter((name) => name.endsWith('.ndjson'));

function outcomesOf(name: string): Outcome[] {
  const { run: given, cases } = parseTrace(readFileSync(join(folder, name), 'utf8')) as RelayTrace;
  const { target } = runRecord();
  const { level, limits, timings } = given.target;
  const run = {
    ...runRecord(level),
    target: {
      ...target,
      level,
      limits: { ...target.limits, ...limits },
      timings: { ...target.timings, ...timings },
    },
  };
  return cases.flatMap((trace) => [...judgeRooms(run, trace), ...judgeClaims(run, trace)]);
}

function verdictsOf(outcomes: readonly Outcome[]): string {
  const lines = outcomes.map(({ rule, ok, want, evidence }) =>
    ok ? `pass ${rule}\n` : `fail ${rule} ${evidence.join()}: ${want}\n`,
  );
  return [...new Set(lines)].sort().join('');
}

describe('hand-written traces', () => {
  it.each(names)('%s', (name) => {
    const outcomes = outcomesOf(name);
    expect(outcomes.some(({ ok }) => !ok)).toBe(name.startsWith('reject-'));
    expect(verdictsOf(outcomes)).toBe(readFileSync(join(folder, name.replace('.ndjson', '.txt')), 'utf8'));
  });
});

describe('a trace read piece by piece', () => {
  async function* pieces(text: string, length: number) {
    for (let at = 0; at < text.length; at += length) yield await Promise.resolve(text.slice(at, at + length));
  }

  it.each([1, 7, 64])('gives the same trace in pieces of %i characters', async (length) => {
    for (const name of names) {
      const text = readFileSync(join(folder, name), 'utf8').trimEnd();
      expect(await readTrace(pieces(text, length))).toEqual(parseTrace(text));
    }
  });

  it('ends lines at \\n only, and reports the number of a line that is not a record', async () => {
    const text = '{"t":"run","seed":"a\u2028b\u0085c"}\n\n';
    expect((await readTrace(pieces(text, 5))).run).toEqual({ t: 'run', seed: 'a\u2028b\u0085c' });
    await expect(readTrace(pieces(`${text}{"t":1}`, 5))).rejects.toThrow('line 2 of the trace');
  });
});

describe('the longest delay of a relay', () => {
  const post = '"t":"http","case":"a","method":"POST","path":"/api/rooms/ROOM0001/messages","status":200';
  const open = '"t":"open","case":"a","kind":"ws","status":101,"path":"/api/rooms/ROOM0001/ws"';
  const message = '"t":"frame","case":"a","kind":"text","data":"{\\"type\\":\\"message\\",\\"seq\\":5}"';
  const send = '"t":"send","case":"a","stream":"0","data":"{\\"nonce\\":\\"n\\"}"';
  const frame = (type: string) =>
    `"t":"frame","case":"a","kind":"text","data":"{\\"type\\":\\"${type}\\",\\"nonce\\":\\"n\\"}"`;
  const look = '"t":"look","case":"a","stream":"0","frames":0,"closed":false';
  const cases = [
    ['a slow answer', 700, [`{${post},"key":"0","t0":0,"t1":700,"resBody":"{\\"seq\\":5}"}`]],
    ['a flood does not count', 0, [`{${post},"flood":true,"key":"0","t0":0,"t1":700,"resBody":"{}"}`]],
    [
      'a stream that opens late',
      800,
      [`{${open},"key":"0","t0":0,"t1":10}`, `{${message},"key":"0#0","at":810}`],
    ],
    [
      'a message that arrives late on a stream',
      600,
      [
        `{${open},"key":"0","t0":0,"t1":10}`,
        `{${message},"key":"0#0","at":10}`,
        `{${message},"key":"0#1","at":620}`,
        `{${post},"key":"1","t0":10,"t1":20,"resBody":"{\\"seq\\":5}"}`,
      ],
    ],
    [
      'a message that waited for its reader',
      0,
      [
        `{${post},"key":"0","t0":10,"t1":10,"resBody":"{\\"seq\\":5}"}`,
        `{${open},"key":"1","t0":900,"t1":900}`,
        `{${message},"key":"1#0","at":900}`,
      ],
    ],
    [
      'a frame that is answered late',
      700,
      [
        `{${open},"key":"0","t0":0,"t1":0}`,
        `{${send},"key":"1","at":10}`,
        `{${frame('message')},"key":"0#0","at":20}`,
        `{${frame('sent')},"key":"0#1","at":710}`,
      ],
    ],
    [
      'a frame that is refused late, after one that is refused at once',
      700,
      [
        `{${open},"key":"0","t0":0,"t1":0}`,
        `{${send},"key":"1","at":10}`,
        `{${frame('error')},"key":"0#0","at":10}`,
        `{${send},"key":"2","at":10}`,
        `{${frame('error')},"key":"0#1","at":710}`,
        `{${look},"key":"3","at":2010}`,
      ],
    ],
    [
      'a frame that nothing answers until the last look',
      2000,
      [
        `{${open},"key":"0","t0":0,"t1":0}`,
        `{${send},"key":"1","at":10}`,
        `{${frame('message')},"key":"0#0","at":10}`,
        `{${look},"key":"2","at":2010}`,
      ],
    ],
    [
      'a message in a frame that another stream never gets',
      2000,
      [
        `{${open},"key":"0","t0":0,"t1":0}`,
        `{${open},"key":"1","t0":0,"t1":0}`,
        `{${send},"key":"2","at":10}`,
        `{${frame('message')},"key":"0#0","at":10}`,
        `{${frame('sent')},"key":"0#1","at":10}`,
        `{${look},"key":"3","at":2010}`,
      ],
    ],
  ] as const;
  it.each(cases)('%s: %i ms', (_, ms, lines) => {
    const start = ['{"t":"run"}', '{"t":"case","case":"a","check":"none","attempt":0,"at":0}'];
    const [trace] = (parseTrace([...start, ...lines].join('\n')) as RelayTrace).cases;
    expect(trace === undefined ? NaN : RELAY.slowest(runRecord(), trace)).toBe(ms);
  });
});
