import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { digestOf, markIn, readWitness, writeWitness, type Mark } from './witness.ts';
import { makeFolder } from './environment.ts';

/** The data folder cannot be used, or a write to it failed; the message says why. */
export class StoreError extends Error {}

/** Database key of the mark, which each commit rewrites. */
export const MARK_KEY = '!meta!mark';
const READER = join(import.meta.dirname, '../bin/read-registry.mjs');

/** The readable contents of a database. */
export interface Contents {
  /** Values by key, without the mark. */
  readonly records: Map<string, string>;
  /** Null if there is none; undefined if it is invalid. */
  mark: Mark | null | undefined;
  /** The error that ended the reading early; null if everything was read. */
  fault: string | null;
}

/** The contents of a data folder, which no other process had open. */
export interface Inspected {
  readonly folder: string;
  readonly records: Map<string, string>;
  readonly mark: Mark | null;
  /** The highest number of commits that the mark or the witness records. */
  readonly commits: number;
  /** The error that ended the reading of the database early; null if all of it was read. */
  readonly fault: string | null;
  /** Why records may be missing or altered; null if the folder is intact. */
  readonly damage: string | null;
}

export const databaseOf = (folder: string) => join(folder, 'registry');

/**
 * Read the database of a folder and compare what it holds with its mark and with the witness beside it.
 * @param folder created if it is missing, accessible to its owner only.
 * @throws {StoreError} when it cannot be used for a reason other than damage, such as missing permissions.
 */
export async function inspect(folder: string): Promise<Inspected> {
  const path = databaseOf(folder);
  let found: Contents = { records: new Map(), mark: null, fault: null };
  let witness: Mark | null | undefined;
  try {
    makeFolder(folder);
    witness = readWitness(folder);
    const isEmpty = !exists(path) || readdirSync(path).length === 0;
    const mayBeMissing = witness === null ? isEmpty : witness?.n === 0;
    if (mayBeMissing) await writeWitness(folder, { n: 0, digest: digestOf([]) });
    if (!isEmpty) found = await readInChildProcess(path, mayBeMissing ? 'create' : 'open');
  } catch (error) {
    throw unusableFolder(folder, error);
  }
  const { records, mark = null, fault } = found;
  const damage = fault ?? inconsistency(found, witness);
  return { folder, records, mark, commits: Math.max(mark?.n ?? 0, witness?.n ?? 0), fault, damage };
}

/**
 * Read a database in a child process: LevelDB ends the process in which it meets some kinds of damage.
 * @param how 'create' the database if it is missing, 'repair' it first, or just 'open' it.
 * @throws the database's error, when it is a lock or a system error rather than damage.
 */
async function readInChildProcess(path: string, how: 'open' | 'create' | 'repair'): Promise<Contents> {
  const contents: Contents = {
    records: new Map(),
    mark: null,
    fault: 'its database cannot be read to its end',
  };
  const child = spawn(process.execPath, [READER, path, how], { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = once(child, 'close');
  let rest = '';
  for await (const part of child.stdout.setEncoding('utf8') as AsyncIterable<string>) {
    const lines = (rest + part).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const [key, text, error] = textsIn(line);
      if (key === undefined || text === undefined) contents.fault = null;
      else if (error === undefined) addRecord(contents, key, text);
      else contents.fault = faultOf(Object.assign(new Error(text), { code: key }));
    }
  }
  await ended;
  return contents;
}

function textsIn(line: string): string[] {
  const value: unknown = JSON.parse(line);
  return Array.isArray(value) ? value.filter((text) => typeof text === 'string') : [];
}

/** Read an open database. */
export async function readContents(database: ClassicLevel<string, string>): Promise<Contents> {
  const found: Contents = { records: new Map(), mark: null, fault: null };
  for await (const [key, text] of database.iterator()) addRecord(found, key, text);
  return found;
}

function addRecord(contents: Contents, key: string, text: string): void {
  if (key === MARK_KEY) contents.mark = markIn(text);
  else contents.records.set(key, text);
}

/** @returns how the records, the mark and the witness contradict each other; null when they agree. */
export function inconsistency({ records, mark }: Contents, witness: Mark | null | undefined): string | null {
  if (witness === undefined) return 'registry.witness cannot be read';
  if (mark === undefined) return 'its mark cannot be read';
  const digest = digestOf(records);
  // A folder of an older version has neither mark nor witness; after a crash during its upgrade it has only the witness.
  if (mark === null) return witness === null || witness.digest === digest ? null : 'records are missing';
  if (mark.digest !== digest) return 'records are missing or altered';
  if (witness === null) return 'registry.witness is missing';
  if (mark.n < witness.n) return `its last ${witness.n - mark.n} commits are missing`;
  return mark.n === witness.n && mark.digest !== witness.digest
    ? 'registry.witness belongs to other records'
    : null;
}

/** Copy the readable records of a damaged database into a new one; the old one stays beside it as `registry.damaged-…`. */
export async function salvage({ folder, records, fault, commits }: Inspected): Promise<Inspected> {
  const path = databaseOf(folder);
  const [copy, next] = [`${path}.copy`, `${path}.next`];
  for (const left of [copy, next]) rmSync(left, { recursive: true, force: true });
  const all = new Map(records);
  if (fault !== null && exists(path)) {
    cpSync(path, copy, { recursive: true });
    for (const [key, text] of (await readInChildProcess(copy, 'repair')).records) all.set(key, text);
    rmSync(copy, { recursive: true });
  }
  const database = new ClassicLevel<string, string>(next);
  const puts = [...all].map(([key, value]) => ({ type: 'put' as const, key, value }));
  await database.batch(puts, { sync: true });
  await database.close();
  if (exists(path)) renameSync(path, `${path}.damaged-${Date.now()}`);
  renameSync(next, path);
  return { folder, records: all, mark: null, commits, fault: null, damage: null };
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Messages of errors that come from the operating system rather than from the data. */
const SYSTEM = /Permission denied|Read-only|Too many open files|Input\/output error|No space left/;

/** @returns a description of the damage. @throws the error itself when it is a lock or a system error. */
function faultOf(error: Error & { code: string }): string {
  if (error.code === 'LEVEL_LOCKED' || SYSTEM.test(error.message)) throw error;
  return error.message.replaceAll(/\s+/g, ' ');
}

/** Wrap an error of the system or of the database in one that names the folder and the reason. */
export function unusableFolder(folder: string, error: unknown): StoreError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const isLocked = cause instanceof Error && 'code' in cause && cause.code === 'LEVEL_LOCKED';
  const message = cause instanceof Error ? cause.message : 'unknown';
  const reason = isLocked ? 'another relay has it open' : message;
  return new StoreError(`--data-dir ${folder} cannot be used: ${reason}`, { cause: error });
}
