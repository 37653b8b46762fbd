import { Type, type TSchema } from 'typebox';
import * as agents from './agents.ts';
import * as claims from './claims.ts';
import * as discovery from './discovery.ts';
import * as frames from './frames.ts';
import * as messages from './messages.ts';
import * as problem from './problem.ts';
import * as reads from './reads.ts';

export type Component = TSchema & { $id: string };

function isComponent(value: unknown): value is Component {
  return Type.IsSchema(value) && '$id' in value && typeof value.$id === 'string';
}

function byId(components: readonly Component[]): Component[] {
  return components.toSorted((a, b) => (a.$id < b.$id ? -1 : 1));
}

/** Every component, by its `$id`. */
export const COMPONENTS: Readonly<Record<string, Component>> = Object.fromEntries(
  [{ ...messages, ...frames, ...reads, ...discovery, ...problem }, claims, agents]
    .flatMap((part) => byId(Object.values(part).filter(isComponent)))
    .map((schema) => [schema.$id, schema]),
);
