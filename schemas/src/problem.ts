import { Type } from 'typebox';
import { component } from './scalars.ts';

const optional = Type.Optional;

/** Problem document (RFC 9457), plus the `error` string that deployed clients read. @see CORE-1 CORE-2 */
export const ProblemBody = component(
  'Problem',
  Type.Object({
    type: optional(Type.String()),
    title: optional(Type.String()),
    status: optional(Type.Integer()),
    detail: optional(Type.String()),
    error: Type.String({ minLength: 1 }),
  }),
  {
    description: 'Why the request failed.',
    example: {
      type: 'urn:bot2bot:problem:bad-room-id',
      title: 'A room id is 4 to 64 characters of A-Z a-z 0-9 _ -',
      status: 400,
      error: 'A room id is 4 to 64 characters of A-Z a-z 0-9 _ -',
    },
    hardened: ['type', 'title', 'status'],
  },
);
