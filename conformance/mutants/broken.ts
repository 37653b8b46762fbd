/** Builds a relay with patched sources. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { context, type BuildContext } from 'esbuild';
import type { Mutant } from './mutant.ts';

const server = join(import.meta.dirname, '../../reference-server');

export type Patch = Pick<Mutant, 'file' | 'from' | 'to'>;

type Files = ReadonlyMap<string, readonly Patch[]>;

/** The patches of the current build. Builds run one at a time, so that each reuses the parsed files of the one before. */
let patches: Files = new Map();
let building: Promise<unknown> = Promise.resolve();
let bundler: Promise<BuildContext> | undefined;

function makeBundler(): Promise<BuildContext> {
  return context({
    entryPoints: [join(server, 'src/main.ts')],
    // Including dependencies, except native ones: the bundle starts in a third of the time.
    bundle: true,
    external: ['classic-level'],
    platform: 'node',
    format: 'esm',
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
    conditions: ['source'],
    write: false,
    logLevel: 'silent',
    plugins: [
      {
        name: 'break',
        setup: (build) => {
          build.onLoad({ filter: /reference-server\/src\/.*\.ts$/ }, ({ path }) => {
            let contents = readFileSync(path, 'utf8');
            for (const { from, to } of patches.get(path) ?? []) {
              const times = contents.split(from).length - 1;
              if (times !== 1) throw new Error(`a passage occurs ${times} times in ${path}: ${from}`);
              contents = contents.replace(from, () => to);
            }
            return { contents, loader: 'ts' };
          });
        },
      },
    ],
  });
}

/**
 * Bundle the relay's command with patches applied.
 * @param name of the output file, in `reference-server/dist/mutants`.
 * @returns the path of the output file.
 * @throws {Error} when a passage does not occur exactly once.
 */
export async function broken(name: string, given: readonly Patch[]): Promise<string> {
  const outfile = join(server, 'dist/mutants', `${name.replaceAll('/', '-')}.mjs`);
  const files = new Map<string, Patch[]>();
  for (const patch of given) {
    const path = join(server, 'src', patch.file);
    files.set(path, [...(files.get(path) ?? []), patch]);
  }
  const mine = building
    .catch(() => undefined)
    .then(async () => {
      patches = files;
      bundler ??= makeBundler();
      const { outputFiles } = await (await bundler).rebuild();
      return outputFiles?.[0]?.text ?? '';
    });
  building = mine;
  mkdirSync(join(server, 'dist/mutants'), { recursive: true });
  writeFileSync(outfile, await mine);
  return outfile;
}
