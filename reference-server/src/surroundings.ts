import { accessSync, constants, mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { UsageError, type Config } from './config.ts';

/** Kept back from connections, for the store's files, the log and name lookups. */
const OWN_FILES = 64;

/** How many files this process may open; null where the system does not tell. */
function openFilesLimit(): number | null {
  try {
    const limit = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return limit === undefined ? null : Number(limit);
  } catch {
    return null;
  }
}

/** @returns the configuration with no more connections than there are files, and what to say of it; null when it fits. */
export function fitToOpenFiles(
  config: Config,
  files = openFilesLimit(),
): { config: Config; warning: string | null } {
  const wanted = config.limits.connections;
  if (files === null || files >= wanted) return { config, warning: null };
  const connections = Math.max(1, files - OWN_FILES);
  return {
    config: { ...config, limits: { ...config.limits, connections } },
    warning: `only ${files} files may be open, so ${connections} connections are taken instead of ${wanted}; allow more with ulimit -n, or say --connections ${connections}`,
  };
}

/** Make a folder and those above it, for their owner alone; nothing when it is there. @throws the system's error. */
export function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code === 'EEXIST') return;
    // Node's own recursion never ends where a parent exists and takes no folders, as in /proc.
    if (code !== 'ENOENT' || dirname(folder) === folder) throw error;
    makeFolder(dirname(folder));
    mkdirSync(folder, { mode: 0o700 });
  }
}

/**
 * Make the data folder where it is missing, for its owner alone.
 * @throws {UsageError} it cannot be made, read or written.
 */
export function prepareFolder(folder: string): void {
  try {
    makeFolder(resolve(folder));
    if (!statSync(folder).isDirectory()) throw new Error('it is no folder');
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unknown';
    throw new UsageError(`--data-dir ${folder} cannot be used: ${reason}`, { cause: error });
  }
}
