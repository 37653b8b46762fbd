import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import SwaggerParser from '@apidevtools/swagger-parser';
import openapiTS, { astToString } from 'openapi-typescript';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { describe, expect, it } from 'vitest';
import { COMPONENTS, openapiDocument, queryNumber, ROUTES, standalone } from '../src/index.ts';

const path = join(import.meta.dirname, '../../spec/generated/openapi.json');

describe('the OpenAPI document', () => {
  it('is what the schemas generate', () => {
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(openapiDocument());
  });

  it('loads in swagger-parser, with every reference resolved', async () => {
    const api = (await SwaggerParser.validate(path)) as { openapi: string; paths: Record<string, unknown> };
    expect(api.openapi).toBe('3.1.1');
    expect(Object.keys(api.paths).sort()).toEqual(
      [...new Set(Object.values(ROUTES).map((route) => route.path))].sort(),
    );
  });

  it('loads in openapi-typescript', async () => {
    const types = astToString(await openapiTS(new URL(`file://${path}`)));
    for (const operation of Object.keys(ROUTES)) expect(types).toContain(operation);
  });

  it('has an example for every body and reply, and each satisfies its schema', () => {
    for (const [name, schema] of Object.entries(COMPONENTS)) {
      const [example] = (schema as { examples?: unknown[] }).examples ?? [];
      const compiled = Compile(COMPONENTS as Record<string, TSchema>, schema);
      expect({ name, ok: compiled.Check(example) }).toEqual({ name, ok: true });
    }
  });

  it('has self-contained JSON Schemas', () => {
    for (const name of Object.keys(COMPONENTS)) {
      const text = JSON.stringify(standalone(name));
      for (const [, target = ''] of text.matchAll(/"\$ref":"([^"]+)"/g)) {
        expect(standalone(name)['$defs']).toHaveProperty([target.replace('#/$defs/', '')]);
      }
    }
  });
});

describe('CORE-6: numbers in a query are clamped, never refused', () => {
  it.each([
    [undefined, 100],
    ['', 100],
    ['abc', 100],
    ['7', 7],
    ['7.9', 7],
    ['0', 1],
    ['-5', 1],
    ['501', 500],
    ['1e999', 500],
  ])('%s is %d', (text, expected) => {
    expect(queryNumber(text, { min: 1, max: 500, fallback: 100 })).toBe(expected);
  });
});
