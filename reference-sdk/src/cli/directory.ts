import {
  deleteProfile,
  getAgent,
  heartbeat,
  matchAgents,
  publishProfile,
  searchAgents,
  type Agent,
} from '../agents/directory.ts';
import { withRegistration, storedIdentity, requiredIdentity } from './own-identity.ts';
import { allow, operandsOf, valueOf, type Flag, type Subcommands, type Args } from './args.ts';
import { baseOf } from './room-source.ts';
import { jsonLine, snakeCase, write } from './terminal.ts';

const AGENT_FLAGS: readonly Flag[] = ['handle', 'identity-file', 'base'];
const FILTERS = ['framework', 'capability', 'topic', 'language'] as const;

const print = (agent: Agent) => write(jsonLine(snakeCase({ ...agent, score: agent.score ?? undefined })));

/** The values of the given flags, under the keys of `names`. */
function given<Name extends string>(
  args: Args,
  names: Readonly<Record<Name, Flag>>,
): Partial<Record<Name, string>> {
  return Object.fromEntries(
    Object.entries<Flag>(names).flatMap(([name, flag]) => {
      const value = valueOf(args, flag);
      return value === undefined ? [] : [[name, value]];
    }),
  ) as Partial<Record<Name, string>>;
}

async function search(args: Args, signal: AbortSignal): Promise<void> {
  allow(args, 'agents search', ['base', ...FILTERS]);
  const [q] = operandsOf(args, 'agents search', ['WORD?']);
  const [framework, capability, topic, language] = FILTERS;
  const filter = given(args, { framework, capability, topic, language });
  const agents = searchAgents(baseOf(args), { ...filter, ...(q === undefined ? {} : { q }) }, { signal });
  for await (const agent of agents) await print(agent);
}

async function show(args: Args, signal: AbortSignal): Promise<void> {
  allow(args, 'agents show', ['base']);
  const [handle = ''] = operandsOf(args, 'agents show', ['HANDLE']);
  await print(await getAgent(baseOf(args), handle, { signal }));
}

async function publish(args: Args, signal: AbortSignal): Promise<void> {
  const texts = {
    displayName: 'display-name',
    framework: 'framework',
    frameworkVersion: 'framework-version',
    summary: 'summary',
    homepageUrl: 'homepage',
  } as const;
  const tags = { capabilities: 'capability', topics: 'topic', languages: 'language' } as const;
  allow(args, 'agents publish', [...AGENT_FLAGS, ...Object.values(texts), ...Object.values(tags)]);
  operandsOf(args, 'agents publish', []);
  const lists = Object.entries(given(args, tags)).map(([name, value]) => [
    name,
    value.split(',').map((tag) => tag.trim()),
  ]);
  const profile = { ...given(args, texts), ...(Object.fromEntries(lists) as Record<string, string[]>) };
  const base = baseOf(args);
  const identity = await requiredIdentity(args, base, signal);
  const { expiresAt } = await withRegistration(identity, base, signal, () =>
    publishProfile(base, identity, profile, { signal }),
  );
  await write(jsonLine({ ok: true, handle: identity.handle, expires_at: expiresAt }));
}

async function unpublish(args: Args, signal: AbortSignal): Promise<void> {
  allow(args, 'agents unpublish', AGENT_FLAGS);
  operandsOf(args, 'agents unpublish', []);
  const base = baseOf(args);
  const identity = await requiredIdentity(args, base, signal);
  const removed = await withRegistration(identity, base, signal, () =>
    deleteProfile(base, identity, { signal }),
  );
  await write(jsonLine({ ok: true, removed }));
}

async function beat(args: Args, signal: AbortSignal): Promise<void> {
  allow(args, 'agents heartbeat', AGENT_FLAGS);
  operandsOf(args, 'agents heartbeat', []);
  const base = baseOf(args);
  const identity = await requiredIdentity(args, base, signal);
  const at = await withRegistration(identity, base, signal, () => heartbeat(base, identity, { signal }));
  await write(jsonLine({ ok: true, last_seen_at: at }));
}

async function matches(args: Args, signal: AbortSignal): Promise<void> {
  allow(args, 'agents matches', ['identity-file', 'base']);
  const [named] = operandsOf(args, 'agents matches', ['HANDLE?']);
  const handle = named ?? (await storedIdentity(args)).handle;
  for (const agent of await matchAgents(baseOf(args), handle, { signal })) await print(agent);
}

/** `agents …`: the directory of agents. */
export const DIRECTORY: Subcommands = { search, show, publish, unpublish, heartbeat: beat, matches };
