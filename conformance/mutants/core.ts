/** Chapter 00. */
import type { Mutant } from './mutant.ts';

/** What an HTTP library says by itself. */
const BARE = "'HTTP/1.1 400 Bad Request\\r\\nConnection: close\\r\\n\\r\\n'";

export const CORE_MUTANTS: readonly Mutant[] = [
  {
    id: 'CORE-2/parser',
    file: 'server.ts',
    from: 'clientErrorHandler: (error, socket) =>\n      connections.refuse(',
    to: `clientErrorHandler: (error, socket) =>\n      error.code !== 'none' ? void socket.end(${BARE}) : connections.refuse(`,
  },
  {
    id: 'CORE-2/expectation',
    file: 'server.ts',
    from: "answerProblem(response, new RequestProblem('expectation-failed')),",
    to: 'response.writeHead(417).end(),',
  },
  {
    id: 'CORE-2/handshake',
    file: 'routes/stream.ts',
    from: "if (socket instanceof Socket) relay.connections.refuse(socket, new RequestProblem('bad-request'));",
    to: `socket.end(${BARE});`,
  },
  {
    id: 'CORE-4/version',
    file: 'server.ts',
    from: 'clientErrorHandler: (error, socket) =>\n      connections.refuse(',
    to: "clientErrorHandler: (error, socket) =>\n      error.code === 'HPE_INVALID_VERSION' ? void socket.end('HTTP/1.1 505 HTTP Version Not Supported\\r\\nConnection: close\\r\\n\\r\\n') : connections.refuse(",
  },
  {
    id: 'CORE-8/chunked',
    file: 'body.ts',
    from: 'if (size > most) problem ??=',
    to: "if (size > most && request.headers['content-length'] !== undefined) problem ??=",
  },
  {
    id: 'CORE-8/twice-as-long',
    file: 'body.ts',
    from: 'if (size > most) problem ??=',
    to: 'if (size > most * 1.5) problem ??=',
  },
  {
    id: 'CORE-5/one-byte-less',
    file: 'body.ts',
    from: 'if (size > most) problem ??=',
    to: 'if (size >= most) problem ??=',
  },
  {
    id: 'CORE-1/no-error',
    file: 'problem.ts',
    from: 'return problemBody(this.slug, this.detail, this.fields);',
    to: 'return { ...problemBody(this.slug, this.detail, this.fields), error: undefined };',
    alsoBreaks: ['CORE-2'],
  },
  {
    id: 'CORE-2/plain-json',
    file: 'problem.ts',
    from: "'Content-Type': PROBLEM_MEDIA_TYPE,",
    to: "'Content-Type': 'application/json',",
  },
  {
    id: 'CORE-2/wrong-status',
    file: 'problem.ts',
    from: 'return problemBody(this.slug, this.detail, this.fields);',
    to: 'return { ...problemBody(this.slug, this.detail, this.fields), status: 200 };',
  },
  {
    id: 'CORE-3/no-retry-after',
    file: 'problem.ts',
    from: "...(this.retryAfter === undefined ? {} : { 'Retry-After': String(this.retryAfter) }),",
    to: '',
  },
  {
    id: 'CORE-3/fraction',
    file: 'problem.ts',
    from: 'String(this.retryAfter)',
    to: 'String(this.retryAfter / 7)',
  },
  {
    id: 'CORE-4/null-reply-to',
    file: 'validate.ts',
    from: 'const valid = check(body);',
    to: "if (body['reply_to'] === null) throw new TypeError('reply_to');\n    const valid = check(body);",
  },
  {
    id: 'CORE-4/bad-encoding',
    file: 'server.ts',
    from: 'answerProblem(reply.raw, problemOf(error));',
    to: "answerProblem(reply.raw, new RequestProblem('internal'));",
  },
  {
    id: 'CORE-5/strict',
    file: 'validate.ts',
    from: 'Type.Object({\n      nonce,',
    to: 'Type.Object({\n      x_unknown: Type.Optional(Type.Null()),\n      nonce,',
  },
  {
    id: 'CORE-6/refused',
    file: 'routes/reads.ts',
    from: 'fallback: TRANSCRIPT_LIMIT,\n    });',
    to: "fallback: TRANSCRIPT_LIMIT,\n    });\n    if (Number(query.get('limit')) < 0) relay.checkRoomId('');",
  },
  { id: 'CORE-6/nan', file: 'routes/reads.ts', from: 'fallback: TRANSCRIPT_LIMIT,', to: 'fallback: 1,' },
  {
    id: 'CORE-7/lenient',
    file: 'validate.ts',
    from: "throw new RequestProblem('bad-json');\n  return value",
    to: "return { ciphertext: 'AAAA', nonce: 'A'.repeat(32) };\n  return value",
    alsoBreaks: ['MSG-14'],
  },
  {
    id: 'CORE-8/400',
    file: 'body.ts',
    from: "problem ??= new RequestProblem('too-large');",
    to: "problem ??= new RequestProblem('bad-request');",
  },
  {
    id: 'CORE-9/one-origin',
    file: 'problem.ts',
    from: "'Access-Control-Allow-Origin': '*',",
    to: "'Access-Control-Allow-Origin': 'https://bot2bot.example',",
  },
  {
    id: 'CORE-9/no-last-event-id',
    file: 'server.ts',
    from: 'Content-Type, Authorization, Last-Event-ID',
    to: 'Content-Type, Authorization',
  },
  {
    id: 'CORE-9/credentials',
    file: 'problem.ts',
    from: "'Access-Control-Expose-Headers': 'Retry-After',",
    to: "'Access-Control-Allow-Credentials': 'true',",
  },
  {
    id: 'CORE-10/cacheable',
    file: 'problem.ts',
    from: "'Cache-Control': 'no-store'",
    to: "'Cache-Control': 'max-age=60'",
  },
  {
    id: 'CORE-11/no-timings',
    file: 'routes/meta.ts',
    from: 'timings: config.timings,',
    to: 'timings: { ...config.timings, dedup_ms: undefined },',
  },
  {
    id: 'CORE-12/seconds',
    file: 'routes/meta.ts',
    from: 'rooms: hub.rooms.size, ts: clock.wall() }',
    to: 'rooms: hub.rooms.size, ts: Math.floor(clock.wall() / 1000) }',
  },
  {
    id: 'CORE-13/operation-missing',
    file: 'routes/meta.ts',
    from: 'JSON.stringify(openapiDocument())',
    to: "JSON.stringify(openapiDocument()).replace('/api/rooms/{room}/wait', '/api/rooms/{room}/poll')",
  },
  {
    id: 'CORE-14/cdn',
    file: 'routes/docs.ts',
    from: '<script src="${assets}${SCRIPT}"></script>',
    to: '<script src="https://cdn.example/swagger-ui-bundle.js"></script>',
  },
  { id: 'CORE-15/no-hashes', file: 'routes/meta.ts', from: '      source_hashes: hashes,\n', to: '' },
  {
    id: 'CORE-16/200',
    file: 'server.ts',
    from: 'return reply.code(problem.status).headers(problem.headers).send(JSON.stringify(problem.body));\n  });\n\n',
    to: 'return reply.code(200).headers(problem.headers).send(JSON.stringify(problem.body));\n  });\n\n',
  },
];
