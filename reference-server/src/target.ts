import { ROUTES, type Route } from '@bot2bot/schemas';

/** Of a target in absolute form (RFC 9112 §3.2.2), what stands in front of its path. */
const ORIGIN = /^https?:\/\/[^/?#]*/i;

/** A request's target as path and query: clients of proxies send it with the origin in front. */
export function originForm(target: string): string {
  if (target.startsWith('/')) return target;
  const rest = target.replace(ORIGIN, '');
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** The query of a target, as sent. */
export function queryOf(target: string): URLSearchParams {
  const at = target.indexOf('?');
  return new URLSearchParams(at < 0 ? '' : target.slice(at + 1));
}

/**
 * The segments of a target's path, each decoded; a slash at the end counts for nothing.
 * @returns null when one cannot be decoded.
 */
function segmentsOf(target: string): string[] | null {
  const [path = ''] = originForm(target).split('?', 1);
  const segments = path.split('/');
  if (segments.length > 2 && segments.at(-1) === '') segments.pop();
  if (!path.includes('%')) return segments;
  try {
    return segments.map(decodeURIComponent);
  } catch {
    return null;
  }
}

/** The values of a path's parameters; null when the path is another. */
function match(pattern: readonly string[], segments: readonly string[]): string[] | null {
  if (pattern.length !== segments.length) return null;
  const values: string[] = [];
  for (const [i, part] of pattern.entries()) {
    const segment = segments[i] ?? '';
    if (part.startsWith('{')) values.push(segment);
    else if (part !== segment) return null;
  }
  return values;
}

const STREAMS = (['streamEvents', 'openSocket'] as const).map((operation) => ({
  operation,
  pattern: ROUTES[operation].path.split('/'),
}));

/** The stream that a target names, and its room. */
export function streamAt(target: string): { operation: 'streamEvents' | 'openSocket'; room: string } | null {
  const segments = segmentsOf(target);
  if (segments === null) return null;
  for (const { operation, pattern } of STREAMS) {
    const room = match(pattern, segments)?.[0];
    if (room !== undefined) return { operation, room };
  }
  return null;
}

/** The operation table by path, for those who come with another method. */
const METHODS = Object.values<Route>(ROUTES).map(({ method, path }) => ({
  method,
  pattern: path.split('/'),
}));

/** The methods that a path is served with; none for one that is not served. */
export function methodsAt(target: string): string[] {
  const segments = segmentsOf(target) ?? [];
  const methods = METHODS.filter(({ pattern }) => match(pattern, segments) !== null).map(
    ({ method }) => method as string,
  );
  if (methods.length === 0) return [];
  return [...new Set([...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'])];
}
