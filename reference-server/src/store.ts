import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { AgentProfile, IdentityAnswer } from '@bot2bot/schemas';
import { ClassicLevel } from 'classic-level';

/** Where one kind of record survives a restart; values by handle. */
export interface Store<T> {
  /** Resolves when the value is safe from a crash. @throws {StoreError} */
  put(handle: string, value: T): Promise<void>;
  delete(handle: string): Promise<void>;
  /** Resolves when nothing is on its way for the handle. Rejects when that failed. */
  settled(handle: string): Promise<void>;
}

/** A profile as it was published. */
export interface Published {
  readonly profile: Required<AgentProfile>;
  readonly sig: string;
}

/** What survives a restart, and nothing else: identities and profiles. */
export interface Stores {
  readonly identities: Store<IdentityAnswer>;
  readonly profiles: Store<Published>;
  readonly held: {
    readonly identities: Map<string, IdentityAnswer>;
    readonly profiles: Map<string, Published>;
  };
  close(): Promise<void>;
}

const nothing = async () => undefined;
const FORGETFUL = { put: nothing, delete: nothing, settled: nothing };

/** The data folder cannot be used, or took no more; the message says why. */
export class StoreError extends Error {}

/**
 * Open the stores.
 * @param folder made if it is missing, readable by its owner alone; null: everything is forgotten with the process.
 * @throws {StoreError}
 */
export async function openStores(folder: string | null): Promise<Stores> {
  const held = { identities: new Map<string, IdentityAnswer>(), profiles: new Map<string, Published>() };
  if (folder === null) return { identities: FORGETFUL, profiles: FORGETFUL, held, close: nothing };
  const path = join(folder, 'registry');
  const database = new ClassicLevel<string, unknown>(path, { valueEncoding: 'json' });
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    await database.open();
  } catch (error) {
    throw new StoreError(`--data-dir ${folder} cannot be used: ${reasonOf(error)}`, { cause: error });
  }
  const identities = database.sublevel<string, IdentityAnswer>('identity', { valueEncoding: 'json' });
  const profiles = database.sublevel<string, Published>('profile', { valueEncoding: 'json' });
  for await (const [handle, value] of identities.iterator()) held.identities.set(handle, value);
  for await (const [handle, value] of profiles.iterator()) held.profiles.set(handle, value);
  return {
    identities: safely(identities),
    profiles: safely(profiles),
    held,
    close: () => database.close(),
  };
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && 'code' in cause ? cause.code : '';
  if (code === 'LEVEL_LOCKED') return 'another relay has it open';
  return cause instanceof Error ? cause.message : error instanceof Error ? error.message : 'unknown';
}

interface Writable<T> {
  put(key: string, value: T, options: { sync: boolean }): Promise<void>;
  del(key: string, options: { sync: boolean }): Promise<void>;
}

/** Writes that reach the disk before they resolve, those of one handle in order. */
function safely<T>(level: Writable<T>): Store<T> {
  const underWay = new Map<string, Promise<void>>();
  const run = (handle: string, write: () => Promise<void>): Promise<void> => {
    const before = underWay.get(handle) ?? Promise.resolve();
    const mine = before.catch(nothing).then(async () => {
      try {
        await write();
      } catch (cause) {
        throw new StoreError('the data folder takes nothing more', { cause });
      }
    });
    underWay.set(handle, mine);
    const done = () => {
      if (underWay.get(handle) === mine) underWay.delete(handle);
    };
    mine.then(done, done);
    return mine;
  };
  return {
    put: (handle, value) => run(handle, () => level.put(handle, value, { sync: true })),
    delete: (handle) => run(handle, () => level.del(handle, { sync: true })),
    settled: (handle) => underWay.get(handle) ?? Promise.resolve(),
  };
}
