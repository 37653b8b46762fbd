/**
 * Builds the static files that the relay serves: the SDK with its command line as one file (`reference-sdk/dist/bot2bot.mjs`,
 * with a copy for `/sdk/bot2bot.mjs`), and Swagger UI for `/api/docs`. The two files of Swagger UI come from
 * @fastify/swagger-ui, since Swagger's own package contacts a server when it is installed.
 */
import { copyFileSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';

const out = 'reference-sdk/dist/bot2bot.mjs';

/** Browsers cannot import `node:*`: such imports are replaced by a call that gets the module from Node when it is used. */
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
  // Without `self`, tweetnacl would call `require('crypto')`, which does not exist in an ES module.
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
