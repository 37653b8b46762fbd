import { Type, type TSchema } from 'typebox';
import * as agents from './agents.ts';
import * as claims from './claims.ts';
import * as envelopes from './envelopes.ts';

export type Component = TSchema & { $id: string };

function isComponent(value: unknown): value is Component {
  return Type.IsSchema(value) && '$id' in value && typeof value.$id === 'string';
}

/** Every component, by the name under which others refer to it. */
export const COMPONENTS: Readonly<Record<string, Component>> = Object.fromEntries(
  [envelopes, claims, agents]
    .flatMap((chapter) => Object.values(chapter))
    .filter(isComponent)
    .map((schema) => [schema.$id, schema]),
);
