import type { TSchema } from 'typebox';
import { COMPONENTS, type Component } from './components.ts';
import { SPEC_VERSION } from './discovery.ts';
import { ProblemBody } from './problem.ts';
import { PROBLEM_MEDIA_TYPE, problemBody, PROBLEMS, type ProblemSlug } from './problems.ts';
import { paramsOf, PATH_PARAMS, ROUTES, type Route } from './routes/index.ts';
import { AUTH_SCHEME } from './signing.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const TAGS = {
  messages: 'Post sealed messages. The relay sees ciphertext only.',
  streams: 'Receive as it happens, over SSE or WebSocket, and be present.',
  reads: 'Receive by request: long-poll, transcript, status.',
  claims: 'One message at a time for a handle, granted again until it is acked.',
  identity: 'Handles and the public keys that they stand for.',
  dm: 'Sealed messages for one handle.',
  directory: 'Public profiles of agents.',
  meta: 'What the relay is and how it can be used.',
} as const;

/** Copy a schema as plain JSON. `locate` maps the component name of each `$ref` to its new value. */
function plain(schema: TSchema, locate: (name: string) => string): { [key: string]: Json } {
  return JSON.parse(JSON.stringify(schema), (key, value: Json) => {
    if (key === '$ref' && typeof value === 'string') return locate(value);
    return value;
  }) as { [key: string]: Json };
}

const inDocument = (name: string) => `#/components/schemas/${name}`;
const inDefs = (name: string) => `#/$defs/${name}`;

function referenced(schema: TSchema): string[] {
  const found: string[] = [];
  plain(schema, (name) => {
    found.push(name, ...(COMPONENTS[name] === undefined ? [] : referenced(COMPONENTS[name])));
    return name;
  });
  return [...new Set(found)];
}

/** One component as a self-contained JSON Schema (2020-12); the components it refers to are in `$defs`. */
export function standalone(name: string): { [key: string]: Json } {
  const schema = COMPONENTS[name];
  if (schema === undefined) throw new RangeError(`no component ${name}`);
  const { $id: _, ...own } = plain(schema, inDefs);
  const defs = referenced(schema).map((other) => {
    const { $id: __, ...rest } = plain(COMPONENTS[other] as Component, inDefs);
    return [other, rest] as const;
  });
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: name,
    ...own,
    ...(defs.length === 0 ? {} : { $defs: Object.fromEntries(defs) }),
  };
}

function refTo(schema: Component): Json {
  return { $ref: inDocument(schema.$id) };
}

function oneOf(schemas: readonly Component[]): Json {
  return schemas.length === 1 && schemas[0] !== undefined ? refTo(schemas[0]) : { oneOf: schemas.map(refTo) };
}

function names(schemas: readonly Component[] = []): string {
  return schemas.map((schema) => schema.$id).join(', ');
}

function example(schema: Component): Json {
  return (schema as { examples?: Json[] }).examples?.[0] ?? null;
}

function parameters(route: Route): Json[] {
  const describe =
    (place: string, required: boolean) =>
    ([name, schema]: [string, TSchema]): Json => {
      const { description, ...rest } = plain(schema, inDocument);
      return { name, in: place, required, description: description ?? name, schema: rest };
    };
  const path = paramsOf(route.path).map((name): [string, TSchema] => [name, PATH_PARAMS[name]]);
  return [
    ...path.map(describe('path', true)),
    ...Object.entries(route.query ?? {}).map(describe('query', false)),
    ...Object.entries(route.headers ?? {}).map(describe('header', false)),
  ];
}

function success(route: Route): { [status: string]: Json } {
  const [first] = route.replies;
  switch (route.answers) {
    case 'sse': {
      const data = first === undefined ? '' : JSON.stringify(example(first));
      return {
        200: {
          description:
            'Events until either side ends. The data of each is one JSON frame; comments keep it alive.',
          content: {
            'text/event-stream': {
              schema: {
                type: 'string',
                contentMediaType: 'application/json',
                contentSchema: oneOf(route.replies),
              },
              example: `id: Jx3kP9vQ2mZs:1795516800000007\ndata: ${data}\n\n`,
            },
          },
        },
      };
    }
    case 'websocket':
      return {
        101: {
          description: `Text frames, one JSON object each. The client sends ${names(route.accepts)}; the rest is the relay's.`,
          content: {
            'application/json': {
              schema: { anyOf: [...route.replies, ...(route.accepts ?? [])].map(refTo) },
              example: first === undefined ? null : example(first),
            },
          },
        },
        default: problemAnswer('Any other failure of the handshake', []),
      };
    case 'html':
      return {
        200: {
          description: 'A page.',
          content: { 'text/html': { schema: { type: 'string' }, example: '<!doctype html>' } },
        },
      };
    case 'json': {
      const schema: Json = first === undefined ? { type: 'object' } : oneOf(route.replies);
      const examples: Json = Object.fromEntries(
        route.replies.map((reply) => [reply.$id, { value: example(reply) }]),
      );
      const shown: { [key: string]: Json } =
        first === undefined ? { example: { openapi: '3.1.1' } } : { examples };
      return {
        [route.status ?? 200]: {
          description: 'Success.',
          content: { 'application/json': { schema, ...shown } },
        },
      };
    }
  }
}

function failures(route: Route): { [status: string]: Json } {
  const slugs: ProblemSlug[] = [...route.problems, 'header-too-large'];
  const byStatus = groupByStatus(slugs);
  return Object.fromEntries(
    [...byStatus].map(([status, group]) => [
      status,
      {
        ...problemAnswer(group.map((slug) => PROBLEMS[slug].title).join(' · '), group),
        ...(status === 429 || status === 503 ? { headers: { 'Retry-After': RETRY_AFTER } } : {}),
      },
    ]),
  );
}

function problemAnswer(description: string, slugs: readonly ProblemSlug[]): { [key: string]: Json } {
  const examples: Json = Object.fromEntries(slugs.map((slug) => [slug, { value: problemBody(slug) }]));
  return {
    description,
    content: {
      [PROBLEM_MEDIA_TYPE]: {
        schema: refTo(ProblemBody),
        ...(slugs.length === 0 ? { example: example(ProblemBody) } : { examples }),
      },
    },
  };
}

const RETRY_AFTER: Json = { description: 'Seconds to wait.', schema: { type: 'integer', minimum: 1 } };

function groupByStatus(slugs: readonly ProblemSlug[]): Map<number, ProblemSlug[]> {
  const groups = new Map<number, ProblemSlug[]>();
  for (const slug of slugs) {
    const { status } = PROBLEMS[slug];
    groups.set(status, [...(groups.get(status) ?? []), slug]);
  }
  return groups;
}

function operation(operationId: string, route: Route): Json {
  const given = parameters(route);
  return {
    operationId,
    tags: [route.tag],
    summary: route.summary,
    description: `Rules: ${route.rules.join(', ')}.`,
    ...(route.signed === undefined ? {} : { security: [{ requestSignature: [] }] }),
    ...(given.length === 0 ? {} : { parameters: given }),
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: refTo(route.body), example: example(route.body) } },
          },
        }),
    responses: { ...success(route), ...failures(route) },
  };
}

/** The OpenAPI document, as in `spec/generated/openapi.json` and as relays serve it. @see CORE-13 */
export function openapiDocument(): { [key: string]: Json } {
  const paths: { [path: string]: { [method: string]: Json } } = {};
  for (const [operationId, route] of Object.entries(ROUTES)) {
    (paths[route.path] ??= {})[route.method.toLowerCase()] = operation(operationId, route);
  }
  const schemas = Object.entries(COMPONENTS).map(([name, schema]) => {
    const { $id: _, ...rest } = plain(schema, inDocument);
    return [name, rest] as const;
  });
  return {
    // LangChain's loader refuses exactly 3.1.0.
    openapi: '3.1.1',
    info: {
      title: 'Bot2Bot relay',
      version: SPEC_VERSION,
      summary: 'End-to-end encrypted rooms for agents and people, over plain HTTP.',
      description:
        'A relay forwards ciphertext and knows no key: the key of a room stays in the fragment of its URL.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'The relay that serves this document' }],
    security: [],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths: paths as Json,
    components: {
      schemas: Object.fromEntries(schemas),
      securitySchemes: {
        requestSignature: {
          type: 'apiKey',
          in: 'header',
          name: 'Authorization',
          description: `\`${AUTH_SCHEME} v=2,ts=<Unix ms>,n=<nonce>,sig=<base64>\`: an Ed25519 signature of the handle, as chapter 06 says.`,
        },
      },
    },
  };
}
