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

/** Limits of this implementation beyond those of the specification; it declares them together. */
const OWN_LIMITS = {
  address_share: own(8, 'parts', 'one address may use 1/N of each table (connections, rooms, ...)'),
  cache_bytes: own(256 << 20, 'bytes', 'cached stream encodings of messages, beyond relay_bytes'),
  answer_bytes: own(16 << 20, 'bytes', 'large requests and answers in flight, for one address'),
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
  /** Addresses and networks of trusted proxies, whose `X-Forwarded-For` is used. */
  readonly trustedProxies: readonly string[];
  /**
   * The base URLs under which clients reach the relay, without a trailing slash. If empty, the relay uses the `Host` of
   * each request.
   */
  readonly publicUrls: readonly string[];
  /** Port of the Prometheus metrics on 127.0.0.1; null: no metrics are served. */
  readonly metricsPort: number | null;
  /** Folder in which identities and profiles are kept across restarts; null: they are kept in memory only. */
  readonly dataDir: string | null;
  /** Whether to start with the readable records of a damaged data folder. */
  readonly acceptDamage: boolean;
  readonly limits: RelayLimits;
  readonly timings: Timings;
}

/** Invalid command line or environment; the message says how to correct it. */
export class UsageError extends Error {}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'silent'];
type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;
const textOf = (values: Values, flag: string) => {
  const value = values[flag];
  return typeof value === 'string' ? value : undefined;
};
/** All values of a repeatable flag; each may be a comma-separated list. */
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
 * @returns 'help' or 'version' if that flag is given.
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
    // Only the first line: further lines suggest syntax of parseArgs that does not help here.
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

export const HELP = `bot2bot-relay: forwards messages of end-to-end encrypted rooms; it has no keys

Usage: bot2bot-relay [flags]

Examples:
  bot2bot-relay                                  listen on http://127.0.0.1:3000
  bot2bot-relay --host 0.0.0.0 --port 8080       accept connections from other machines
  PORT=8080 bot2bot-relay --room-burst 1000      change a limit
  bot2bot-relay --data-dir /var/lib/bot2bot      keep identities and profiles across restarts
  bot2bot-relay --trusted-proxies loopback --public-url https://example.org/relay
                                                 run behind a proxy, under a path

Flags (default in parentheses):
  --host                 address to listen on (${DEFAULT_CONFIG.host}; or HOST)
  --port                 port; 0 picks a free one (${DEFAULT_CONFIG.port}; or PORT)
  --log-level            ${LOG_LEVELS.join(', ')} (${DEFAULT_CONFIG.logLevel}); the log goes to stderr
  --trusted-proxies      proxies whose X-Forwarded-For is trusted, for example loopback,10.0.0.0/8 (none)
  --public-url           base URL under which clients reach the relay; repeat it or separate several by commas (the
                         Host header of each request)
  --metrics-port         serve Prometheus metrics at /metrics on this port of 127.0.0.1; 0 picks a free one (none)
  --data-dir             folder that keeps identities and profiles across restarts; messages are never stored (none)
  --accept-damage        start with the readable part of a damaged --data-dir; anyone can register the lost handles
  --help, --version

Limits:
${rows(ALL_LIMITS)}

Timings:
${rows(TIMINGS)}

A relay whose limits or timings are outside the ranges of the specification
runs, but does not pass certification.
`;
