import { Type, type TSchema } from 'typebox';
import { MessageId, RoomId } from '../scalars.ts';
import { AGENT_ROUTES } from './agents.ts';
import { CLAIM_ROUTES } from './claims.ts';
import { META_ROUTES } from './meta.ts';
import { ROOM_ROUTES } from './rooms.ts';

export type { Route } from './route.ts';

/** Every operation of the protocol, by its id. The OpenAPI document keeps this order. */
export const ROUTES = { ...ROOM_ROUTES, ...CLAIM_ROUTES, ...AGENT_ROUTES, ...META_ROUTES };

export type OperationId = keyof typeof ROUTES;

/** @see ROOM-1 ID-6 DM-5 */
export const PATH_PARAMS = {
  room: RoomId,
  handle: Type.String({ description: 'A handle; a leading @ and upper case are tolerated.' }),
  id: MessageId,
} as const satisfies Record<string, TSchema>;

/** The path of an operation with its parameters filled in, in order. The values are not escaped. */
export function pathOf(operation: OperationId, ...values: readonly string[]): string {
  const left = [...values];
  return ROUTES[operation].path.replaceAll(/\{\w+\}/g, () => left.shift() ?? '');
}

/** The parameters of a path, in order. */
export function paramsOf(path: string): (keyof typeof PATH_PARAMS)[] {
  const names = Object.keys(PATH_PARAMS) as (keyof typeof PATH_PARAMS)[];
  return [...path.matchAll(/\{(\w+)\}/g)].flatMap(([, name]) => names.filter((known) => known === name));
}
