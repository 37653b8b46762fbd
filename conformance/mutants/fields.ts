/** All fields of answers and frames, derived from the contract, and how a field is changed. */
import { COMPONENTS, LIMITS, ROUTES, TIMINGS, type OperationId, type Route } from '@bot2bot/schemas';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Alteration } from './proxy.ts';

/**
 * - `drop`: remove the field; of an array, its first element.
 * - `type`: replace the value by one of another JSON type.
 * - `other`: replace the value by another one that the schema allows. A time is moved by an hour.
 * - `stale`: replace the value by that of an earlier answer or frame of the same kind, or of the element before.
 */
const KINDS = ['drop', 'type', 'other', 'stale'] as const;
type Kind = (typeof KINDS)[number];

/** A field of an answer or frame. */
export interface Field {
  /** `probeRoom.participants`; with the component if an operation has several: `claimMessage.ClaimEmpty.cursor`. */
  readonly name: string;
  readonly operation: OperationId;
  readonly component: Schema;
  /** Property names; `[]` stands for the elements of an array, `{}` for the values of a record. */
  readonly path: readonly string[];
  readonly schema: Schema;
}

/** A change of one kind to a field, wherever it occurs. */
export interface Mutation {
  /** `probeRoom.participants drop`. */
  readonly name: string;
  readonly field: Field;
  readonly kind: Kind;
}

/** The keywords of a schema that are used here. */
interface Schema extends TSchema {
  readonly $id?: string;
  readonly $ref?: string;
  readonly type?: string;
  readonly const?: unknown;
  readonly pattern?: string;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
}

/** The values that a relay declares, by the record that has them: they are changed one by one. @see CORE-11 */
const DECLARED: Readonly<Record<string, readonly string[]>> = {
  limits: Object.keys(LIMITS),
  timings: Object.keys(TIMINGS),
};

/** Whether a field is a value that a relay declares. */
export function isDeclared({ operation, path }: Field): boolean {
  return operation === 'discovery' && path.length === 2 && DECLARED[path[0] ?? ''] !== undefined;
}

/** Path of an event's id, which is not part of its JSON. @see STREAM-8 */
const EVENT_ID = 'id';
const EventId: Schema = { $id: 'Event', type: 'string', pattern: '^[A-Za-z0-9_-]{8,32}:[0-9]+$' };

function resolved(schema: Schema): Schema {
  return schema.$ref === undefined ? schema : ((COMPONENTS[schema.$ref] ?? {}) as Schema);
}

function walk(
  given: Schema,
  path: readonly string[],
  visit: (path: readonly string[], schema: Schema) => void,
) {
  const schema = resolved(given);
  const into = (name: string, inner: Schema) => {
    visit([...path, name], resolved(inner));
    walk(inner, [...path, name], visit);
  };
  for (const [name, inner] of Object.entries(schema.properties ?? {})) into(name, inner);
  for (const inner of Object.values(schema.patternProperties ?? {}))
    for (const name of DECLARED[path.join('.')] ?? ['{}']) into(name, inner);
  if (schema.items !== undefined) into('[]', schema.items);
  for (const inner of schema.anyOf ?? []) walk(inner, path, visit);
}

/** All fields of successful answers and of frames. */
export function fieldsOf(routes: Readonly<Record<string, Route>> = ROUTES): Field[] {
  const fields: Field[] = [];
  for (const [id, { replies, answers }] of Object.entries(routes)) {
    const operation = id as OperationId;
    for (const component of replies as readonly Schema[]) {
      const prefix = replies.length > 1 ? `${operation}.${component.$id}` : operation;
      walk(component, [], (path, schema) => {
        const name = [prefix, ...path].join('.').replaceAll(/\.(\[\]|\{\})/g, '$1');
        fields.push({ name, operation, component, path, schema });
      });
    }
    if (answers === 'sse')
      fields.push({
        name: `${operation}.${EventId.$id}.${EVENT_ID}`,
        operation,
        component: EventId,
        path: [EVENT_ID],
        schema: EventId,
      });
  }
  return fields;
}

/** All mutations of these fields. */
export function mutationsOf(fields: readonly Field[]): Mutation[] {
  return fields.flatMap((field) => {
    const { name, schema } = field;
    const isObject = schema.properties !== undefined;
    // No `other` for objects, whose fields are changed one by one; no `stale` for what never changes.
    const isConstant = schema.const !== undefined || isDeclared(field);
    const kinds = KINDS.filter(
      (kind) => !(kind === 'other' && isObject) && !(kind === 'stale' && isConstant),
    );
    return kinds.map((kind): Mutation => ({ name: `${name} ${kind}`, field, kind }));
  });
}

type Json = unknown;
type Box = Record<string, Json>;

function isBox(value: Json): value is Box {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const checkers = new WeakMap<object, ReturnType<typeof Compile>>();

function allows(schema: Schema, value: Json): boolean {
  let compiled = checkers.get(schema);
  if (compiled === undefined)
    checkers.set(schema, (compiled = Compile(COMPONENTS as Record<string, TSchema>, schema)));
  return compiled.Check(value);
}

function ofAnotherType(value: Json): Json {
  if (typeof value === 'string') return 7;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return {};
  return value === null ? {} : 'text';
}

const LETTERS = 'ABab01';

/** A string with one character replaced, which still matches its schema. */
function anotherText(schema: Schema, value: string): string {
  for (let at = 0; at < value.length; at++) {
    for (const letter of LETTERS) {
      const candidate = value.slice(0, at) + letter + value.slice(at + 1);
      if (candidate !== value && allows(schema, candidate)) return candidate;
    }
  }
  return `${value}x`;
}

const HOUR_S = 3_600;

/** A time moved by an hour, in the unit of its name's suffix; a declared timing doubled, since checks wait for it; or the next number. */
function anotherNumber(schema: Schema, name: string, value: number): number {
  if (Object.hasOwn(TIMINGS, name)) return value * 2;
  if (/(^|_)seconds$/.test(name)) return value + HOUR_S;
  if (/(^|_)(ts|at|ms|ago)$/.test(name)) return value + HOUR_S * 1000;
  return allows(schema, value + 1) ? value + 1 : value - 1;
}

/** Another value that the schema allows; the same value if there is none. */
export function another(schema: Schema, name: string, value: Json): Json {
  if (typeof value === 'string') return anotherText(schema, value);
  if (typeof value === 'number') return anotherNumber(schema, name, value);
  if (typeof value === 'boolean') return !value;
  if (Array.isArray(value)) return value.slice(0, -1);
  if (value === null)
    return schema.anyOf?.some(({ type }) => type === 'string') === true
      ? 'someone'
      : Date.now() - HOUR_S * 1000;
  if (isBox(value)) return Object.fromEntries(Object.entries(value).slice(0, -1));
  return value;
}

const same = (a: Json, b: Json) => JSON.stringify(a) === JSON.stringify(b);

/** Applies one mutation to all answers and frames of a relay, in order. */
export class FieldAlteration implements Alteration {
  readonly #mutation: Mutation;
  /** The previous value, for `stale`. */
  #before: Json;
  /** Number of changed values. */
  count = 0;

  constructor(mutation: Mutation) {
    this.#mutation = mutation;
  }

  concerns(operation: OperationId | null, status: number): boolean {
    return this.#mutation.field.operation === operation && status < 300;
  }

  json(text: string): string {
    const { component, path } = this.#mutation.field;
    if (component === EventId) return text;
    const value = parsed(text);
    if (!isBox(value) || !allows(component, value)) return text;
    const before = this.count;
    this.#into(value, path);
    return this.count === before ? text : JSON.stringify(value);
  }

  eventId(id: string | undefined): string | undefined {
    if (this.#mutation.field.component !== EventId) return id;
    const event: Box = id === undefined ? {} : { id };
    this.#into(event, this.#mutation.field.path);
    const altered = event[EVENT_ID];
    if (altered === undefined) return undefined;
    return typeof altered === 'string' ? altered : JSON.stringify(altered);
  }

  #into(value: Json, [step = '', ...rest]: readonly string[]): void {
    const children: Json[] | Box | undefined =
      step === '[]' && Array.isArray(value) ? value : step !== '[]' && isBox(value) ? value : undefined;
    if (children === undefined) return;
    const keys = step === '[]' || step === '{}' ? Object.keys(children) : [step];
    if (rest.length > 0) {
      for (const key of keys) this.#into((children as Box)[key], rest);
      return;
    }
    if (this.#mutation.kind === 'drop' && Array.isArray(children)) {
      this.count += children.splice(0, 1).length;
      return;
    }
    for (const key of keys) this.#alter(children as Box, key);
  }

  #alter(parent: Box, key: string): void {
    const { kind, field } = this.#mutation;
    const present = Object.hasOwn(parent, key);
    const value = parent[key];
    if (kind === 'stale') {
      const before = this.#before;
      if (present) this.#before = value;
      if (before === undefined || same(before, value)) return;
      parent[key] = before;
    } else if (!present) {
      // A field that is `true` or absent: the other value of an absent one is `true`.
      if (kind !== 'other' || field.schema.const !== true) return;
      parent[key] = true;
    } else if (kind === 'drop') Reflect.deleteProperty(parent, key);
    else {
      const altered =
        kind === 'type' ? ofAnotherType(value) : another(field.schema, field.path.at(-1) ?? '', value);
      if (same(altered, value)) return;
      parent[key] = altered;
    }
    this.count++;
  }
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
