import { createWriteStream, readFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs, styleText } from 'node:util';
import { PROFILES, REQUIREMENTS, type Level } from '@bot2bot/schemas';
import { parseBaseline, type Baseline } from '../report/baseline.ts';
import { asked, ruleOf } from '../checks/check.ts';
import { CHECKS } from '../checks/index.ts';
import { judge } from '../judge/verdict.ts';
import { KILLS } from '../report/kills.gen.ts';
import { PROGRAM_CHECK, type Program } from '../programs/program.ts';
import { EXIT, makeReport } from '../report/report.ts';
import { DEFAULT_RUNS, jobsOf, Runner, SUITE_VERSION, type Progress } from '../drive/runner.ts';
import { probe, startTarget, Unreachable, type RunningTarget } from '../drive/target/probe.ts';
import { summary } from '../report/terminal.ts';
import { parseTrace } from '../trace/records.ts';
import { writeReport } from '../report/write.ts';

const NAME = 'bot2bot-conformance';

const HELP = `${NAME}: certify an implementation of Bot2Bot

Usage:
  ${NAME} server --url URL | --cmd "COMMAND"   certify a relay
  ${NAME} judge TRACE                          judge a saved trace again
  ${NAME} replay CASE --url URL | --cmd "…"    run a failing case again (cases/*.json of a report)
  ${NAME} list                                 every rule, and what checks it
  ${NAME} explain RULE                         a rule's sentence and its checks

Examples:
  ${NAME} server --url http://127.0.0.1:3000
  ${NAME} server --cmd "node my-relay.js --port {port}" --report report
  ${NAME} server --url https://relay.example --only MSG-14 --seed 7
  ${NAME} judge bot2bot-report/trace.ndjson

Flags:
  --url URL        base URL of a relay that is running
  --cmd COMMAND    start the relay for the run; {port}, and PORT in its environment, are a free port
  --level LEVEL    judge at compat or hardened, whatever the relay declares
  --profile NAME   fail if the relay does not serve this profile (${PROFILES.join(', ')})
  --only WORDS     rules (MSG-4), chapters (MSG) or checks (MSG-4/at-the-limit), comma-separated
  --seed N         the same seed runs the same programs
  --runs N         random programs to run (${DEFAULT_RUNS})
  --cert           also what takes minutes or floods the relay; not for a relay that others use
  --report DIR     where report.html, report.json, junit.xml, trace.ndjson, repro/ and cases/ go (bot2bot-report)
  --baseline FILE  known failures, {"failures":[{"rule":"MSG-14","why":"…"}]}: they do not fail the run;
                   one that passes now is stale, and does
  --strict         warnings fail, and a lab run gives no verdict
  --help, --version

Exit: 0 conformant, or nothing broken but what the baseline says, 1 violation or stale baseline,
2 usage or nothing matched, 3 incomplete, 4 unreachable, 5 fault of the suite
`;

class UsageError extends Error {}

interface Flags {
  readonly url: string | undefined;
  readonly cmd: string | undefined;
  readonly level: Level | undefined;
  readonly profile: string | undefined;
  readonly only: readonly string[];
  readonly seed: number;
  readonly runs: number;
  readonly cert: boolean;
  readonly report: string;
  readonly baseline: Baseline | undefined;
  readonly strict: boolean;
}

function whole(flag: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`--${flag} takes a whole number, not '${text}'`);
  return Number(text);
}

function readBaseline(path: string): Baseline {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new UsageError(`cannot read the baseline ${path}`);
  }
  try {
    return parseBaseline(text);
  } catch (error) {
    throw new UsageError(`${path} is not a baseline: ${error instanceof Error ? error.message : ''}`);
  }
}

function read(
  args: readonly string[],
): { verb: string; operands: readonly string[]; flags: Flags } | 'help' | 'version' {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        url: { type: 'string' },
        cmd: { type: 'string' },
        level: { type: 'string' },
        profile: { type: 'string' },
        only: { type: 'string' },
        seed: { type: 'string' },
        runs: { type: 'string' },
        cert: { type: 'boolean' },
        report: { type: 'string' },
        baseline: { type: 'string' },
        strict: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'the flags cannot be read');
  }
  const { values, positionals } = parsed;
  if (values.help === true) return 'help';
  if (values.version === true) return 'version';
  const [verb = '', ...operands] = positionals;
  const { level, profile, url } = values;
  if (level !== undefined && level !== 'compat' && level !== 'hardened')
    throw new UsageError(`--level is compat or hardened, not '${level}'`);
  if (profile !== undefined && !PROFILES.some((known) => known === profile))
    throw new UsageError(`--profile is one of ${PROFILES.join(', ')}`);
  if (url !== undefined && !/^https?:\/\//.test(url))
    throw new UsageError(`--url takes a URL with http or https`);
  if (url !== undefined && !URL.canParse(url)) throw new UsageError(`--url takes a URL with http or https`);
  return {
    verb,
    operands,
    flags: {
      url,
      cmd: values.cmd,
      level,
      profile,
      only: (values.only ?? '').split(',').filter((word) => word !== ''),
      seed: whole('seed', values.seed, Math.floor(Math.random() * 1e9)),
      runs: whole('runs', values.runs, DEFAULT_RUNS),
      cert: values.cert === true,
      report: values.report ?? 'bot2bot-report',
      baseline: values.baseline === undefined ? undefined : readBaseline(values.baseline),
      strict: values.strict === true,
    },
  };
}

const colour = (stream: NodeJS.WriteStream) =>
  stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === '';

/** One line that is drawn again and again on a terminal; plain lines elsewhere. */
function progressLine(): { show: (progress: Progress) => void; clear: () => void } {
  const { stderr } = process;
  let last = 0;
  let started = performance.now();
  return {
    show: ({ done, total, running, broken }) => {
      const now = performance.now();
      const seconds = Math.round((now - started) / 1000);
      if (stderr.isTTY) {
        const filled = Math.round((done / Math.max(1, total)) * 24);
        const bar = `${'█'.repeat(filled)}${'░'.repeat(24 - filled)}`;
        const state = broken.size === 0 ? '' : ` · broken: ${[...broken].slice(0, 4).join(' ')}`;
        const line = `${bar} ${done}/${total} · ${seconds} s${state} · ${running.at(-1) ?? ''}`;
        stderr.write(`\r\u001b[2K${line.slice(0, (stderr.columns ?? 80) - 1)}`);
      } else if (now - last > 10_000 || last === 0) {
        last = now;
        stderr.write(`${done} of ${total} cases, ${seconds} s\n`);
      }
    },
    clear: () => {
      started = 0;
      if (stderr.isTTY) stderr.write('\r\u001b[2K');
    },
  };
}

async function withTarget<T>(
  flags: Flags,
  signal: AbortSignal,
  use: (url: string) => Promise<T>,
): Promise<T> {
  if ((flags.url === undefined) === (flags.cmd === undefined))
    throw new UsageError('give one of --url and --cmd');
  let target: RunningTarget | null = null;
  try {
    if (flags.cmd !== undefined) target = await startTarget(flags.cmd, signal);
    return await use(flags.url ?? target?.url ?? '');
  } finally {
    await target?.stop();
  }
}

async function server(
  flags: Flags,
  signal: AbortSignal,
  program?: { name: string; program: Program },
): Promise<number> {
  return withTarget(flags, signal, async (url) => {
    const target = await probe(url, flags.level);
    if (flags.profile !== undefined && !target.profiles.includes(flags.profile)) {
      process.stderr.write(`${NAME}: the relay does not serve the profile ${flags.profile}\n`);
      return EXIT.violation;
    }
    if (!target.profiles.includes('rooms')) {
      process.stderr.write(`${NAME}: ${target.url} does not serve rooms: nothing here can be judged\n`);
      return EXIT.incomplete;
    }
    const options = {
      target,
      seed: flags.seed,
      runs: flags.runs,
      cert: flags.cert,
      only: flags.only,
      signal,
    };
    if (program === undefined && jobsOf(options).length === 0)
      throw new UsageError(`no check matches ${flags.only.join(',')}; see ${NAME} list`);
    mkdirSync(flags.report, { recursive: true });
    const file = createWriteStream(join(flags.report, 'trace.ndjson'));
    const line = progressLine();
    const runner = new Runner({
      ...options,
      ...(program === undefined ? {} : { given: program }),
      onRecord: (record) => file.write(`${JSON.stringify(record)}\n`),
      onProgress: line.show,
    });
    const trace = await runner.run();
    line.clear();
    await new Promise((resolve) => file.end(resolve));
    const { strict, baseline } = flags;
    const made = makeReport(trace, await judge(trace), { shrunk: runner.shrunk, strict, baseline });
    writeReport(flags.report, made);
    process.stdout.write(
      `${summary(made.report, colour(process.stdout))}\nReport: ${join(flags.report, 'report.html')}, with report.json and junit.xml beside it\n`,
    );
    if (signal.aborted) return EXIT.incomplete;
    return made.report.exit_code;
  });
}

async function judgeAgain(path: string | undefined, flags: Flags): Promise<number> {
  if (path === undefined) throw new UsageError('name the trace: judge bot2bot-report/trace.ndjson');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new UsageError(`cannot read ${path}`);
  }
  let trace;
  try {
    trace = parseTrace(text);
  } catch (error) {
    throw new UsageError(`${path} is not a trace: ${error instanceof Error ? error.message : ''}`);
  }
  const made = makeReport(trace, await judge(trace), { strict: flags.strict, baseline: flags.baseline });
  process.stdout.write(`${summary(made.report, colour(process.stdout))}\n`);
  return made.report.exit_code;
}

async function replay(path: string | undefined, flags: Flags, signal: AbortSignal): Promise<number> {
  if (path === undefined)
    throw new UsageError('name the case: replay bot2bot-report/cases/MSG-14.json --url …');
  let kept: { check?: unknown; seed?: unknown; program?: Program | null };
  try {
    kept = JSON.parse(readFileSync(path, 'utf8')) as typeof kept;
  } catch {
    throw new UsageError(`cannot read a case from ${path}`);
  }
  if (typeof kept.check !== 'string' || typeof kept.seed !== 'number')
    throw new UsageError(`${path} is not a case of a report`);
  const again = { ...flags, seed: kept.seed, only: [kept.check], cert: true };
  return server(
    again,
    signal,
    kept.check === PROGRAM_CHECK.id && kept.program ? { name: 'replay', program: kept.program } : undefined,
  );
}

function list(): number {
  const bold = (text: string) => (colour(process.stdout) ? styleText('bold', text) : text);
  for (const rule of REQUIREMENTS) {
    const checks = CHECKS.filter(
      (check) => ruleOf(check) === rule.id || check.also?.includes(rule.id) === true,
    ).map((check) => check.id);
    const how =
      rule.actor === 'client' ? 'a rule for clients' : checks.join(' ') || 'by the model and the oracle';
    process.stdout.write(`${bold(rule.id.padEnd(10))} ${rule.word} ${rule.level.padEnd(8)} ${how}\n`);
  }
  return EXIT.conformant;
}

function explain(id: string | undefined): number {
  const rule = REQUIREMENTS.find((known) => known.id === id?.toUpperCase());
  if (rule === undefined) throw new UsageError(`there is no rule ${id ?? ''}; see ${NAME} list`);
  const checks = CHECKS.filter(
    (check) => asked(ruleOf(check), [rule.id]) || check.also?.includes(rule.id) === true,
  );
  const lines = [
    `${rule.id} (${rule.actor}, ${rule.word}, ${rule.level}, since ${rule.since}; spec/${rule.chapter})`,
    '',
    `  ${rule.sentence}`,
    '',
    ...(checks.length === 0
      ? [
          rule.actor === 'client'
            ? 'A rule for clients.'
            : 'Judged on all traffic by the model or the oracle.',
        ]
      : checks.map((check) => `${check.id} (${check.lane}): ${check.title}`)),
    ...(KILLS[rule.id] ?? []).map((mutant) => `kills the mutant ${mutant}`),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  return EXIT.conformant;
}

async function main(): Promise<number> {
  const given = read(process.argv.slice(2));
  if (given === 'help' || given === 'version') {
    process.stdout.write(given === 'help' ? HELP : `${SUITE_VERSION}\n`);
    return EXIT.conformant;
  }
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
  const { verb, operands, flags } = given;
  switch (verb) {
    case 'server':
      return server(flags, stop.signal);
    case 'judge':
      return judgeAgain(operands[0], flags);
    case 'replay':
      return replay(operands[0], flags, stop.signal);
    case 'list':
      return list();
    case 'explain':
      return explain(operands[0]);
    default:
      throw new UsageError(verb === '' ? 'say what to do' : `there is no command '${verb}'`);
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof UsageError) {
    process.stderr.write(`${NAME}: ${error.message}; see ${NAME} --help\n`);
    process.exitCode = EXIT.usage;
  } else if (error instanceof Unreachable) {
    process.stderr.write(`${NAME}: ${error.message}\n`);
    process.exitCode = EXIT.unreachable;
  } else {
    process.stderr.write(
      `${NAME}: a fault of the suite itself: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exitCode = EXIT.fault;
  }
}
