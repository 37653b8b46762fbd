/** A second kind of target: an agent that echoes its input. It passes through all layers without any file that is specific to relays. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';
import { build, type Metafile } from 'esbuild';
import type { Requirement } from '@bot2bot/schemas';
import { describe, expect, it } from 'vitest';
import type { Check } from '../src/checks/check.ts';
import type { Driver, Programs } from '../src/drive/driver.ts';
import { Runner } from '../src/drive/runner.ts';
import { coveredRules, isTraceOf, type Subject } from '../src/judge/subject.ts';
import { judge } from '../src/judge/verdict.ts';
import { html } from '../src/report/html/page.ts';
import { junit } from '../src/report/junit.ts';
import type { Presenter } from '../src/report/presenter.ts';
import { makeReport } from '../src/report/report.ts';
import { summary } from '../src/report/terminal.ts';
import { Script, type Evidence, type ScriptContext } from '../src/script/script.ts';
import { Interrupted } from '../src/script/steps.ts';
import { parseTrace } from '../src/trace/parse.ts';
import type { CaseTrace, Event, TargetFacts } from '../src/trace/records.ts';

/** The agent's source; `say` is the expression for its answer to a line. */
const agent = (say: string) => `
const lines = require('readline').createInterface({ input: process.stdin });
let heard = 0;
lines.on('line', (line) => console.log(${say}));
`;
const HONEST = '`${++heard} ${line}`';

interface EchoFacts extends TargetFacts {
  readonly command: string;
}

interface Exchange extends Event {
  readonly t: 'exchange';
  readonly at: number;
  readonly asked: string;
  readonly answer: string;
}

class Answer implements Evidence {
  readonly keys: readonly string[];
  readonly text: string;

  constructor({ key, answer }: Exchange) {
    this.keys = [key];
    this.text = answer;
  }

  describe(): string {
    return `'${this.text}'`;
  }
}

type Ask = (key: string, line: string) => Promise<Exchange>;

class EchoScript extends Script<EchoFacts> {
  readonly #ask: Ask;

  constructor(place: ScriptContext<EchoFacts> & { readonly ask: Ask }) {
    super(place);
    this.#ask = place.ask;
  }

  protected override fork(place: ScriptContext<EchoFacts>): this {
    return new EchoScript({ ...place, ask: this.#ask }) as this;
  }

  async say(line: string): Promise<Answer> {
    return new Answer(await this.#ask(this.key(), line));
  }
}

function rule(number: number, sentence: string): Requirement {
  return {
    id: `ECHO-${number}`,
    actor: 'client',
    word: 'MUST',
    level: 'compat',
    profile: 'rooms',
    since: '1.0',
    chapter: 'echo.md',
    sentence,
  };
}

const CHECKS: readonly Check<EchoScript>[] = [
  {
    id: 'ECHO-1/words',
    title: 'random words come back',
    lane: 'quick',
    run: async (t, words) => {
      for (const word of words as string[]) {
        const answer = await t.say(word);
        t.require('ECHO-1', answer.text.endsWith(` ${word}`), `'${word}' said back`, answer);
      }
    },
  },
  {
    id: 'ECHO-2/count',
    title: 'lines are counted from one',
    lane: 'quick',
    run: async (t) => {
      const [first, second] = [await t.say('a'), await t.say('b')];
      const counts = [first, second].map(({ text }) => text.split(' ')[0]).join();
      t.require('ECHO-2', counts === '1,2', 'the counts 1 and 2', first, second);
    },
  },
];

const ECHO: Subject<EchoFacts, Exchange, EchoScript> = {
  name: 'echo',
  actor: 'client',
  rules: [
    rule(1, 'An agent MUST say back what it hears.'),
    rule(2, 'An agent MUST count what it hears.'),
    rule(3, 'An agent MUST answer with one number and the line.'),
    { ...rule(4, 'A relay MUST be silent.'), actor: 'relay' },
  ],
  checks: CHECKS,
  models: [
    {
      rules: ['ECHO-3'],
      judge: (_, { events }) =>
        events.map(({ key, answer }) => {
          const ok = /^\d+ /.test(answer);
          return { rule: 'ECHO-3', ok, want: 'a number first', got: ok ? '' : answer, evidence: [key] };
        }),
    },
  ],
  replay: (run, { start, events }: CaseTrace<Exchange>) =>
    new EchoScript({
      run,
      case: start.case,
      ask: async (key) => {
        const known = events.find((event) => event.key === key);
        if (known === undefined) throw new Interrupted(`the trace ends before step ${key}`);
        return known;
      },
    }),
  slowest: () => 0,
};

function echoDriver(
  source: string,
  subject: typeof ECHO,
  opened: string[],
): Driver<EchoFacts, Exchange, EchoScript> {
  const running = new Set<ChildProcessWithoutNullStreams>();
  return {
    subject,
    target: {
      command: 'node echo.js',
      level: 'hardened',
      declared: false,
      profiles: ['rooms'],
      outside: [],
      implementation: null,
    },
    programs: new Map<string, Programs>([
      [
        'ECHO-1/words',
        {
          of: (seed, runs) => Array.from({ length: runs }, (_, i) => ['x', `w${seed + i}`, 'long'.repeat(i)]),
          smaller: (words: readonly string[]) => words.map((_, i) => words.filter((__, j) => j !== i)),
        },
      ],
      [
        'ECHO-2/words',
        {
          of: () => [['other', 'long', 'x']],
          smaller: ([first = '', ...words]: readonly string[]) =>
            words.map((_, i) => [first, ...words.filter((__, j) => j !== i)]),
        },
      ],
    ]),
    prepare: async ({ target }) => target,
    open: ({ run, case: name, write }) => {
      opened.push(name);
      const child = spawn(process.execPath, ['-e', source]);
      running.add(child);
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      const ask: Ask = async (key, asked) => {
        child.stdin.write(`${asked}\n`);
        const answer = String((await lines.next()).value);
        const event: Exchange = { t: 'exchange', case: name, key, at: performance.now(), asked, answer };
        write(event);
        return event;
      };
      return {
        script: new EchoScript({ run, case: name, ask }),
        held: () => 0,
        close: () => child.kill(),
      };
    },
    close: () => running.clear(),
  };
}

const SHOWN: Presenter<EchoFacts, Exchange> = {
  where: ({ command }) => command,
  verb: 'echo',
  option: ({ command }) => `--driver "${command}"`,
  belowDefault: () => [],
  arrows: (events) =>
    events.flatMap(({ key, at, asked, answer }) => [
      { key, lane: 'client', way: 'sent' as const, what: asked, at },
      { key, lane: 'client', way: 'came' as const, what: answer, at },
    ]),
  script: () => null,
};

async function certifyEcho(say: string, checks = CHECKS) {
  const subject = { ...ECHO, checks };
  const opened: string[] = [];
  const { signal } = new AbortController();
  const lines: string[] = [];
  const runner = new Runner(echoDriver(agent(say), subject, opened), {
    seed: 3,
    runs: 2,
    cert: false,
    only: [],
    signal,
    onRecord: (record) => lines.push(JSON.stringify(record)),
  });
  const live = await runner.run();
  const saved = parseTrace(lines.join('\n'));
  if (!isTraceOf(ECHO, saved)) throw new Error('a trace of another subject');
  const { report, command, scripts } = makeReport(SHOWN, saved, await judge(subject, saved));
  expect(makeReport(SHOWN, live, await judge(subject, live)).report).toEqual(report);
  const verdicts = Object.fromEntries(report.rules.map(({ id, verdict }) => [id, verdict]));
  return { report, command, scripts, verdicts, saved, opened };
}

describe('an echo agent is driven, traced, judged and reported', () => {
  it('and passes', async () => {
    const { report, verdicts } = await certifyEcho(HONEST);
    expect(verdicts).toEqual({ 'ECHO-1': 'pass', 'ECHO-2': 'pass', 'ECHO-3': 'pass', 'ECHO-4': 'excluded' });
    expect(report).toMatchObject({ subject: 'echo', outcome: 'conformant', target: { url: 'node echo.js' } });
    expect(report.rules[3]).toMatchObject({ reason: 'a rule for relays', reason_code: 'other-actor' });
    expect(summary(report, false)).toContain('3 of 3 rules pass');
    expect([...coveredRules(ECHO)].sort()).toEqual(['ECHO-1', 'ECHO-2', 'ECHO-3']);
  });

  it('and each fault breaks its own rule, in every format of the report', async () => {
    const [lost, stuck, bare] = await Promise.all([
      certifyEcho("`${++heard} ${line.replace('long', '')}`"),
      certifyEcho('`1 ${line}`'),
      certifyEcho('` ${line}`'),
    ]);
    expect(lost.verdicts).toMatchObject({ 'ECHO-1': 'fail', 'ECHO-2': 'pass', 'ECHO-3': 'pass' });
    expect(lost.report.failures[0]).toMatchObject({
      check: 'ECHO-1/words',
      repeated: true,
      program: ['long'],
    });
    expect(stuck.verdicts).toMatchObject({ 'ECHO-1': 'pass', 'ECHO-2': 'fail', 'ECHO-3': 'pass' });
    expect(bare.verdicts).toMatchObject({ 'ECHO-1': 'pass', 'ECHO-2': 'fail', 'ECHO-3': 'fail' });
    for (const text of [summary(lost.report, false), html(lost), junit(lost.report)])
      expect(text).toContain('ECHO-1');
    const next = /<section class="next">[^]*?<\/section>/.exec(html(lost))?.[0] ?? '';
    expect(next).toContain('echo --driver &quot;node echo.js&quot; --only ECHO-1');
    expect(next).not.toMatch(/relay|server|--url/);
  });

  it('and shrink attempts are not cases of the trace', async () => {
    const { saved } = await certifyEcho("`${++heard} ${line.replace('long', '')}`");
    const names = saved.cases.map(({ start }) => start.case);
    expect(new Set(names).size).toBe(names.length);
    expect(names.sort()).toEqual(['ECHO-1/words/0', 'ECHO-1/words/1', 'ECHO-1/words/1~1', 'ECHO-2/count']);
    expect(saved.shrunk).toMatchObject([{ case: 'ECHO-1/words/1', rule: 'ECHO-1', program: ['long'] }]);
  });

  /** Each answer to a long word is wrong, and late: the agent says so itself, so that the test does not depend on time. */
  const lost = "++heard + ' ' + (line.includes('long') ? 'late' : line)";
  const timed = (id: Check<EchoScript>['id']): Check<EchoScript> => ({
    id,
    title: 'words come back at once',
    lane: 'quick',
    run: async (t, words) => {
      for (const word of words as string[]) {
        const answer = await t.say(word);
        t.require('ECHO-1', answer.text.endsWith(` ${word}`), `'${word}' said back`, answer);
        t.requireInTime('ECHO-2', !answer.text.includes('late'), `'${word}' at once`, answer);
      }
    },
  });

  it('and each shrink attempt of a case has a name of its own, whether the failure was firm or late', async () => {
    const { saved, opened } = await certifyEcho(lost, [timed('ECHO-1/words')]);
    expect(saved.shrunk.map(({ rule: id, program }) => [id, program])).toEqual([
      ['ECHO-1', ['long']],
      ['ECHO-2', ['long']],
    ]);
    expect(new Set(opened).size).toBe(opened.length);
  });

  it('and the program of a failure is one of the check that failed', async () => {
    const { report, scripts, saved } = await certifyEcho(lost, [
      timed('ECHO-1/words'),
      timed('ECHO-2/words'),
    ]);
    expect(
      saved.shrunk
        .filter(({ rule: id }) => id === 'ECHO-1')
        .map(({ check }) => check)
        .sort(),
    ).toEqual(['ECHO-1/words', 'ECHO-2/words']);
    expect(report.failures[0]).toMatchObject({ rule: 'ECHO-1', check: 'ECHO-1/words', program: ['long'] });
    const kept: unknown = JSON.parse(scripts.get('cases/ECHO-1.json') ?? '');
    expect(kept).toMatchObject({ check: 'ECHO-1/words', program: ['long'] });
  });

  it('and a requirement without evidence does not count as held', async () => {
    const vacuous: Check<EchoScript> = {
      id: 'ECHO-2/count',
      title: 'asks nothing',
      lane: 'quick',
      run: async (t) => void t.require('ECHO-2', true, 'a list of the suite itself'),
    };
    const { verdicts } = await certifyEcho(HONEST, [vacuous]);
    expect(verdicts['ECHO-2']).toBe('not-observed');
  });
});

/** The files of the suite and the packages that an entry point imports, without dynamic imports. */
async function loaded(entry: string): Promise<string[]> {
  const { metafile } = await build({
    entryPoints: [`${import.meta.dirname}/../src/${entry}`],
    bundle: true,
    platform: 'node',
    format: 'esm',
    write: false,
    metafile: true,
    packages: 'external',
    logLevel: 'silent',
  });
  const found = new Set<string>();
  const visit = (path: string, { inputs }: Metafile) => {
    if (found.has(path)) return;
    found.add(path);
    for (const { path: next, kind } of inputs[path]?.imports ?? [])
      if (kind === 'import-statement') visit(next, { inputs, outputs: {} });
  };
  const [start = ''] = Object.keys(metafile.inputs).filter((path) => path.endsWith(entry));
  visit(start, metafile);
  return [...found];
}

describe('imports', () => {
  it.each(['cli/judge.ts', 'cli/main.ts', 'judge/relay.ts'])('%s imports no driver', async (entry) => {
    const files = await loaded(entry);
    expect(files.length).toBeGreaterThan(3);
    expect(
      files.filter((path) => /\/drive\/|^ws$|^fast-check$|^eventsource-parser$|http/.test(path)),
    ).toEqual([]);
  });

  it.each(['drive/runner.ts', 'judge/verdict.ts', 'report/report.ts', 'report/html/page.ts'])(
    '%s imports nothing specific to relays',
    async (entry) => {
      const files = await loaded(entry);
      expect(
        files.filter((path) =>
          /relay|checks\/server|judge\/(?:room|claims)|script\/(?!script|steps|random)/.test(path),
        ),
      ).toEqual([]);
    },
  );
});

it('a repetition that did not finish does not show that a rule held, and one in which the suite stalled shows no lateness', async () => {
  const { saved } = await certifyEcho(HONEST);
  const honest = saved.cases.find(({ start }) => start.case === 'ECHO-2/count');
  const part = (attempt: number, outcome: 'done' | 'interrupted', answers: readonly string[], lag = 900) => {
    const name = attempt === 0 ? 'ECHO-2/count' : `ECHO-2/count~${attempt}`;
    const events = answers.flatMap((answer, index) => {
      const event = honest?.events[index];
      return event === undefined ? [] : [{ ...event, case: name, answer }];
    });
    return {
      start: { t: 'case', case: name, check: 'ECHO-2/count', attempt, at: 0 } as const,
      events,
      // The suite itself stalled: what the check missed may have arrived late.
      end: { t: 'end', case: name, at: 9, outcome, lag } as const,
    };
  };
  const wrong = ['1 a', '1 b'];
  const verdictOf = async (...last: Parameters<typeof part>) => {
    const cases = [part(0, 'done', wrong), part(1, 'done', wrong, last[3]), part(...last)];
    const { results } = await judge(ECHO, { ...saved, cases });
    return results.find(({ rule: { id } }) => id === 'ECHO-2')?.verdict;
  };
  expect(await verdictOf(2, 'interrupted', [])).toBe('fail');
  expect(await verdictOf(2, 'done', ['1 a', '1 b'])).toBe('fail');
  expect(await verdictOf(2, 'done', ['1 a', '2 b'])).not.toBe('fail');
  // The suite stalled for so long that lateness in each repetition says nothing.
  expect(await verdictOf(2, 'done', wrong, 5_000)).toBe('inconclusive');
});
