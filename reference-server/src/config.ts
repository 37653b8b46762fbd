import { parseArgs } from 'node:util';
import {
  DEFAULT_LIMITS,
  DEFAULT_TIMINGS,
  LIMITS,
  TIMINGS,
  type Bound,
  type Limits,
  type Timings,
} from '@bot2bot/schemas';
import { addressesBehind } from './address.ts';
import { publicUrl } from './public-url.ts';

/** What this relay bounds besides the limits of the specification, and declares with them. */
const OWN_LIMITS = {
  address_share: own(8, 'parts', 'of a table (connections, rooms, ...) of which an address may take one'),
  cache_bytes: own(256 << 20, 'bytes', 'of messages encoded for streams, beside relay_bytes'),
  answer_bytes: own(16 << 20, 'bytes', 'of large requests and answers under way, for one address'),
} as const satisfies Record<string, Bound>;

function own(value: number, unit: string, about: string): Bound {
  return { default: value, min: 1, max: Number.MAX_SAFE_INTEGER, unit, about, profile: 'rooms' };
}

export type RelayLimits = Limits & Readonly<Record<keyof typeof OWN_LIMITS, number>>;
const ALL_LIMITS = { ...LIMITS, ...OWN_LIMITS };

export interface Config {
  readonly host: string;
  readonly port: number;
  readonly logLevel: string;
  /** Whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
  /**
   * The base URLs under which clients reach the relay, without a slash at the end; the first is the one to name. Empty:
   * what a request's `Host` says.
   */
  readonly publicUrls: readonly string[];
  /** Where Prometheus finds the metrics; null: nowhere. */
  readonly metricsPort: number | null;
  /** Where identities and profiles survive a restart; null: nowhere. */
  readonly dataDir: string | null;
  /** Whether to go on with what can be read of a damaged data folder. */
  readonly acceptDamage: boolean;
  readonly limits: RelayLimits;
  readonly timings: Timings;
}

/** The command line cannot be used as it is; the message says what to do. */
export class UsageError extends Error {}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'silent'];
type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;
const textOf = (values: Values, flag: string) => {
  const value = values[flag];
  return typeof value === 'string' ? value : undefined;
};
/** What a flag that may be given several times lists, by commas too. */
const listOf = (values: Values, flag: string) =>
  [values[flag] ?? []].flat().flatMap((value) =>
    String(value)
      .split(',')
      .filter((part) => part !== ''),
  );
const flagOf = (name: string) => name.replaceAll('_', '-');

export const DEFAULT_CONFIG: Config = {
  host: '127.0.0.1',
  port: 3000,
  logLevel: 'warn',
  trustedProxies: [],
  publicUrls: [],
  metricsPort: null,
  dataDir: null,
  acceptDamage: false,
  limits: { ...DEFAULT_LIMITS, ...numbers(OWN_LIMITS, {}) },
  timings: DEFAULT_TIMINGS,
};

function numbers<K extends string>(table: Readonly<Record<K, Bound>>, given: Values): Record<K, number> {
  const entries = Object.entries<Bound>(table).map(([name, bound]) => {
    const text = textOf(given, flagOf(name));
    return [name, text === undefined ? bound.default : positive(flagOf(name), text)];
  });
  return Object.fromEntries(entries) as Record<K, number>;
}

function portOf(flag: string, text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw new UsageError(`--${flag} takes a number from 0 to 65535, not '${text}'`);
  return Number(text);
}

function publicUrlOf(text: string): string {
  try {
    return publicUrl(text);
  } catch {
    throw new UsageError(`--public-url takes an http or https URL without query or fragment, not '${text}'`);
  }
}

function positive(flag: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new UsageError(`--${flag} takes a whole number from 1, not '${text}'`);
  return value;
}

/**
 * Read the command line and the environment (`PORT`, `HOST`).
 * @returns the word when help or the version was asked for.
 * @throws {UsageError}
 */
export function readConfig(args: readonly string[], env: NodeJS.ProcessEnv): Config | 'help' | 'version' {
  const names = [...Object.keys(ALL_LIMITS), ...Object.keys(TIMINGS)];
  let values: Values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        ...Object.fromEntries(names.map((name) => [flagOf(name), { type: 'string' } as const])),
        host: { type: 'string' },
        port: { type: 'string' },
        'log-level': { type: 'string' },
        'trusted-proxies': { type: 'string' },
        'public-url': { type: 'string', multiple: true },
        'metrics-port': { type: 'string' },
        'data-dir': { type: 'string' },
        'accept-damage': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean' },
      },
    }));
  } catch (error) {
    // The first line says what is wrong; those that may follow teach the parser's own ways around it.
    throw new UsageError(
      error instanceof Error ? error.message.split('\n', 1)[0] : 'the flags cannot be read',
    );
  }
  if (values['help'] === true) return 'help';
  if (values['version'] === true) return 'version';
  const port = portOf('port', textOf(values, 'port') ?? (env['PORT'] || String(DEFAULT_CONFIG.port)));
  const metrics = textOf(values, 'metrics-port');
  const metricsPort = metrics === undefined ? null : portOf('metrics-port', metrics);
  if (port !== 0 && metricsPort === port) throw new UsageError('--metrics-port and --port are the same');
  const trustedProxies = listOf(values, 'trusted-proxies');
  try {
    addressesBehind(trustedProxies);
  } catch {
    throw new UsageError('--trusted-proxies takes addresses, networks or loopback, separated by commas');
  }
  const dataDir = textOf(values, 'data-dir') ?? null;
  if (dataDir === '') throw new UsageError('--data-dir takes the path of a folder');
  const publicUrls = listOf(values, 'public-url').map(publicUrlOf);
  const logLevel = textOf(values, 'log-level') ?? DEFAULT_CONFIG.logLevel;
  if (!LOG_LEVELS.includes(logLevel)) throw new UsageError(`--log-level is one of ${LOG_LEVELS.join(', ')}`);
  const timings: Timings = numbers(TIMINGS, values);
  if (timings.ttl_min_ms > timings.ttl_max_ms) throw new UsageError('--ttl-min-ms is above --ttl-max-ms');
  if (timings.lease_min_ms > timings.lease_max_ms)
    throw new UsageError('--lease-min-ms is above --lease-max-ms');
  if (timings.claim_ttl_min_ms > timings.claim_ttl_max_ms)
    throw new UsageError('--claim-ttl-min-ms is above --claim-ttl-max-ms');
  if (timings.profile_min_ms > timings.profile_max_ms)
    throw new UsageError('--profile-min-ms is above --profile-max-ms');
  if (timings.wait_min_ms > timings.wait_max_ms) throw new UsageError('--wait-min-ms is above --wait-max-ms');
  return {
    host: textOf(values, 'host') || env['HOST'] || DEFAULT_CONFIG.host,
    port,
    logLevel,
    trustedProxies,
    publicUrls,
    metricsPort,
    dataDir,
    acceptDamage: values['accept-damage'] === true,
    limits: numbers(ALL_LIMITS, values),
    timings,
  };
}

function rows(table: Readonly<Record<string, Bound>>): string {
  return Object.entries(table)
    .map(([name, b]) => `  --${flagOf(name).padEnd(20)} ${b.about} (${b.unit}; ${b.default})`)
    .join('\n');
}

export const HELP = `bot2bot-relay: forwards end-to-end encrypted rooms, and knows no key

Usage: bot2bot-relay [flags]

Examples:
  bot2bot-relay                                  on http://127.0.0.1:3000
  bot2bot-relay --host 0.0.0.0 --port 8080       for other machines
  PORT=8080 bot2bot-relay --room-burst 1000      with another limit
  bot2bot-relay --data-dir /var/lib/bot2bot      handles outlive the process
  bot2bot-relay --trusted-proxies loopback --public-url https://example.org/relay
                                                 behind a proxy, under a path

  --host                 address to listen on (${DEFAULT_CONFIG.host}; or HOST)
  --port                 port, 0 for any free one (${DEFAULT_CONFIG.port}; or PORT)
  --log-level            ${LOG_LEVELS.join(', ')} (${DEFAULT_CONFIG.logLevel}; to stderr)
  --trusted-proxies      whose X-Forwarded-For is believed, such as loopback,10.0.0.0/8 (none)
  --public-url           base URL under which clients reach the relay; several by commas or by repeating it (the
                         Host of each request)
  --metrics-port         Prometheus metrics on 127.0.0.1 at /metrics, 0 for any free port (none)
  --data-dir             folder in which identities and profiles, nothing else, survive a restart (none)
  --accept-damage        start with what can be read of a damaged --data-dir; handles that are lost are free for anyone
  --help, --version

Limits:
${rows(ALL_LIMITS)}

Timings:
${rows(TIMINGS)}

A relay whose limits or timings lie outside the ranges of the specification
works, but is not certified.
`;
