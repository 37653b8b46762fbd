import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { digestOf, markIn, readWitness, writeWitness, type Mark } from './witness.ts';
import { makeFolder } from './surroundings.ts';

/** The data folder cannot be used, or took no more; the message says why. */
export class StoreError extends Error {}

/** Key of the mark that each commit leaves among the records. */
export const MARK_KEY = '!meta!mark';
const READER = join(import.meta.dirname, '../bin/read-registry.mjs');

/** What a database holds, as far as it can be read. */
export interface Survey {
  /** Texts by key, without the mark. */
  readonly records: Map<string, string>;
  /** Undefined for one that cannot be read. */
  mark: Mark | null | undefined;
  /** What kept the rest from being read; null when all was read. */
  fault: string | null;
}

/** A data folder that no other process has open, and what it holds. */
export interface Inspected {
  readonly folder: string;
  readonly records: Map<string, string>;
  readonly mark: Mark | null;
  /** Commits that there certainly were. */
  readonly commits: number;
  /** What was not read for a fault of the database, rather than never there. */
  readonly fault: string | null;
  /** Why this is not all that was kept; null when it is. */
  readonly damage: string | null;
}

export const databaseOf = (folder: string) => join(folder, 'registry');

/**
 * Read the database of a folder and compare what it holds with its mark and with the witness beside it.
 * @param folder made if it is missing, readable by its owner alone; its parent must be there.
 * @throws {StoreError} when it cannot be used, for reasons that are no damage.
 */
export async function inspect(folder: string): Promise<Inspected> {
  const path = databaseOf(folder);
  let found: Survey = { records: new Map(), mark: null, fault: null };
  let witness: Mark | null | undefined;
  try {
    makeFolder(folder);
    witness = readWitness(folder);
    const isEmpty = !exists(path) || readdirSync(path).length === 0;
    const mayBeMissing = witness === null ? isEmpty : witness?.n === 0;
    if (mayBeMissing) await writeWitness(folder, { n: 0, digest: digestOf([]) });
    if (!isEmpty) found = await readApart(path, mayBeMissing ? 'create' : 'open');
  } catch (error) {
    throw unusable(folder, error);
  }
  const { records, mark = null, fault } = found;
  const damage = fault ?? disagreement(found, witness);
  return { folder, records, mark, commits: Math.max(mark?.n ?? 0, witness?.n ?? 0), fault, damage };
}

/** Read a database in a process of its own. @throws the database's error that is no damage. */
async function readApart(path: string, how: 'open' | 'create' | 'repair'): Promise<Survey> {
  const survey: Survey = { records: new Map(), mark: null, fault: 'its database cannot be read to its end' };
  const child = spawn(process.execPath, [READER, path, how], { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = once(child, 'close');
  let said = '';
  for await (const part of child.stdout.setEncoding('utf8') as AsyncIterable<string>) {
    const lines = (said + part).split('\n');
    said = lines.pop() ?? '';
    for (const line of lines) {
      const [key, text, error] = textsIn(line);
      if (key === undefined || text === undefined) survey.fault = null;
      else if (error === undefined) note(survey, key, text);
      else survey.fault = faultOf(Object.assign(new Error(text), { code: key }));
    }
  }
  await ended;
  return survey;
}

function textsIn(line: string): string[] {
  const value: unknown = JSON.parse(line);
  return Array.isArray(value) ? value.filter((text) => typeof text === 'string') : [];
}

/** Read an open database. */
export async function survey(database: ClassicLevel<string, string>): Promise<Survey> {
  const found: Survey = { records: new Map(), mark: null, fault: null };
  for await (const [key, text] of database.iterator()) note(found, key, text);
  return found;
}

function note(survey: Survey, key: string, text: string): void {
  if (key === MARK_KEY) survey.mark = markIn(text);
  else survey.records.set(key, text);
}

/** @returns what a database says against itself or against its witness; null when all of it is there. */
export function disagreement({ records, mark }: Survey, witness: Mark | null | undefined): string | null {
  if (witness === undefined) return 'registry.witness cannot be read';
  if (mark === undefined) return 'its mark cannot be read';
  const digest = digestOf(records);
  // A folder of before there were marks has neither; one whose adoption was cut short has the witness alone.
  if (mark === null) return witness === null || witness.digest === digest ? null : 'records are missing';
  if (mark.digest !== digest) return 'records are missing or altered';
  if (witness === null) return 'registry.witness is missing';
  if (mark.n < witness.n) return `its last ${witness.n - mark.n} commits are missing`;
  return mark.n === witness.n && mark.digest !== witness.digest
    ? 'registry.witness is of other records'
    : null;
}

/** Move a damaged database aside, and put what can be read of it into a new one. */
export async function salvage({ folder, records, fault, commits }: Inspected): Promise<Inspected> {
  const path = databaseOf(folder);
  const [copy, next] = [`${path}.copy`, `${path}.next`];
  for (const left of [copy, next]) rmSync(left, { recursive: true, force: true });
  const all = new Map(records);
  if (fault !== null && exists(path)) {
    cpSync(path, copy, { recursive: true });
    for (const [key, text] of (await readApart(copy, 'repair')).records) all.set(key, text);
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

/** Of the system rather than of what is there. */
const SYSTEM = /Permission denied|Read-only|Too many open files|Input\/output error|No space left/;

/** @returns what is damaged. @throws the error itself when nothing is. */
function faultOf(error: Error & { code: string }): string {
  if (error.code === 'LEVEL_LOCKED' || SYSTEM.test(error.message)) throw error;
  return error.message.replaceAll(/\s+/g, ' ');
}

/** @param error of the system or of the database. */
export function unusable(folder: string, error: unknown): StoreError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const isLocked = cause instanceof Error && 'code' in cause && cause.code === 'LEVEL_LOCKED';
  const message = cause instanceof Error ? cause.message : 'unknown';
  const reason = isLocked ? 'another relay has it open' : message;
  return new StoreError(`--data-dir ${folder} cannot be used: ${reason}`, { cause: error });
}
