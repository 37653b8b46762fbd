import { accessSync, constants, mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { UsageError, type Config } from './config.ts';

/** File descriptors reserved for uses other than connections: the store's files, the log, name lookups. */
const OWN_FILES = 64;

/** The limit of open files of this process; null if it cannot be read (it is read from /proc, so on Linux only). */
function openFilesLimit(): number | null {
  try {
    const limit = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return limit === undefined ? null : Number(limit);
  } catch {
    return null;
  }
}

/**
 * Lower the connection limit of a configuration to the limit of open files, if necessary.
 * @returns the configuration, and a warning for the operator; null when nothing was changed.
 */
export function fitToOpenFiles(
  config: Config,
  files = openFilesLimit(),
): { config: Config; warning: string | null } {
  const wanted = config.limits.connections;
  if (files === null || files >= wanted) return { config, warning: null };
  const connections = Math.max(1, files - OWN_FILES);
  return {
    config: { ...config, limits: { ...config.limits, connections } },
    warning: `only ${files} files may be open, so the relay accepts ${connections} connections instead of ${wanted}; raise the limit with ulimit -n, or pass --connections ${connections}`,
  };
}

/** Create a folder and its parents where missing, accessible to their owner only. @throws the system's error. */
export function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code === 'EEXIST') return;
    // mkdirSync with `recursive` never returns if the parent exists but no folder can be created in it, as in /proc.
    if (code !== 'ENOENT' || dirname(folder) === folder) throw error;
    makeFolder(dirname(folder));
    mkdirSync(folder, { mode: 0o700 });
  }
}

/**
 * Create the data folder if it is missing, and check that this process can use it.
 * @throws {UsageError} it cannot be created, read or written.
 */
export function prepareFolder(folder: string): void {
  try {
    makeFolder(resolve(folder));
    if (!statSync(folder).isDirectory()) throw new Error('it is not a folder');
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unknown';
    throw new UsageError(`--data-dir ${folder} cannot be used: ${reason}`, { cause: error });
  }
}
