/** Small files with secrets: written atomically, and accessible only to their owner. */
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { Bot2BotError } from '../wire/errors.ts';

const MODE = 0o600;
const FOLDER_MODE = 0o700;
const OTHERS = 0o077;
const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

export function fileError(text: string, cause?: unknown): Bot2BotError {
  return new Bot2BotError('private-file', text, { definite: true, cause });
}

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code;

/** Quote a path for a shell. */
function quoted(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}

/**
 * Read a file that only its owner can access. The checks use the open file, so it cannot be swapped after them.
 * @param maxBytes a longer file is refused.
 * @returns null when the file does not exist.
 * @throws {Bot2BotError} private-file: a symbolic link, not a regular file, accessible to other users, or too long.
 */
export function readPrivate(path: string, maxBytes: number): Buffer | null {
  let file: number;
  try {
    // Without O_NONBLOCK, opening a named pipe would block until a writer comes.
    file = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') return null;
    if (code === 'ELOOP') throw fileError(`${path} is a symbolic link; use the path of the file itself`);
    throw fileError(`${path} cannot be opened (${code})`, error);
  }
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw fileError(`${path} is not a regular file`);
    if ((stat.mode & OTHERS) !== 0)
      throw fileError(
        `${path} is accessible to other users (mode ${(stat.mode & 0o777).toString(8)}); if nobody has read it: chmod 600 ${quoted(path)}`,
      );
    if (stat.size > maxBytes) throw fileError(`${path} is too long`);
    const bytes = Buffer.alloc(stat.size);
    let at = 0;
    while (at < bytes.length) {
      const read = readSync(file, bytes, at, bytes.length - at, at);
      if (read === 0) break;
      at += read;
    }
    return bytes.subarray(0, at);
  } finally {
    closeSync(file);
  }
}

/** Write a temporary file next to `path`, then let `place` move it there. @param place receives the temporary path. */
function write(path: string, content: Uint8Array, place: (temporary: string) => void): void {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
  const temporary = join(folder, `.${basename(path)}.${randomBytes(8).toString('hex')}`);
  const file = openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, MODE);
  try {
    try {
      fchmodSync(file, MODE);
      for (let at = 0; at < content.length;) at += writeSync(file, content, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    place(temporary);
  } catch (error) {
    try {
      unlinkSync(temporary);
    } catch {
      // `place` has already moved it.
    }
    throw error;
  }
  const held = openSync(folder, O_RDONLY | O_DIRECTORY);
  try {
    fsyncSync(held);
  } finally {
    closeSync(held);
  }
}

/** Create or replace a file atomically: a reader sees the complete old or the complete new content. */
export function replacePrivate(path: string, content: Uint8Array): void {
  write(path, content, (temporary) => renameSync(temporary, path));
}

/** Create a file atomically. @returns false when it already exists. Of several processes at once, exactly one gets true. */
export function createPrivate(path: string, content: Uint8Array): boolean {
  try {
    write(path, content, (temporary) => {
      linkSync(temporary, path);
      unlinkSync(temporary);
    });
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    return false;
  }
}
