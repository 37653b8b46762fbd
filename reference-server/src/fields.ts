/**
 * Fields of a body, checked against a schema at a cost that its text bounds.
 * Only the fields that the schema names are looked at; `null` is as good as absent; of a list that is too long so
 * much is kept that it is still too long.
 */
import { COMPONENTS } from '@bot2bot/schemas';
import { Type, type Static, type TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { RequestProblem } from './problem.ts';

/** What becomes of a field's value before it is checked, at any depth; undefined drops the field. */
export type Adapt = Readonly<Record<string, (value: unknown) => unknown>>;

type Pick = (value: unknown) => unknown;

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A schema, with what it refers to in its place. */
function resolved(schema: TSchema): TSchema {
  const name = '$ref' in schema ? schema.$ref : undefined;
  return typeof name === 'string' ? (COMPONENTS[name] ?? schema) : schema;
}

/** How to take from a value what its schema names; null where that is the value itself. */
function pickOf(schema: TSchema, adapt: Adapt): Pick | null {
  if (Type.IsArray(schema)) {
    const { maxItems: most } = schema as { maxItems?: number };
    if (most === undefined) return null;
    return (value) => (Array.isArray(value) && value.length > most ? value.slice(0, most + 1) : value);
  }
  if (!Type.IsObject(schema)) return null;
  const fields = Object.entries(schema.properties).map(([name, field]) => ({
    name,
    change: adapt[name],
    pick: pickOf(resolved(field), adapt),
  }));
  return (value) => {
    if (!isRecord(value)) return value;
    const picked: Record<string, unknown> = {};
    for (const { name, change, pick } of fields) {
      if (!Object.hasOwn(value, name)) continue;
      let field = value[name];
      if (field === null) continue;
      if (change !== undefined) field = change(field);
      if (field !== undefined) picked[name] = pick === null ? field : pick(field);
    }
    return picked;
  };
}

/**
 * @returns a check that gives the fields that the schema names, in the form that `adapt` gives them.
 * It throws {RequestProblem} bad-request, naming the field, never repeating its value.
 */
export function checker<T extends TSchema>(schema: T, adapt: Adapt = {}): (value: unknown) => Static<T> {
  const compiled = Compile(COMPONENTS as Record<string, TSchema>, schema);
  const pick = pickOf(schema, adapt);
  return (value) => {
    const picked = pick === null ? value : pick(value);
    if (compiled.Check(picked)) return picked as Static<T>;
    const [error] = compiled.Errors(picked);
    const where = error === undefined || error.instancePath === '' ? 'the body' : error.instancePath.slice(1);
    throw new RequestProblem('bad-request', { detail: `${where} ${error?.message ?? 'is not valid'}` });
  };
}
