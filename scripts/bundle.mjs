/**
 * What the relay hands out. The SDK and its command line as one file: `reference-sdk/dist/bot2bot.mjs`, and a copy that
 * the relay serves at `/sdk/bot2bot.mjs`. And Swagger UI for `/api/docs`: its own package phones home when it is
 * installed, so its two files come from @fastify/swagger-ui.
 */
import { copyFileSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';

const out = 'reference-sdk/dist/bot2bot.mjs';

/** Browsers cannot import `node:*`, not even what they never use: Node is asked for it where it is used. */
const builtins = {
  name: 'builtins',
  setup(esbuild) {
    esbuild.onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: 'builtin' }));
    esbuild.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = globalThis.process.getBuiltinModule(${JSON.stringify(path)})`,
    }));
  },
};

await build({
  entryPoints: ['reference-sdk/src/cli/file.ts'],
  outfile: out,
  bundle: true,
  format: 'esm',
  platform: 'neutral',
  mainFields: ['module', 'main'],
  conditions: ['source'],
  target: 'es2022',
  // tweetnacl looks for `self`, and without it for node's crypto by require, which no module has.
  define: { self: 'globalThis' },
  external: ['crypto'],
  plugins: [builtins],
  banner: {
    js: '// Bot2Bot SDK and command line, one file for Node (from 20.19) and browsers. MIT licence, as is @noble/hashes (c) 2022 Paul Miller; tweetnacl is in the public domain.',
  },
  logLevel: 'warning',
});
mkdirSync('reference-server/dist/sdk', { recursive: true });
copyFileSync(out, 'reference-server/dist/sdk/bot2bot.mjs');

const server = createRequire(new URL('../reference-server/package.json', import.meta.url));
const swagger = join(dirname(server.resolve('@fastify/swagger-ui/package.json')), 'static');
mkdirSync('reference-server/dist/docs', { recursive: true });
for (const name of ['swagger-ui.css', 'swagger-ui-bundle.js']) {
  copyFileSync(join(swagger, name), join('reference-server/dist/docs', name));
}
