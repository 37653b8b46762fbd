/** Handles for attacks: registered from the attacker's addresses, and used from them. */
import { pathOf, ROUTES } from '@bot2bot/schemas';
import { agentNamed, authorization, publication, registration, type TestAgent } from '../agent.ts';
import { each, type Context } from './attack.ts';
import type { Answer, Request } from './attacker.ts';

type Where = Pick<Request, 'from' | 'headers'>;

/** Register a handle. */
export function register(
  { attacker }: Pick<Context, 'attacker'>,
  agent: TestAgent,
  where: Where = {},
): Promise<Answer> {
  return attacker.ask({
    ...where,
    method: 'POST',
    path: ROUTES.registerIdentity.path,
    body: registration(agent),
  });
}

/** Publish its profile. */
export function publish(
  { attacker }: Pick<Context, 'attacker'>,
  agent: TestAgent,
  more: Parameters<typeof publication>[1],
  where: Where = {},
): Promise<Answer> {
  const path = pathOf('publishProfile', agent.handle);
  return attacker.ask({ ...where, method: 'PUT', path, body: publication(agent, more) });
}

/** Send a request that the handle signs. */
export function signed(
  { attacker }: Pick<Context, 'attacker'>,
  agent: TestAgent,
  { method = 'POST', path, body, ...where }: Omit<Request, 'headers'>,
): Promise<Answer> {
  const text = body === undefined ? '' : JSON.stringify(body);
  const headers = { Authorization: authorization(agent, method, path, text) };
  return attacker.ask({ ...where, method, path, headers, ...(body === undefined ? {} : { body: text }) });
}

let generation = 0;

/**
 * Register handles, and publish a profile for each when `published` is given.
 * @param published fields of the profiles: the same for all, or by index.
 * @returns the handles that the relay accepted.
 */
export async function registered(
  context: Pick<Context, 'attacker' | 'signal'>,
  name: string,
  count: number,
  more: {
    readonly published?: (index: number) => Parameters<typeof publication>[1];
    readonly from?: (index: number) => string;
  } = {},
): Promise<TestAgent[]> {
  const agents: TestAgent[] = [];
  const round = generation++;
  await each(
    count,
    8,
    async (index) => {
      const agent = agentNamed(`${name}-${round}-${index}`);
      const where = more.from === undefined ? {} : { from: more.from(index) };
      if ((await register(context, agent, where)).status >= 300) return;
      if (more.published !== undefined) {
        const { status } = await publish(context, agent, more.published(index), where);
        if (status !== ROUTES.publishProfile.status) return;
      }
      agents.push(agent);
    },
    context.signal,
  );
  return agents;
}
