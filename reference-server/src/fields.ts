/**
 * The fields of a body, checked one after the other against a schema. The first that is wrong ends it, only those
 * that the schema names are looked at, and lists are counted before their items are: a body costs no more to check
 * than its text costs to read. `null` is as good as absent.
 */
import { COMPONENTS } from '@bot2bot/schemas';
import { Type, type Static, type TArray, type TObject, type TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { RequestProblem } from './problem.ts';

/** What becomes of a field's value before it is checked, at any depth; undefined drops the field. */
export type Adapt = Readonly<Record<string, (value: unknown) => unknown>>;

/** @returns the value, checked. @param where its path, for the problem of one that is wrong. */
type Take = (value: unknown, where: string) => unknown;

/** Of a longer text it is not told what is wrong with it: to find out costs as much again. */
const EXPLAINED_CHARS = 1_024;

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Names the field, and never repeats its value. */
function fault(where: string, what: string): RequestProblem {
  return new RequestProblem('bad-request', { detail: `${where === '' ? 'the body' : where} ${what}` });
}

function takeFields(schema: TObject, adapt: Adapt): Take {
  const required: ReadonlySet<string> = new Set(schema.required);
  const fields = Object.entries(schema.properties).map(([name, field]) => ({
    name,
    isRequired: required.has(name),
    change: adapt[name],
    take: takerOf(field, adapt),
  }));
  return (value, where) => {
    if (!isRecord(value)) throw fault(where, 'must be object');
    const taken: Record<string, unknown> = {};
    for (const { name, isRequired, change, take } of fields) {
      const given = Object.hasOwn(value, name) ? (value[name] ?? undefined) : undefined;
      const field = given === undefined || change === undefined ? given : change(given);
      const path = where === '' ? name : `${where}/${name}`;
      if (field !== undefined) taken[name] = take(field, path);
      else if (isRequired) throw fault(path, 'is missing');
    }
    return taken;
  };
}

function takeItems(schema: TArray, adapt: Adapt): Take {
  const { maxItems: most = Infinity } = schema as { maxItems?: number };
  const take = takerOf(schema.items, adapt);
  return (value, where) => {
    if (!Array.isArray(value)) throw fault(where, 'must be array');
    if (value.length > most) throw fault(where, `must not have more than ${most} items`);
    return value.map((item, index) => take(item, `${where}/${index}`));
  };
}

function takerOf(schema: TSchema, adapt: Adapt): Take {
  const name = '$ref' in schema ? schema.$ref : undefined;
  const meant = typeof name === 'string' ? (COMPONENTS[name] ?? schema) : schema;
  if (Type.IsObject(meant)) return takeFields(meant, adapt);
  if (Type.IsArray(meant)) return takeItems(meant, adapt);
  const compiled = Compile(meant);
  return (value, where) => {
    const isLong = typeof value === 'string' && value.length > EXPLAINED_CHARS;
    if (compiled.Check(value)) return value;
    const [error] = isLong ? [] : compiled.Errors(value);
    throw fault(where, error?.message ?? 'is not valid');
  };
}

/**
 * @returns a check that gives the fields that the schema names, in the form that `adapt` gives them.
 * It throws {RequestProblem} bad-request, for the first field that is wrong.
 */
export function checker<T extends TSchema>(schema: T, adapt: Adapt = {}): (value: unknown) => Static<T> {
  const take = takerOf(schema, adapt);
  return (value) => take(value, '') as Static<T>;
}
