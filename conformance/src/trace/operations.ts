/** What a request of a relay's trace was for. */
import { ROUTES, type OperationId } from '@bot2bot/schemas';

const PATHS = (Object.keys(ROUTES) as OperationId[]).map((operation) => {
  const { method, path } = ROUTES[operation];
  return {
    operation,
    method,
    pattern: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]*')}$`),
  };
});
/** `/api/agents/matches` is no handle: paths without parameters come first. */
PATHS.sort((a, b) => Number(a.pattern.source.includes('[^/]*')) - Number(b.pattern.source.includes('[^/]*')));

/** The operation that a request was for, if the table has it. */
export function operationOf(method: string, path: string): OperationId | null {
  const plain = path.split('?', 1)[0] ?? '';
  return PATHS.find((known) => known.method === method && known.pattern.test(plain))?.operation ?? null;
}

/** The room id in a path, percent-encoded as it was sent. */
export const roomOf = (path: string): string | null => /^\/api\/rooms\/([^/?]*)\//.exec(path)?.[1] ?? null;

export const queryOf = (path: string): URLSearchParams => new URLSearchParams(path.split('?')[1] ?? '');
