/** Builds a relay with a passage of its source replaced. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { Mutant } from './mutants.ts';

const server = join(import.meta.dirname, '../../reference-server');

export type Patch = Pick<Mutant, 'file' | 'from' | 'to'>;

/**
 * Bundle the relay's command with patches applied.
 * @param name of the file that is made, under `reference-server/dist`.
 * @returns its path.
 * @throws {Error} when a passage does not occur exactly once.
 */
export async function broken(name: string, patches: readonly Patch[]): Promise<string> {
  const outfile = join(server, 'dist/mutants', `${name.replaceAll('/', '-')}.mjs`);
  const files = new Map<string, Patch[]>();
  for (const patch of patches) {
    const path = join(server, 'src', patch.file);
    files.set(path, [...(files.get(path) ?? []), patch]);
  }
  await build({
    entryPoints: [join(server, 'src/main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'error',
    plugins: [
      {
        name: 'break',
        setup: (bundler) => {
          bundler.onLoad({ filter: /reference-server\/src\/.*\.ts$/ }, ({ path }) => {
            const found = files.get(path);
            if (found === undefined) return undefined;
            let contents = readFileSync(path, 'utf8');
            for (const { from, to } of found) {
              const times = contents.split(from).length - 1;
              if (times !== 1) throw new Error(`${name}: its passage occurs ${times} times in ${path}`);
              contents = contents.replace(from, () => to);
            }
            return { contents, loader: 'ts' };
          });
        },
      },
    ],
  });
  return outfile;
}
