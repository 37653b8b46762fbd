import { queryNumber, type Timings } from '@bot2bot/schemas';
import type { RouteGenericInterface } from 'fastify';

/** The router's form of a path of the operation table. */
export function fastifyPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}

export interface RoomRequest extends RouteGenericInterface {
  readonly Params: { readonly room: string };
  /** The bytes as they came; routes parse them. */
  readonly Body: Buffer;
}

export interface HandleRequest extends RouteGenericInterface {
  readonly Params: { readonly handle: string };
  /** The bytes as they came; absent without a body. */
  readonly Body: Buffer | undefined;
}

/** How long a request wants to park, in ms. @see READ-3 CLAIM-9 DM-2 */
export function waitMs(query: URLSearchParams, timings: Timings): number {
  const [min, max, fallback] = [timings.wait_min_ms, timings.wait_max_ms, timings.wait_default_ms];
  return (
    queryNumber(query.get('timeout'), { min: min / 1000, max: max / 1000, fallback: fallback / 1000 }) * 1000
  );
}
