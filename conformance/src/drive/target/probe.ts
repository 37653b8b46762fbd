/** Determines the facts about a relay: its level, profiles, limits and timings. */
import { randomBytes } from 'node:crypto';
import {
  AUTH_SCHEME,
  COMPAT_LIMITS,
  DEFAULT_TIMINGS,
  DEFAULT_LIMITS,
  LIMITS,
  pathOf,
  PROTOCOL,
  requestText,
  TIMINGS,
  type Bound,
  type Level,
  type Profile,
} from '@bot2bot/schemas';
import { identityOf, registrationOf } from '../../script/keys.ts';
import { Interrupted, Unreachable } from '../../script/steps.ts';
import { Value } from '../../trace/value.ts';
import type { RelayFacts } from '../../trace/records.ts';
import { Wire, type Answer } from '../wire.ts';

const PROBE_MS = 5_000;
const PROBE_TRIES = 3;

function numbers<K extends string>(
  declared: Value,
  defaults: Readonly<Record<K, number>>,
): Record<K, number> {
  const entries = Object.entries<number>(defaults).map(([name, value]) => {
    const given = declared.get(name).number;
    return [name, Number.isFinite(given) && given > 0 ? given : value];
  });
  return Object.fromEntries(entries) as Record<K, number>;
}

/** Probe each profile with one request. 404, 405 or 501 means that the profile is not served. */
async function served(wire: Wire, signal: AbortSignal): Promise<string[]> {
  const me = identityOf(`t${randomBytes(12).toString('hex')}`, randomBytes(32), randomBytes(32));
  const { handle, boxPub } = me;
  const [ts, n] = [Date.now(), randomBytes(18).toString('base64url')];
  const sealed = { ciphertext: 'AAAA', nonce: randomBytes(24).toString('base64') };
  const claim = `${pathOf('claimMessage', 'probe-by-suite')}?timeout=1`;
  const probes: readonly (readonly [Profile, string, string, unknown, string?])[] = [
    ['rooms', 'GET', pathOf('readTranscript', 'probe-by-suite'), undefined],
    ['identity', 'POST', pathOf('registerIdentity'), registrationOf(me)],
    [
      'claims',
      'POST',
      claim,
      { handle },
      `${AUTH_SCHEME} ts=${ts},n=${n},sig=${me.sign(requestText('POST', claim, ts, n))}`,
    ],
    ['dm', 'POST', pathOf('sendDm', handle), { ...sealed, sender_eph_pub: boxPub }],
    ['directory', 'GET', pathOf('searchAgents'), undefined],
  ];
  const found: string[] = [];
  for (const [profile, method, path, body, authorization] of probes) {
    const request = {
      method,
      path,
      headers: {
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(authorization === undefined ? {} : { Authorization: authorization }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      timeoutMs: PROBE_MS,
    };
    const { status } = await wire.http(request, signal);
    if (![404, 405, 501].includes(status)) found.push(profile);
  }
  return found;
}

function outsideOf(
  table: Readonly<Record<string, Bound>>,
  values: Readonly<Record<string, number>>,
  profiles: readonly string[],
): string[] {
  return Object.entries(table).flatMap(([name, { min, max, profile }]) => {
    const value = values[name] ?? NaN;
    return !profiles.includes(profile) || (value >= min && value <= max) ? [] : [`${name} = ${value}`];
  });
}

/** Refuse redirects: following one would judge another relay than the given one. @throws {Unreachable} */
function refuseRedirect(url: string, { status, resHeaders }: Answer): void {
  if (status < 300 || status >= 400 || status === 304) return;
  const place = resHeaders['location'] ?? '';
  const to = place !== '' && URL.canParse(place, url) ? new URL(place, url) : null;
  // Query and fragment are left out: they may contain secrets.
  const where = to === null ? 'elsewhere' : `to ${to.origin}${to.pathname}`;
  throw new Unreachable(`${new URL(url).origin} redirects ${where}: give the URL of the relay itself`);
}

/**
 * Ask the target what it is.
 * @param level judge at this level whatever it says.
 * @throws {Unreachable}
 */
export async function probe(
  url: string,
  level: Level | undefined,
  signal: AbortSignal = new AbortController().signal,
): Promise<RelayFacts> {
  const wire = new Wire(url);
  try {
    return await ask(wire, level, signal);
  } finally {
    wire.close();
  }
}

async function ask(wire: Wire, level: Level | undefined, signal: AbortSignal): Promise<RelayFacts> {
  const { url } = wire;
  const get = (operation: 'discovery' | 'health') =>
    wire.http({ method: 'GET', path: pathOf(operation), timeoutMs: PROBE_MS }, signal);
  let answer = await get('discovery');
  for (let tries = 1; answer.error === 'NO_ANSWER' && tries < PROBE_TRIES; tries++)
    answer = await get('discovery');
  refuseRedirect(url, answer);
  if (answer.status !== 200) {
    const health = await get('health');
    if (signal.aborted) throw new Interrupted('ended before the relay had said what it is');
    refuseRedirect(url, health);
    if (answer.status === 0 && health.status === 0 && health.error !== 'ECONNRESET')
      throw new Unreachable(`${new URL(url).origin} does not answer (${health.error ?? ''})`);
  }
  const json = Value.parse(answer.resBody);
  const declared = answer.status === 200 && json.get('protocol').raw === PROTOCOL;
  const told = declared ? json.get('profiles').items.map((item) => item.string) : [];
  // Every relay serves rooms; a list without them is not used.
  const found = told.includes('rooms') ? told : await served(wire, signal);
  // The other agent profiles need identities: without them they do not count.
  const profiles = found.filter((profile) => profile === 'rooms' || found.includes('identity'));
  const said: Level = declared && json.get('level').raw === 'hardened' ? 'hardened' : 'compat';
  const limits = numbers(json.get('limits'), declared ? DEFAULT_LIMITS : COMPAT_LIMITS);
  const timings = numbers(json.get('timings'), DEFAULT_TIMINGS);
  const name = json.get('implementation').get('name').string;
  return {
    url: new URL(url).origin + new URL(url).pathname.replace(/\/$/, ''),
    level: level ?? said,
    declared,
    profiles,
    limits,
    timings,
    outside: [...outsideOf(LIMITS, limits, profiles), ...outsideOf(TIMINGS, timings, profiles)],
    implementation: name === '' ? null : { name, version: json.get('implementation').get('version').string },
  };
}
