/** Parses the command line. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { PROFILES, type Level } from '@bot2bot/schemas';
import { parseBaseline, type Baseline } from '../report/baseline.ts';

export const NAME = 'bot2bot-conformance';

/** Default number of random programs in a run. */
export const DEFAULT_RUNS = 24;

export const HELP = `${NAME}: certify an implementation of Bot2Bot

Usage:
  ${NAME} server --url URL | --cmd "COMMAND"   certify a relay
  ${NAME} judge TRACE                          judge a saved trace again
  ${NAME} replay CASE --url URL | --cmd "…"    run a failing case again (cases/*.json of a report)
  ${NAME} list                                 list every rule with its checks
  ${NAME} explain RULE                         show a rule, its checks, its mutants, and an example

Examples:
  ${NAME} server --url http://127.0.0.1:3000
  ${NAME} server --cmd "node my-relay.js --port {port}" --report report
  ${NAME} server --url https://relay.example --only MSG-14 --seed 7
  ${NAME} judge bot2bot-report/trace.ndjson

Flags:
  --url URL        base URL of a running relay
  --cmd COMMAND    start the relay with this command; {port} and the variable PORT contain a free port
  --level LEVEL    judge at level compat or hardened, instead of the declared one
  --profile NAME   fail if the relay does not serve this profile (${PROFILES.join(', ')})
  --only LIST      only these rules (MSG-4), chapters (MSG) or checks (MSG-4/at-the-limit), comma-separated
  --seed N         seed of the random programs (random)
  --runs N         number of random programs (${DEFAULT_RUNS})
  --cert           also run checks that take minutes or flood the relay; not for a relay that others use
  --report DIR     folder for report.html, report.json, junit.xml, trace.ndjson, repro/ and cases/ (bot2bot-report)
  --baseline FILE  known failures, {"failures":[{"rule":"MSG-14","why":"…"}]}: they do not fail the run;
                   one that passes is stale and fails it
  --strict         warnings count as failures, and a lab run gives no verdict
  --help, --version

Exit: 0 conformant, or only failures of the baseline, or nothing broken with --only;
1 a rule is broken, or the baseline is stale; 2 invalid command line, or no check matches; 3 incomplete;
4 the relay is unreachable; 5 the suite itself failed
`;

/** An invalid command line. */
export class UsageError extends Error {}

export interface Flags {
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

export function read(
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

/** Whether to colour output to this stream: a terminal, without NO_COLOR. */
export const colour = (stream: NodeJS.WriteStream) =>
  stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === '';
