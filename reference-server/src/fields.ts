/**
 * Validates a body against a schema, field by field. It stops at the first invalid field, ignores fields that the schema
 * does not name, and checks the length of a list before its items, so that validation costs no more than parsing the
 * JSON did. A field that is `null` counts as absent.
 */
import { COMPONENTS } from '@bot2bot/schemas';
import { Type, type Static, type TArray, type TObject, type TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { RequestProblem } from './problem.ts';

/** Conversions by field name, at any depth, applied before the check; the result undefined drops the field. */
export type Adapt = Readonly<Record<string, (value: unknown) => unknown>>;

/** Checks a value. @param where its path, for the error message. @returns the converted value. @throws bad-request. */
type Take = (value: unknown, where: string) => unknown;

/** For a longer text, the error does not say what is invalid: finding out would take as long as the check again. */
const EXPLAINED_CHARS = 1_024;

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The problem names the field but never repeats its value. */
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
 * @returns a function that validates a value and returns the fields that the schema names, converted by `adapt`. It
 * throws {RequestProblem} bad-request for the first invalid field.
 */
export function checker<T extends TSchema>(schema: T, adapt: Adapt = {}): (value: unknown) => Static<T> {
  const take = takerOf(schema, adapt);
  return (value) => take(value, '') as Static<T>;
}
