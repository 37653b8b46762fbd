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
export type Conversions = Readonly<Record<string, (value: unknown) => unknown>>;

/** Checks a value. @param where its path, for the error message. @returns the converted value. @throws bad-request. */
type Validate = (value: unknown, where: string) => unknown;

/** For a longer text, the error does not say what is invalid: finding out would take as long as the check again. */
const EXPLAINED_CHARS = 1_024;

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The problem names the field but never repeats its value. */
function invalid(where: string, what: string): RequestProblem {
  return new RequestProblem('bad-request', { detail: `${where === '' ? 'the body' : where} ${what}` });
}

function fieldsValidator(schema: TObject, conversions: Conversions): Validate {
  const required: ReadonlySet<string> = new Set(schema.required);
  const fields = Object.entries(schema.properties).map(([name, field]) => ({
    name,
    isRequired: required.has(name),
    convert: conversions[name],
    validate: validatorOf(field, conversions),
  }));
  return (value, where) => {
    if (!isRecord(value)) throw invalid(where, 'must be object');
    const result: Record<string, unknown> = {};
    for (const { name, isRequired, convert, validate } of fields) {
      const given = Object.hasOwn(value, name) ? (value[name] ?? undefined) : undefined;
      const field = given === undefined || convert === undefined ? given : convert(given);
      const path = where === '' ? name : `${where}/${name}`;
      if (field !== undefined) result[name] = validate(field, path);
      else if (isRequired) throw invalid(path, 'is missing');
    }
    return result;
  };
}

function itemsValidator(schema: TArray, conversions: Conversions): Validate {
  const { maxItems: most = Infinity } = schema as { maxItems?: number };
  const validate = validatorOf(schema.items, conversions);
  return (value, where) => {
    if (!Array.isArray(value)) throw invalid(where, 'must be array');
    if (value.length > most) throw invalid(where, `must not have more than ${most} items`);
    return value.map((item, index) => validate(item, `${where}/${index}`));
  };
}

function validatorOf(schema: TSchema, conversions: Conversions): Validate {
  const name = '$ref' in schema ? schema.$ref : undefined;
  const resolved = typeof name === 'string' ? (COMPONENTS[name] ?? schema) : schema;
  if (Type.IsObject(resolved)) return fieldsValidator(resolved, conversions);
  if (Type.IsArray(resolved)) return itemsValidator(resolved, conversions);
  const compiled = Compile(resolved);
  return (value, where) => {
    const isLong = typeof value === 'string' && value.length > EXPLAINED_CHARS;
    if (compiled.Check(value)) return value;
    const [error] = isLong ? [] : compiled.Errors(value);
    throw invalid(where, error?.message ?? 'is not valid');
  };
}

/**
 * @returns a function that validates a value and returns the fields that the schema names, converted by `adapt`. It
 * throws {RequestProblem} bad-request for the first invalid field.
 */
export function checker<T extends TSchema>(
  schema: T,
  conversions: Conversions = {},
): (value: unknown) => Static<T> {
  const validate = validatorOf(schema, conversions);
  return (value) => validate(value, '') as Static<T>;
}
