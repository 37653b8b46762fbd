import type { RouteGenericInterface } from 'fastify';

/** The router's form of a path of the operation table. */
export function fastifyPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}

export interface RoomRequest extends RouteGenericInterface {
  readonly Params: { readonly room: string };
  /** The text as it came; routes parse it. */
  readonly Body: string;
}

/** The query of a request, as sent. */
export function queryOf(url: string): URLSearchParams {
  const at = url.indexOf('?');
  return new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
}
