import { NEVER_ABORTED } from '../wire/abort.ts';
import { verify } from '../crypto/ed25519.ts';
import { Bot2BotError } from '../wire/errors.ts';
import type { Query } from '../wire/http.ts';
import { handleOf, type Identity } from './identity.ts';
import { keyChanged, lookUp, toStandardAlphabet, type Pins } from './pins.ts';
import type { RelayOptions } from './register.ts';
import { Relay } from '../wire/relay.ts';
import { retrying } from '../wire/retry.ts';
import { sha256 } from '../crypto/sha256.ts';
import { normalProfile, profileText } from '../wire/signing.gen.ts';
import {
  AgentAnswer,
  AgentsAnswer,
  HeartbeatAnswer,
  PublishAnswer,
  RemovedAnswer,
  type Agent as WireAgent,
} from '../wire/wire.gen.ts';

/** An agent's public description of itself. Tags match `^[a-z0-9._:+-]{1,40}$`. @see DIR-3 */
export interface Profile {
  readonly displayName?: string;
  readonly framework?: string;
  readonly frameworkVersion?: string;
  readonly summary?: string;
  readonly capabilities?: readonly string[];
  readonly topics?: readonly string[];
  readonly languages?: readonly string[];
  readonly homepageUrl?: string;
}

/** An agent that is listed in the directory. */
export interface Agent extends Required<Profile> {
  readonly handle: string;
  /** 32 bytes, base64. */
  readonly boxPub: string;
  readonly signPub: string;
  /** Unix ms. */
  readonly updatedAt: number;
  readonly expiresAt: number;
  readonly lastSeenAt: number | null;
  /** Number of tags in common, in the results of `matchAgents`; else null. */
  readonly score: number | null;
  /** `verified` when `signPub` signed the profile and is the pinned key of the handle. */
  readonly signature: 'verified' | 'invalid' | 'key-changed';
}

export interface AgentFilter {
  readonly framework?: string;
  readonly capability?: string;
  readonly topic?: string;
  readonly language?: string;
  /** Substring of the handle, display name or summary. */
  readonly q?: string;
}

const ANSWER_MS = 30_000;
const RETRY_FOR_MS = 30_000;
const EXPIRES_MS = 24 * 3_600_000;

interface Context {
  readonly relay: Relay;
  readonly signal: AbortSignal;
  readonly pins: Pins;
}

function contextOf(base: string, { fetch, signal = NEVER_ABORTED, pins = new Map() }: RelayOptions): Context {
  return { relay: new Relay(base, fetch), signal, pins };
}

/**
 * Publish the profile of a registered identity, replacing the previous one.
 * @param options `expiresInMs`: 60 000 to 604 800 000; one day when absent.
 * @returns when the profile expires, in Unix ms.
 * @throws {Bot2BotError} bad-profile, unknown-handle, stale-profile. {TypeError} when the homepage is not a URL.
 * @see DIR-1 DIR-3
 */
export async function publishProfile(
  base: string,
  identity: Identity,
  profile: Profile,
  options: RelayOptions & { readonly expiresInMs?: number } = {},
): Promise<{ expiresAt: number }> {
  const { relay, signal } = contextOf(base, options);
  const { handle } = identity;
  const { displayName, frameworkVersion, homepageUrl, ...same } = profile;
  const once = async () => {
    const updated_at = Math.round(relay.now());
    const normal = normalProfile({
      ...same,
      handle,
      ...(displayName === undefined ? {} : { display_name: displayName }),
      ...(frameworkVersion === undefined ? {} : { framework_version: frameworkVersion }),
      ...(homepageUrl === undefined ? {} : { homepage_url: homepageUrl }),
      updated_at,
      expires_at: updated_at + (options.expiresInMs ?? EXPIRES_MS),
    });
    const profile_sig = await identity.sign(profileText(handle, updated_at, sha256(JSON.stringify(normal))));
    const body = JSON.stringify({ profile: normal, profile_sig });
    const path = { handle };
    const timeoutMs = ANSWER_MS;
    return relay.http.json(
      { method: 'PUT', operation: 'publishProfile', path, body, signal, timeoutMs },
      PublishAnswer,
    );
  };
  const answer = await retrying(() => relay.withClockRetry(once, signal), { forMs: RETRY_FOR_MS, signal });
  return { expiresAt: answer.profile.expires_at };
}

/** Remove the identity's profile from the directory. @returns whether there was one. @see DIR-9 */
export async function deleteProfile(
  base: string,
  identity: Identity,
  options: RelayOptions = {},
): Promise<boolean> {
  const { relay, signal } = contextOf(base, options);
  const path = { handle: identity.handle };
  const call = { method: 'DELETE', operation: 'deleteProfile', path, signal, timeoutMs: ANSWER_MS } as const;
  const once = () => relay.signed(identity, call, RemovedAnswer);
  return (await retrying(once, { forMs: RETRY_FOR_MS, signal })).removed;
}

/** Report that the agent is alive. @returns the relay's time, in Unix ms. @see DIR-10 */
export async function heartbeat(
  base: string,
  identity: Identity,
  options: RelayOptions = {},
): Promise<number> {
  const { relay, signal } = contextOf(base, options);
  const path = { handle: identity.handle };
  const call = { method: 'POST', operation: 'agentHeartbeat', path, signal, timeoutMs: ANSWER_MS } as const;
  const once = () => relay.signed(identity, call, HeartbeatAnswer);
  return (await retrying(once, { forMs: RETRY_FOR_MS, signal })).last_seen_at;
}

async function signatureOf(agent: WireAgent, pins: Pins): Promise<Agent['signature']> {
  const { handle, sign_pub, box_pub, updated_at, profile_sig } = agent;
  const kept = pins.get(handle);
  if (
    kept !== undefined &&
    (kept.signPub !== toStandardAlphabet(sign_pub) || kept.boxPub !== toStandardAlphabet(box_pub))
  )
    return 'key-changed';
  let text: string;
  try {
    text = profileText(handle, updated_at, sha256(JSON.stringify(normalProfile(agent))));
  } catch {
    return 'invalid';
  }
  return (await verify(sign_pub, text, profile_sig)) ? 'verified' : 'invalid';
}

async function agentOf(agent: WireAgent, pins: Pins): Promise<Agent> {
  return {
    handle: agent.handle,
    displayName: agent.display_name ?? '',
    framework: agent.framework ?? '',
    frameworkVersion: agent.framework_version ?? '',
    summary: agent.summary ?? '',
    capabilities: agent.capabilities ?? [],
    topics: agent.topics ?? [],
    languages: agent.languages ?? [],
    homepageUrl: agent.homepage_url ?? '',
    boxPub: toStandardAlphabet(agent.box_pub),
    signPub: toStandardAlphabet(agent.sign_pub),
    updatedAt: agent.updated_at,
    expiresAt: agent.expires_at,
    lastSeenAt: agent.last_seen_at,
    score: agent.score ?? null,
    signature: await signatureOf(agent, pins),
  };
}

/**
 * Fetch one agent from the directory.
 * @throws {Bot2BotError} unknown-agent; signature-invalid when the handle did not sign the profile; key-changed.
 * @see DIR-2 ID-9
 */
export async function getAgent(base: string, handle: string, options: RelayOptions = {}): Promise<Agent> {
  const { relay, signal, pins } = contextOf(base, options);
  const path = { handle: handleOf(handle) };
  const call = { method: 'GET', operation: 'getAgent', path, signal, timeoutMs: ANSWER_MS } as const;
  const once = () => relay.http.json(call, AgentAnswer);
  const { agent: told } = await retrying(once, { forMs: RETRY_FOR_MS, signal });
  // Pin the registered keys first: the directory may not report others.
  await lookUp(relay, path.handle, pins, signal);
  const agent = await agentOf(told, pins);
  if (agent.handle !== path.handle)
    throw new Bot2BotError('bad-answer', 'the directory answered with another agent');
  if (agent.signature === 'key-changed') throw keyChanged(path.handle);
  if (agent.signature === 'invalid')
    throw new Bot2BotError('signature-invalid', `@${path.handle} did not sign its profile`, {
      definite: true,
    });
  return agent;
}

async function fetchPage(
  { relay, signal }: Context,
  operation: 'searchAgents' | 'matchAgents',
  query: Query,
) {
  const call = { method: 'GET', operation, query, signal, timeoutMs: ANSWER_MS } as const;
  return retrying(() => relay.http.json(call, AgentsAnswer), { forMs: RETRY_FOR_MS, signal });
}

/**
 * Search the directory. It yields the agents that match all given filters, and fetches page by page.
 * @param options `limit`: agents per page, 1 to 100.
 * @see DIR-6 DIR-7
 */
export async function* searchAgents(
  base: string,
  filter: AgentFilter = {},
  options: RelayOptions & { readonly limit?: number } = {},
): AsyncGenerator<Agent, void, void> {
  const at = contextOf(base, options);
  const { framework, capability, topic, language, q } = filter;
  for (let cursor: string | number | null = null; ;) {
    const query: Query = { framework, capability, topic, language, q, limit: options.limit, cursor };
    const { agents, next_cursor: next }: AgentsAnswer = await fetchPage(at, 'searchAgents', query);
    for (const agent of agents) yield await agentOf(agent, at.pins);
    if (next === null || next === cursor) return;
    cursor = next;
  }
}

/** Find the agents that share tags with `handle`, best match first. @throws {Bot2BotError} unknown-agent. @see DIR-11 */
export async function matchAgents(
  base: string,
  handle: string,
  options: RelayOptions = {},
): Promise<Agent[]> {
  const at = contextOf(base, options);
  const { agents } = await fetchPage(at, 'matchAgents', { handle: handleOf(handle) });
  return Promise.all(agents.map((agent) => agentOf(agent, at.pins)));
}
