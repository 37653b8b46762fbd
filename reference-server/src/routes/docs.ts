import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { Readable } from 'node:stream';
import { ROUTES } from '@bot2bot/schemas';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** The page's own policy: Swagger UI writes styles into the page. @see CORE-14 */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'";

/** Put there by the build, from @fastify/swagger-ui. */
const FOLDER = join(import.meta.dirname, '../../dist/docs');
const STYLE = 'swagger-ui.css';
const SCRIPT = 'swagger-ui-bundle.js';
const ASSETS = { [STYLE]: 'text/css', [SCRIPT]: 'text/javascript' };
const START = 'start.js';

/** @param assets where they are, relative to the page: it may stand behind a prefix that the relay does not know. */
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

/** Bytes of a file that are sent at a time, so that it is seen how far its reader has come. */
const PIECE_BYTES = 64 << 10;

/** A file of the build; absent where there was none. */
export function built(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/** Answer with bytes that are held once for everyone: an answer that nobody reads holds no copy. */
export function sendHeld(reply: FastifyReply, ...held: readonly Buffer[]): FastifyReply {
  const pieces = held.flatMap((bytes) =>
    Array.from({ length: Math.ceil(bytes.length / PIECE_BYTES) }, (_, i) =>
      bytes.subarray(i * PIECE_BYTES, (i + 1) * PIECE_BYTES),
    ),
  );
  const length = held.reduce((sum, bytes) => sum + bytes.length, 0);
  return reply.header('Content-Length', length).send(Readable.from(pieces));
}

/**
 * Serve the page of the API, with and without a slash at its end, and what it loads.
 * @returns the files that are handed out, by name.
 */
export function docsRoutes(app: FastifyInstance): Record<string, Buffer> {
  const { path } = ROUTES.docs;
  const answer = (reply: FastifyReply, type: string, body: Buffer) =>
    sendHeld(reply.type(`${type}; charset=utf-8`).header('Content-Security-Policy', POLICY), body);
  const serve = (name: string, type: string, body: Buffer) =>
    app.get(`${path}/${name}`, (_request, reply) => answer(reply, type, body));

  const bare = Buffer.from(page(`${posix.basename(path)}/`));
  const slashed = Buffer.from(page(''));
  const show = (request: FastifyRequest, reply: FastifyReply) => {
    const at = request.url.split('?', 1)[0] ?? '';
    return answer(reply, 'text/html', at.endsWith('/') ? slashed : bare);
  };
  app.get(path, show);

  serve(START, 'text/javascript', Buffer.from(start));
  const files: Record<string, Buffer> = {};
  for (const [name, type] of Object.entries(ASSETS)) {
    const body = built(join(FOLDER, name));
    if (body === undefined) continue;
    serve(name, type, body);
    files[`docs/${name}`] = body;
  }
  return files;
}
