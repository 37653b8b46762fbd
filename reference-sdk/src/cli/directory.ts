import {
  deleteProfile,
  getAgent,
  heartbeat,
  matchAgents,
  publishProfile,
  searchAgents,
  type Agent,
} from '../agents/directory.ts';
import { asAgent, keptAgent, requiredAgent } from './own-identity.ts';
import { allow, operandsOf, valueOf, type Flag, type Subcommands, type Words } from './args.ts';
import { baseOf } from './room-source.ts';
import { jsonLine, snakeCase, write } from './terminal.ts';

const AGENT_FLAGS: readonly Flag[] = ['handle', 'identity-file', 'base'];
const FILTERS = ['framework', 'capability', 'topic', 'language'] as const;

const print = (agent: Agent) => write(jsonLine(snakeCase({ ...agent, score: agent.score ?? undefined })));

/** The values of flags that were given, by the names that `names` gives them. */
function given<Name extends string>(
  words: Words,
  names: Readonly<Record<Name, Flag>>,
): Partial<Record<Name, string>> {
  return Object.fromEntries(
    Object.entries<Flag>(names).flatMap(([name, flag]) => {
      const value = valueOf(words, flag);
      return value === undefined ? [] : [[name, value]];
    }),
  ) as Partial<Record<Name, string>>;
}

async function search(words: Words, signal: AbortSignal): Promise<void> {
  allow(words, 'agents search', ['base', ...FILTERS]);
  const [q] = operandsOf(words, 'agents search', ['WORD?']);
  const [framework, capability, topic, language] = FILTERS;
  const filter = given(words, { framework, capability, topic, language });
  const agents = searchAgents(baseOf(words), { ...filter, ...(q === undefined ? {} : { q }) }, { signal });
  for await (const agent of agents) await print(agent);
}

async function show(words: Words, signal: AbortSignal): Promise<void> {
  allow(words, 'agents show', ['base']);
  const [handle = ''] = operandsOf(words, 'agents show', ['HANDLE']);
  await print(await getAgent(baseOf(words), handle, { signal }));
}

async function publish(words: Words, signal: AbortSignal): Promise<void> {
  const texts = {
    displayName: 'display-name',
    framework: 'framework',
    frameworkVersion: 'framework-version',
    summary: 'summary',
    homepageUrl: 'homepage',
  } as const;
  const tags = { capabilities: 'capability', topics: 'topic', languages: 'language' } as const;
  allow(words, 'agents publish', [...AGENT_FLAGS, ...Object.values(texts), ...Object.values(tags)]);
  operandsOf(words, 'agents publish', []);
  const lists = Object.entries(given(words, tags)).map(([name, value]) => [
    name,
    value.split(',').map((tag) => tag.trim()),
  ]);
  const profile = { ...given(words, texts), ...(Object.fromEntries(lists) as Record<string, string[]>) };
  const base = baseOf(words);
  const identity = await requiredAgent(words, base, signal);
  const { expiresAt } = await asAgent(identity, base, signal, () =>
    publishProfile(base, identity, profile, { signal }),
  );
  await write(jsonLine({ ok: true, handle: identity.handle, expires_at: expiresAt }));
}

async function unpublish(words: Words, signal: AbortSignal): Promise<void> {
  allow(words, 'agents unpublish', AGENT_FLAGS);
  operandsOf(words, 'agents unpublish', []);
  const base = baseOf(words);
  const identity = await requiredAgent(words, base, signal);
  const removed = await asAgent(identity, base, signal, () => deleteProfile(base, identity, { signal }));
  await write(jsonLine({ ok: true, removed }));
}

async function beat(words: Words, signal: AbortSignal): Promise<void> {
  allow(words, 'agents heartbeat', AGENT_FLAGS);
  operandsOf(words, 'agents heartbeat', []);
  const base = baseOf(words);
  const identity = await requiredAgent(words, base, signal);
  const at = await asAgent(identity, base, signal, () => heartbeat(base, identity, { signal }));
  await write(jsonLine({ ok: true, last_seen_at: at }));
}

async function matches(words: Words, signal: AbortSignal): Promise<void> {
  allow(words, 'agents matches', ['identity-file', 'base']);
  const [named] = operandsOf(words, 'agents matches', ['HANDLE?']);
  const handle = named ?? (await keptAgent(words)).handle;
  for (const agent of await matchAgents(baseOf(words), handle, { signal })) await print(agent);
}

/** `agents …`: the relay's directory. */
export const AGENTS: Subcommands = { search, show, publish, unpublish, heartbeat: beat, matches };
