/** Small files with secrets: whole or not there, and nobody else's to read. */
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

/** A path as a shell takes it. */
function quoted(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}

/**
 * Read a file that only its owner may read. What is checked is the file that is read: it is opened first.
 * @param mostBytes longer ones are refused.
 * @returns null when there is none.
 * @throws {Bot2BotError} private-file: a link, no regular file, readable by others, or too long.
 */
export function readPrivate(path: string, mostBytes: number): Buffer | null {
  let file: number;
  try {
    // Without O_NONBLOCK, opening a pipe would wait for its writer.
    file = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') return null;
    if (code === 'ELOOP') throw fileError(`${path} is a symbolic link; give the file itself`);
    throw fileError(`${path} cannot be opened (${code})`, error);
  }
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw fileError(`${path} is not a regular file`);
    if ((stat.mode & OTHERS) !== 0)
      throw fileError(
        `${path} can be used by others (mode ${(stat.mode & 0o777).toString(8)}); if nobody has read it: chmod 600 ${quoted(path)}`,
      );
    if (stat.size > mostBytes) throw fileError(`${path} is too long to be what it should be`);
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

/** Write the whole content beside its place, then put it there. @param place by its temporary path. */
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
      // It has been moved to its place.
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

/** Put a file in its place, or in that of the one before. Whoever reads sees the old or the new one, whole. */
export function replacePrivate(path: string, content: Uint8Array): void {
  write(path, content, (temporary) => renameSync(temporary, path));
}

/** Put a file where there is none. @returns false when there was one; of many that try at once, one is told true. */
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
