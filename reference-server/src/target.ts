import { ROUTES, type Route } from '@bot2bot/schemas';

/** The origin of a request target in absolute form (RFC 9112 §3.2.2). */
const ORIGIN = /^https?:\/\/[^/?#]*/i;

/** Convert a request target to origin form (path and query); clients of proxies send it in absolute form. */
export function originForm(target: string): string {
  if (target.startsWith('/')) return target;
  const rest = target.replace(ORIGIN, '');
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** Parse the query of a target. */
export function queryOf(target: string): URLSearchParams {
  const at = target.indexOf('?');
  return new URLSearchParams(at < 0 ? '' : target.slice(at + 1));
}

/**
 * The percent-decoded segments of a target's path; a trailing slash is ignored.
 * @returns null when a segment cannot be decoded.
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

/** The values of a path's parameters, in order; null when the path does not match the pattern. */
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

/** The stream operation and the room that a target names; null when it is no stream. */
export function streamAt(target: string): { operation: 'streamEvents' | 'openSocket'; room: string } | null {
  const segments = segmentsOf(target);
  if (segments === null) return null;
  for (const { operation, pattern } of STREAMS) {
    const room = match(pattern, segments)?.[0];
    if (room !== undefined) return { operation, room };
  }
  return null;
}

/** Method and path of every operation, for the `Allow` header. */
const METHODS = Object.values<Route>(ROUTES).map(({ method, path }) => ({
  method,
  pattern: path.split('/'),
}));

/** The methods that a path supports; empty for an unknown path. */
export function methodsAt(target: string): string[] {
  const segments = segmentsOf(target) ?? [];
  const methods = METHODS.filter(({ pattern }) => match(pattern, segments) !== null).map(
    ({ method }) => method as string,
  );
  if (methods.length === 0) return [];
  return [...new Set([...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'])];
}
