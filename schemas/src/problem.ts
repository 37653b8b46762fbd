import { Type } from 'typebox';
import { component } from './scalars.ts';

const optional = Type.Optional;

/** RFC 9457, with the deployed wire's `error`. @see CORE-1 CORE-2 */
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
