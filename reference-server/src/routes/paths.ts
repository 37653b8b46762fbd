import { queryNumber, type Timings } from '@bot2bot/schemas';
import type { RouteGenericInterface } from 'fastify';

/** Convert a path of the operation table (`{room}`) to Fastify's syntax (`:room`). */
export function fastifyPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}

export interface RoomRequest extends RouteGenericInterface {
  readonly Params: { readonly room: string };
  /** The raw bytes; routes parse them. */
  readonly Body: Buffer;
}

export interface HandleRequest extends RouteGenericInterface {
  readonly Params: { readonly handle: string };
  /** The raw bytes; undefined without a body. */
  readonly Body: Buffer | undefined;
}

/** How long a request may stay parked, in ms: its `timeout`, within the relay's bounds. @see READ-3 CLAIM-9 DM-2 */
export function waitMs(query: URLSearchParams, timings: Timings): number {
  const [min, max, fallback] = [timings.wait_min_ms, timings.wait_max_ms, timings.wait_default_ms];
  return (
    queryNumber(query.get('timeout'), { min: min / 1000, max: max / 1000, fallback: fallback / 1000 }) * 1000
  );
}
