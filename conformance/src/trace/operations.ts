/** Maps the requests of a relay's trace to operations. */
import { ROUTES, type OperationId } from '@bot2bot/schemas';

const PATHS = (Object.keys(ROUTES) as OperationId[]).map((operation) => {
  const { method, path } = ROUTES[operation];
  return {
    operation,
    method,
    pattern: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]*')}$`),
  };
});
/** Paths without parameters come first, so that `/api/agents/matches` is not taken for an agent's handle. */
PATHS.sort((a, b) => Number(a.pattern.source.includes('[^/]*')) - Number(b.pattern.source.includes('[^/]*')));

/** The operation of a request; null if it is not in the operation table. */
export function operationOf(method: string, path: string): OperationId | null {
  const plain = path.split('?', 1)[0] ?? '';
  return PATHS.find((known) => known.method === method && known.pattern.test(plain))?.operation ?? null;
}

/** The room id in a path, percent-encoded as it was sent. */
export const roomOf = (path: string): string | null => /^\/api\/rooms\/([^/?]*)\//.exec(path)?.[1] ?? null;

export const queryOf = (path: string): URLSearchParams => new URLSearchParams(path.split('?')[1] ?? '');
