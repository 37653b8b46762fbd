import { queryNumber, type Timings } from '@bot2bot/schemas';
import type { RouteGenericInterface } from 'fastify';
import { ROOM_HEADERS } from '../problem.ts';

export const JSON_TYPE = 'application/json; charset=utf-8';
/** Parked requests are answered by a path free of the framework, with the same headers as all others. */
export const PARKED_HEADERS = { ...ROOM_HEADERS, 'Content-Type': JSON_TYPE };

/** The router's form of a path of the operation table. */
export function fastifyPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}

export interface RoomRequest extends RouteGenericInterface {
  readonly Params: { readonly room: string };
  /** The text as it came; routes parse it. */
  readonly Body: string;
}

export interface HandleRequest extends RouteGenericInterface {
  readonly Params: { readonly handle: string };
  /** The text as it came; absent without one. */
  readonly Body: string;
}

/** How long a request wants to park, in ms. @see READ-3 CLAIM-9 DM-2 */
export function waitMs(query: URLSearchParams, timings: Timings): number {
  const [min, max, fallback] = [timings.wait_min_ms, timings.wait_max_ms, timings.wait_default_ms];
  return (
    queryNumber(query.get('timeout'), { min: min / 1000, max: max / 1000, fallback: fallback / 1000 }) * 1000
  );
}

/** The query of a request, as sent. */
export function queryOf(url: string): URLSearchParams {
  const at = url.indexOf('?');
  return new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
}
