/** Compares generated files with the committed ones. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Folders that contain only generated files. */
const WHOLE = ['spec/generated'];

function filesOf(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(join(folder, name)).isFile(),
  );
}

/** Files of `tree` that differ from those generated into `fresh`, are missing, or are no longer generated. */
export function staleFiles(fresh: string, tree: string): string[] {
  const generated = filesOf(fresh);
  const isSame = (name: string) =>
    existsSync(join(tree, name)) && readFileSync(join(fresh, name)).equals(readFileSync(join(tree, name)));
  const left = WHOLE.flatMap((folder) => filesOf(join(tree, folder)).map((name) => join(folder, name)));
  return [
    ...generated.filter((name) => !isSame(name)),
    ...left.filter((name) => !generated.includes(name)),
  ].sort();
}
