import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { SaxesParser, type SaxesTagPlain } from 'saxes';
import { Compile } from 'typebox/compile';
import { beforeAll, describe, expect, it } from 'vitest';
import { broken } from '../mutants/broken.ts';
import { LAB, MUTANTS } from '../mutants/mutants.ts';
import { exchange } from '../src/report/exchange.ts';
import { html } from '../src/report/html/page.ts';
import {
  judge,
  makeReport,
  parseBaseline,
  RELAY,
  RELAY_PRESENTER,
  Report,
  summary,
  writeReport,
} from '../src/index.ts';
import { junit } from '../src/report/junit.ts';
import { certify, type Certified } from './certify.ts';
import { suite } from './suite.ts';

/** A certified relay that breaks two rules, one of them on a stream. */
let bad: Certified;
let mutant: string;

beforeAll(async () => {
  const patches = MUTANTS.filter(({ id }) => id === 'MSG-14/second-message' || id === 'STREAM-3/twice');
  expect(patches).toHaveLength(2);
  mutant = `exec node ${await broken('reports', patches)} --port {port} ${LAB.join(' ')}`;
  bad = await certify(mutant, { only: ['MSG-14', 'STREAM-3'], seed: 5, runs: 2 });
  expect(bad.report.failures.length).toBeGreaterThanOrEqual(2);
});

interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: Element[];
  text: string;
}

/** Parse XML strictly. @throws if it is not well-formed. */
function parse(text: string): Element {
  const top: Element = { name: '', attributes: {}, children: [], text: '' };
  const open = [top];
  const parser = new SaxesParser();
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('opentag', ({ name, attributes }: SaxesTagPlain) => {
    const element: Element = { name, attributes, children: [], text: '' };
    open.at(-1)?.children.push(element);
    open.push(element);
  });
  parser.on('closetag', () => open.pop());
  parser.on('text', (piece) => {
    const inside = open.at(-1);
    if (inside !== undefined) inside.text += piece;
  });
  parser.write(text).close();
  return top;
}

function all(element: Element, name: string): Element[] {
  return element.children.flatMap((child) => [...(child.name === name ? [child] : []), ...all(child, name)]);
}

const textOf = (element: Element): string => element.text + element.children.map(textOf).join('');

const pageOf = (report: Report) =>
  html({ report, command: { verb: 'server', option: `--url ${report.target.url}` } });

/** A report with this text in every field that the target or the author of the baseline can influence. */
function poisoned(report: Report, poison: string): Report {
  return {
    ...report,
    target: {
      ...report.target,
      url: poison,
      implementation: { name: poison, version: poison },
      profiles: [poison],
      outside_ranges: [poison],
      below_default: [poison],
      lab: true,
    },
    rules: report.rules.map((rule, index) => ({
      ...rule,
      reason: poison,
      ...(index === 0 ? { known: poison } : {}),
    })),
    failures: report.failures.map((failure) => ({
      ...failure,
      required: poison,
      observed: poison,
      difference: poison,
      case: poison,
      exchange: failure.exchange.map((step) => ({ ...step, what: poison, body: poison })),
    })),
    troubles: [{ case: poison, why: poison }],
  };
}

const HOSTILE = [
  `</style><script>alert(1)</script><img src="http://evil.example/x.png" onerror='alert(2)'>`,
  `]]>--><!-- <![CDATA[ <?xml version="1.0"?> &lol; &#0; <!ENTITY x SYSTEM "file:///etc/passwd">`,
  `"><svg onload=alert(1)><svg>' onmouseover='x`,
  '\u0000\u0001\b\u000b\u001b[31m\u007f\u0085\ud800\udfff\ufffe\uffff\u202etxt',
  '\r\n\t \u{1f642} 語',
];
const anything = fc.oneof(
  fc.constantFrom(...HOSTILE),
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 60 })
    .map((units) => String.fromCharCode(...units)),
);

describe('junit.xml', () => {
  it('has a suite for each chapter and a case for each rule, and only passed rules as passed', () => {
    const report: Report = {
      ...bad.report,
      rules: [
        ...bad.report.rules,
        ...(['pass', 'not-observed', 'inconclusive', 'excluded', 'not-applicable', 'warn'] as const).map(
          (verdict) => ({
            id: `ROOM-${verdict}`,
            level: 'compat',
            word: 'MUST',
            sentence: 'Say "a < b".',
            verdict,
            reason: 'for a reason',
            tested: 1,
            held: 1,
            mutants_killed: [],
          }),
        ),
      ],
    };
    const [top] = parse(junit(report)).children;
    const suites = top?.children ?? [];
    expect(suites.map(({ attributes }) => attributes['name'])).toEqual([
      ...new Set(report.rules.map(({ id }) => id.split('-')[0])),
    ]);
    const cases = all(top ?? parse('<none/>'), 'testcase');
    expect(cases).toHaveLength(report.rules.length);
    for (const { attributes, children } of cases) {
      const rule = report.rules.find(({ id }) => attributes['name']?.startsWith(`${id} `));
      expect(attributes['classname']).toBe(rule?.id.split('-')[0]);
      expect(attributes['name']).toBe(`${rule?.id} ${rule?.sentence}`);
      const kind = {
        pass: [],
        fail: ['failure'],
        warn: ['skipped'],
        'not-observed': ['error'],
        inconclusive: ['error'],
        excluded: ['skipped'],
        'not-applicable': ['skipped'],
      }[rule?.verdict ?? 'pass'];
      expect([rule?.verdict, children.map(({ name }) => name)]).toEqual([rule?.verdict, kind]);
    }
    const counted = (name: string) => all(top ?? parse('<none/>'), name).length;
    expect(top?.attributes).toMatchObject({
      tests: String(cases.length),
      failures: String(counted('failure')),
      errors: String(counted('error')),
      skipped: String(counted('skipped')),
    });
    const failure = cases.find(({ attributes }) => attributes['name']?.startsWith('MSG-14 '))?.children[0];
    const found = report.failures.find(({ rule }) => rule === 'MSG-14');
    expect(failure?.attributes['message']).toBe(`required: ${found?.required}\nobserved: ${found?.observed}`);
    expect(failure?.text).toContain('* ');
    expect(failure?.text).toMatch(/→ POST \/api\/rooms\//);
  });

  it('a run that did not end has an error, even if every rule passes', () => {
    const report: Report = {
      ...bad.report,
      outcome: 'incomplete',
      rules: [],
      failures: [],
      troubles: [{ case: 'MSG-1/x', why: 'interrupted' }],
    };
    expect(all(parse(junit(report)), 'error')).toHaveLength(2);
  });

  it('is well-formed whatever the target sends', () => {
    fc.assert(
      fc.property(anything, (poison) => {
        const cases = all(parse(junit(poisoned(bad.report, poison))), 'testcase');
        expect(cases).toHaveLength(bad.report.rules.length + 1);
      }),
    );
  });
});

describe('report.html', () => {
  /** Elements and attributes that could load or run something. */
  const LOADS = [
    'script',
    'img',
    'link',
    'iframe',
    'object',
    'embed',
    'image',
    'use',
    'base',
    'form',
    'video',
  ];

  function harmless(page: Element): void {
    for (const name of LOADS) expect(all(page, name)).toEqual([]);
    const visit = (element: Element): void => {
      for (const [name, value] of Object.entries(element.attributes)) {
        expect(name).not.toMatch(/^on|^src|^xlink/);
        if (name === 'href') expect(value).toMatch(/^(#|repro\/)[A-Z]+-\d+(\.sh)?$/);
        if (name === 'style') expect(value).toMatch(/^flex-grow:\d+$/);
      }
      element.children.forEach(visit);
    };
    visit(page);
    for (const { text } of all(page, 'style')) expect(text).not.toMatch(/url\(|@import|http/);
  }

  it('has one diagram for each failure, with its evidence highlighted, and a row for each rule', () => {
    const page = parse(html(bad));
    harmless(page);
    expect(all(page, 'svg')).toHaveLength(bad.report.failures.length);
    for (const failure of bad.report.failures) {
      const [article] = all(page, 'article').filter(({ attributes }) => attributes['id'] === failure.rule);
      const text = textOf(article ?? page);
      expect(text).toContain(failure.required);
      expect(text).toContain(failure.observed);
      const arrows = all(article ?? page, 'g').filter(({ attributes }) =>
        /^(sent|came|note)/.test(attributes['class'] ?? ''),
      );
      expect(arrows).toHaveLength(failure.exchange.length);
      const evidence = arrows.filter(({ attributes }) => attributes['class']?.endsWith(' evidence'));
      expect(evidence.length).toBe(failure.exchange.filter((step) => step.evidence).length);
      expect(evidence.length).toBeGreaterThan(0);
    }
    expect(all(page, 'tr')).toHaveLength(bad.report.rules.length + 1);
    expect(all(page, 'meta').map(({ attributes }) => attributes['content'])).toContain(
      "default-src 'none'; style-src 'unsafe-inline'",
    );
    expect(textOf(all(page, 'h1')[0] ?? page)).toBe('NOT CONFORMANT');
    expect(textOf(all(page, 'section')[0] ?? page)).toContain(`--url ${bad.report.target.url} --only `);
  });

  it('says what to do if there is neither a failure nor a verdict', () => {
    const [one] = bad.report.rules;
    if (one === undefined) throw new Error('no rule');
    const page = parse(
      pageOf({
        ...bad.report,
        outcome: 'incomplete',
        rules: [{ ...one, verdict: 'not-observed', reason: 'x' }],
        failures: [],
        causes: [],
        troubles: [{ case: `${one.id}/x`, why: 'not done within 30 s' }],
      }),
    );
    const [next] = all(page, 'section');
    expect(textOf(next ?? page)).toContain('1 case did not run to the end');
    expect(all(next ?? page, 'code').map(textOf)).toEqual([
      `bot2bot-conformance server --url ${bad.report.target.url} --only ${one.id}`,
    ]);
  });

  it('shows everything that the target sent as text', () => {
    const shape = (page: Element): unknown => [page.name, page.children.map(shape)];
    const plain = shape(parse(pageOf(poisoned(bad.report, 'x'))));
    fc.assert(
      fc.property(anything, (poison) => {
        const page = parse(pageOf(poisoned(bad.report, poison === '' ? 'x' : poison)));
        harmless(page);
        expect(shape(page)).toEqual(plain);
      }),
    );
  });
});

it('the terminal output shows control characters of the target in escaped form', () => {
  const text = summary(poisoned(bad.report, '\u001b]0;owned\u0007\u009b31m\r'), false);
  // oxlint-disable-next-line no-control-regex
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  expect(text).toContain('\\u001b]0;owned');
});

describe('an exchange', () => {
  it('of hundreds of steps contains the evidence, and says how many steps it leaves out', () => {
    const { trace } = bad;
    const part = trace.cases.find(({ start }) => start.check.startsWith('MSG-14/'));
    const first = part?.events.find((event) => event.t === 'http');
    if (part === undefined || first === undefined) throw new Error('no case of MSG-14');
    const events = Array.from({ length: 200 }, (_, index) => ({
      ...first,
      key: `b0.${index}`,
      t0: index,
      t1: index,
    }));
    const steps = exchange(RELAY_PRESENTER.arrows(events), { evidence: ['b0.3', 'b0.150'] });
    expect(steps.length).toBeLessThan(40);
    expect(steps.filter(({ evidence }) => evidence)).toHaveLength(4);
    const left = steps.flatMap(({ what }) => /^… (\d+) more/.exec(what)?.slice(1).map(Number) ?? []);
    const shown = steps.length - left.length;
    expect(left.reduce((a, b) => a + b, 0) + shown).toBe(151 * 2);
  });

  it('of many streams shows the one that is evidence, and what the clients did', () => {
    const arrows = Array.from({ length: 90 }, (_, at) => ({
      key: `${at % 3}#${at}`,
      lane: ['SSE 1', 'WS 1', 'client'][at % 3] ?? '',
      way: 'came' as const,
      what: 'message',
      at,
    }));
    const steps = exchange(arrows, { evidence: ['0#87'] });
    expect(new Set(steps.map(({ lane }) => lane))).toEqual(new Set(['SSE 1', 'client', '']));
  });
});

describe('what is highlighted', () => {
  it('of a long stream: the frames that broke the rule, and no others', () => {
    const failure = bad.report.failures.find(({ rule }) => rule === 'STREAM-3');
    const steps = failure?.exchange ?? [];
    const stream = steps.find(({ way, evidence }) => way === 'came' && evidence)?.lane;
    const messages = new Map<string, boolean[]>();
    for (const { lane, body, evidence } of steps) {
      const seq = /^\{"type":"message".*"seq":(\d+)/.exec(body ?? '')?.[1];
      if (seq === undefined || lane !== stream) continue;
      messages.set(seq, [...(messages.get(seq) ?? []), evidence]);
    }
    const came = [...messages.values()];
    const others = steps.filter(({ way, lane, evidence, body }) => {
      const isMessage = body?.startsWith('{"type":"message"') === true;
      return way === 'came' && lane === stream && evidence && !isMessage;
    });
    expect(others).toEqual([]);
    expect(came).toContainEqual([true, true]);
    // The model of the room names the first message that came twice, the check all of them.
    for (const each of came) expect([[false], [false, false], [true, true]]).toContainEqual(each);
  });

  it('of a stream that lacks something: its beginning and its end', () => {
    const part = bad.trace.cases.find(({ events }) => events.some(({ t }) => t === 'open'));
    const events = part?.events ?? [];
    const key = events.find(({ t }) => t === 'open')?.key ?? '';
    const steps = exchange(RELAY_PRESENTER.arrows(events), { evidence: [key] });
    const shown = steps.filter(({ evidence }) => evidence).map(({ what }) => what.split(' ', 1)[0]);
    expect(shown).toEqual([
      expect.stringMatching(/^(SSE|WS)$/),
      expect.stringMatching(/^(200|101)$/),
      'closed',
    ]);
    expect(steps.some(({ what, evidence }) => what.startsWith('ready') && !evidence)).toBe(true);
  });
});

describe('--baseline', () => {
  const why = 'ticket 41';
  const failing = () => bad.report.rules.filter(({ verdict }) => verdict === 'fail').map(({ id }) => id);
  const against = async (...rules: string[]) =>
    makeReport(RELAY_PRESENTER, bad.trace, await judge(RELAY, bad.trace), {
      baseline: { failures: rules.map((rule) => ({ rule, why })) },
    }).report;

  it('only known failures: exit 0, and never "conformant"', async () => {
    const report = await against(...failing());
    expect(report).toMatchObject({
      outcome: 'as-baseline',
      exit_code: 0,
      baseline: { known: failing(), stale: [] },
    });
    const text = summary(report, false);
    expect(text).toContain('NOT CONFORMANT, as the baseline says');
    expect(text).toContain(why);
    expect(text).not.toMatch(/^CONFORMANT/m);
    expect(pageOf(report)).toContain('NOT CONFORMANT, as the baseline says');
    const xml = parse(junit(report));
    expect(all(xml, 'failure')).toEqual([]);
    expect(all(xml, 'skipped').filter(({ attributes }) => attributes['message']?.includes(why))).toHaveLength(
      failing().length,
    );
  });

  it('a failure that is not in the baseline: exit 1', async () => {
    const [known = '', ...rest] = failing();
    expect(rest.length).toBeGreaterThan(0);
    expect(await against(known)).toMatchObject({
      outcome: 'violation',
      exit_code: 1,
      baseline: { known: [known] },
    });
  });

  it('a rule that was not tested is neither a known failure nor stale', async () => {
    expect(await against(...failing(), 'ROOM-1')).toMatchObject({
      exit_code: 0,
      baseline: { stale: [], not_tested: ['ROOM-1'] },
    });
  });

  it('reports with and without a baseline match the schema', async () => {
    const check = Compile(Report);
    expect(check.Check(await against(...failing()))).toBe(true);
    expect(check.Check(bad.report)).toBe(true);
  });

  it.each([
    ['{', /JSON/],
    ['["MSG-14"]', /the file must be object/],
    ['{"failures":[{"rule":"MSG-14"}]}', /failures\/0 .*why/],
    ['{"failures":[{"rule":"MSG-14","why":""}]}', /failures\/0\/why/],
    ['{"failures":[],"more":1}', /more is not a known field/],
    ['{"failures":[{"rule":"MSG-999","why":"x"}]}', /there is no rule MSG-999/],
    ['{"failures":[{"rule":"MSG-14","why":"x"},{"rule":"MSG-14","why":"y"}]}', /MSG-14 is listed twice/],
  ])('%s is refused', (text, message) => {
    expect(() => parseBaseline(text)).toThrow(message);
  });

  it('on the command line: a bad file is exit 2, a stale rule exit 1, a known failure exit 0', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'bot2bot-baseline-'));
    const file = (name: string, value: unknown) => {
      writeFileSync(join(folder, name), JSON.stringify(value));
      return join(folder, name);
    };
    const known = file('known.json', { failures: [{ rule: 'MSG-14', why }] });
    const bent = file('bent.json', { failures: [{ rule: 'MSG-14' }] });
    const sound = `exec node ${join(import.meta.dirname, '../../reference-server/bin/bot2bot-relay.mjs')} --port {port}`;
    const run = (cmd: string, baseline: string, only = 'MSG-14') =>
      suite('server', '--cmd', cmd, '--only', only, '--seed', '5', '--baseline', baseline);
    const wrong = await run(sound, bent);
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('failures/0')]);
    expect((await run(sound, join(folder, 'none.json'))).code).toBe(2);
    const stale = await run(sound, known);
    expect([stale.code, stale.out]).toEqual([
      1,
      expect.stringContaining('MSG-14 passes, yet is in the baseline'),
    ]);
    expect(stale.out).toContain('STALE BASELINE');
    const apart = await run(sound, known, 'CORE-7');
    expect([apart.code, apart.out]).toEqual([0, expect.stringMatching(/^1 rule checked, no verdict/m)]);
    const tolerated = await run(mutant, known, 'MSG-14/repeat');
    expect([tolerated.code, tolerated.out]).toEqual([0, expect.stringContaining('as the baseline says')]);
    expect(tolerated.out).toContain(join(tolerated.folder, 'report.html'));
    for (const name of ['report.html', 'junit.xml'])
      parse(readFileSync(join(tolerated.folder, name), 'utf8'));
  });
});

it('for a relay that --cmd started, every command in the report shows --cmd, but not its value', async () => {
  const secret = 'token-9f2c';
  const ran = await suite(
    'server',
    '--cmd',
    `SECRET=${secret} ${mutant}`,
    '--only',
    'MSG-14/repeat',
    '--seed',
    '5',
  );
  expect(ran.code).toBe(1);
  const kept = Object.fromEntries(
    ['report.html', 'report.json', 'junit.xml', 'repro/MSG-14.sh'].map((name) => [
      name,
      readFileSync(join(ran.folder, name), 'utf8'),
    ]),
  );
  for (const text of [ran.out, ran.err, ...Object.values(kept)]) expect(text).not.toContain(secret);
  const page = parse(kept['report.html'] ?? '');
  const [next] = all(page, 'section');
  const commands = all(next ?? page, 'code').map(textOf);
  expect(commands).toContain('bot2bot-conformance replay cases/MSG-14.json --cmd "COMMAND"');
  expect(commands).toContain('bot2bot-conformance server --cmd "COMMAND" --only MSG-14');
  expect(commands).toContain('sh repro/MSG-14.sh URL');
  expect(ran.out).toContain(`sh ${ran.folder}/repro/MSG-14.sh URL`);
  expect(textOf(next ?? page)).toContain('COMMAND is what starts the target');
  const script = spawnSync('sh', [join(ran.folder, 'repro/MSG-14.sh')], { encoding: 'utf8' });
  expect([script.status, script.stderr]).toEqual([2, expect.stringContaining('Start the relay')]);
});

it('writeReport writes all formats', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bot2bot-report-'));
  writeReport(folder, bad);
  expect(readFileSync(join(folder, 'report.html'), 'utf8')).toBe(html(bad));
  expect(readFileSync(join(folder, 'junit.xml'), 'utf8')).toBe(junit(bad.report));
  expect(JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'))).toEqual(bad.report);
});
