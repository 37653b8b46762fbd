/** Builds a relay with a passage of its source replaced. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { context, type BuildContext } from 'esbuild';
import type { Mutant } from './mutant.ts';

const server = join(import.meta.dirname, '../../reference-server');

export type Patch = Pick<Mutant, 'file' | 'from' | 'to'>;

type Files = ReadonlyMap<string, readonly Patch[]>;

/** The patches of the build under way; one build at a time, so that what it has parsed serves the next. */
let patches: Files = new Map();
let building: Promise<unknown> = Promise.resolve();
let bundler: Promise<BuildContext> | undefined;

function makeBundler(): Promise<BuildContext> {
  return context({
    entryPoints: [join(server, 'src/main.ts')],
    // With all that it depends on, but for what is not JavaScript: it starts in a third of the time.
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
 * @param name of the file that is made, under `reference-server/dist`.
 * @returns its path.
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
