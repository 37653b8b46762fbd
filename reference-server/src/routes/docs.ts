import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { Readable } from 'node:stream';
import { ROUTES } from '@bot2bot/schemas';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** Content-Security-Policy of the page: Swagger UI needs inline styles. @see CORE-14 */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'";

/** The build copies the files of @fastify/swagger-ui to this folder. */
const FOLDER = join(import.meta.dirname, '../../dist/docs');
const STYLE = 'swagger-ui.css';
const SCRIPT = 'swagger-ui-bundle.js';
const ASSETS = { [STYLE]: 'text/css', [SCRIPT]: 'text/javascript' };
const START = 'start.js';

/** @param assets path of the assets, relative to the page, since a proxy may serve the relay under a path prefix. */
const page = (assets: string) => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Bot2Bot relay API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${assets}${STYLE}">
<div id="page"></div>
<script src="${assets}${SCRIPT}"></script>
<script src="${assets}${START}"></script>
</html>
`;

const start = `SwaggerUIBundle({
  url: new URL('${posix.relative(ROUTES.docs.path, ROUTES.openapi.path)}', document.currentScript.src).href,
  dom_id: '#page',
  deepLinking: true,
  validatorUrl: null,
});
`;

/** Files are written in pieces of this size, so that the relay notices when a client stops reading. */
const PIECE_BYTES = 64 << 10;

/** Read a file that the build produces; undefined if it does not exist. */
export function readBuilt(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/** Answer with buffers that all answers share: an answer that is not read does not hold a copy. */
export function sendShared(reply: FastifyReply, ...held: readonly Buffer[]): FastifyReply {
  const pieces = held.flatMap((bytes) =>
    Array.from({ length: Math.ceil(bytes.length / PIECE_BYTES) }, (_, i) =>
      bytes.subarray(i * PIECE_BYTES, (i + 1) * PIECE_BYTES),
    ),
  );
  const length = held.reduce((sum, bytes) => sum + bytes.length, 0);
  return reply.header('Content-Length', length).send(Readable.from(pieces));
}

/**
 * Serve the API documentation page, with and without a trailing slash, and its assets.
 * @returns the contents of the served asset files, by name.
 */
export function docsRoutes(app: FastifyInstance): Record<string, Buffer> {
  const { path } = ROUTES.docs;
  const answer = (reply: FastifyReply, type: string, body: Buffer) =>
    sendShared(reply.type(`${type}; charset=utf-8`).header('Content-Security-Policy', POLICY), body);
  const serve = (name: string, type: string, body: Buffer) =>
    app.get(`${path}/${name}`, (_request, reply) => answer(reply, type, body));

  const unslashed = Buffer.from(page(`${posix.basename(path)}/`));
  const slashed = Buffer.from(page(''));
  const show = (request: FastifyRequest, reply: FastifyReply) => {
    const at = request.url.split('?', 1)[0] ?? '';
    return answer(reply, 'text/html', at.endsWith('/') ? slashed : unslashed);
  };
  app.get(path, show);

  serve(START, 'text/javascript', Buffer.from(start));
  const files: Record<string, Buffer> = {};
  for (const [name, type] of Object.entries(ASSETS)) {
    const body = readBuilt(join(FOLDER, name));
    if (body === undefined) continue;
    serve(name, type, body);
    files[`docs/${name}`] = body;
  }
  return files;
}
