import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Type, type Static } from 'typebox';
import { Compile } from 'typebox/compile';

/** The state after a commit: the number of commits so far, and the XOR of the digests of all records, in hexadecimal. */
const Mark = Type.Object({
  n: Type.Integer({ minimum: 0 }),
  digest: Type.String({ pattern: '^[0-9a-f]{64}$' }),
});
export type Mark = Static<typeof Mark>;

const isMark = Compile(Mark);
const fileOf = (folder: string) => join(folder, 'registry.witness');

/**
 * XOR of the digests of records, in hexadecimal.
 * @param before digest to start with: XOR adds a record to it, and removes one that it contains.
 */
export function digestOf(records: Iterable<readonly [string, string]>, before = '0'.repeat(64)): string {
  const sum = Buffer.from(before, 'hex');
  for (const [key, text] of records) {
    const recordDigest = createHash('sha256').update(`${key}\n${text}`).digest();
    for (let i = 0; i < sum.length; i += 4)
      sum.writeInt32LE(sum.readInt32LE(i) ^ recordDigest.readInt32LE(i), i);
  }
  return sum.toString('hex');
}

/** Parse a mark. @returns undefined when the text is not a valid one. */
export function markIn(text: string): Mark | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isMark.Check(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Read the witness file. @returns null when it does not exist; undefined when it is unreadable or invalid. */
export function readWitness(folder: string): Mark | null | undefined {
  try {
    return markIn(readFileSync(fileOf(folder), 'utf8'));
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    return isMissing ? null : undefined;
  }
}

/** Replace the witness file atomically; durable when this resolves. */
export async function writeWitness(folder: string, { n, digest }: Mark): Promise<void> {
  const [file, next] = [fileOf(folder), `${fileOf(folder)}.next`];
  const written = await open(next, 'w', 0o600);
  try {
    await written.writeFile(JSON.stringify({ n, digest }));
    await written.sync();
  } finally {
    await written.close();
  }
  await rename(next, file);
  const listed = await open(folder, 'r');
  try {
    await listed.sync();
  } finally {
    await listed.close();
  }
}
