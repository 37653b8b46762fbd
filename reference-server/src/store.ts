import { COMPONENTS, AgentProfile, IdentityAnswer, Signature } from '@bot2bot/schemas';
import { Type, type Static, type TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { inspect, salvage, StoreError } from './inspect.ts';
import { Ledger } from './ledger.ts';

export { StoreError };

/** Durable storage of one kind of record, by handle. */
export interface Store<T> {
  /** Resolves when the value is durable. @throws {StoreError} when it is unknown whether it was stored. */
  put(handle: string, value: T): Promise<void>;
  delete(handle: string): Promise<void>;
  /** Resolves when no write for the handle is pending. @throws {StoreError} when the pending write fails. */
  settled(handle: string): Promise<void>;
}

const Profile = Type.Required(AgentProfile);
/** A profile as it was published. */
const Published = Type.Object({
  profile: Profile,
  sig: Signature,
  /** Position in the order of the directory; absent in records of an older version. */
  number: Type.Optional(Type.Integer({ minimum: 1 })),
});
export type Published = Static<typeof Published>;

/** All durable state of a relay: identities and profiles. */
export interface Stores {
  readonly identities: Store<IdentityAnswer>;
  readonly profiles: Store<Published>;
  readonly held: Held;
  /** The damage that `--accept-damage` accepted at this start; null when there was none. */
  readonly accepted: string | null;
  close(): Promise<void>;
}

interface Held {
  readonly identities: Map<string, IdentityAnswer>;
  readonly profiles: Map<string, Published>;
}

const noop = async () => undefined;
const IN_MEMORY = { put: noop, delete: noop, settled: noop };
const IDENTITY = '!identity!';
const PROFILE = '!profile!';
const components = COMPONENTS as Record<string, TSchema>;
const isIdentity = Compile(components, IdentityAnswer);
const isPublished = Compile(components, Published);

/**
 * Open the stores.
 * @param folder created if it is missing, accessible to its owner only; null: nothing is stored.
 * @param acceptDamage use the readable records of a damaged folder instead of throwing.
 * @throws {StoreError} with a message of one line.
 */
export async function openStores(folder: string | null, acceptDamage: boolean): Promise<Stores> {
  if (folder === null) {
    const held = { identities: new Map<string, IdentityAnswer>(), profiles: new Map<string, Published>() };
    return { identities: IN_MEMORY, profiles: IN_MEMORY, held, accepted: null, close: noop };
  }
  let inspected = await inspect(folder);
  let { held, invalid } = parseRecords(inspected.records);
  const damage = inspected.damage ?? (invalid.length > 0 ? `${invalid.length} records are invalid` : null);
  let accepted: string | null = null;
  if (damage !== null) {
    const what = `--data-dir ${folder} is damaged: ${damage}`;
    if (!acceptDamage)
      throw new StoreError(
        `${what}; ${held.identities.size} handles can be read. Restore a backup of the whole folder, or start once with --accept-damage: anyone can then register the handles that are lost`,
      );
    inspected = await salvage(inspected);
    ({ held, invalid } = parseRecords(inspected.records));
    accepted = `${what}; ${held.identities.size} handles were kept`;
  }
  const ledger = await Ledger.open(inspected, damage !== null, invalid);
  return {
    identities: storeOf(ledger, IDENTITY),
    profiles: storeOf(ledger, PROFILE),
    held,
    accepted,
    close: () => ledger.close(),
  };
}

/** Parse and validate records. @returns them by kind, and the keys of the invalid ones. */
function parseRecords(records: ReadonlyMap<string, string>): { held: Held; invalid: string[] } {
  const held: Held = { identities: new Map(), profiles: new Map() };
  const invalid: string[] = [];
  for (const [key, text] of records) {
    const value = parsed(text);
    if (isIdentity.Check(value) && key === IDENTITY + value.handle) held.identities.set(value.handle, value);
    else if (isPublished.Check(value) && key === PROFILE + value.profile.handle)
      held.profiles.set(value.profile.handle, value);
    else invalid.push(key);
  }
  return { held, invalid };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function storeOf<T>(ledger: Ledger, prefix: string): Store<T> {
  const pending = new Map<string, Promise<void>>();
  const write = (handle: string, text: string | null): Promise<void> => {
    const written = ledger.put(prefix + handle, text);
    pending.set(handle, written);
    const done = () => {
      if (pending.get(handle) === written) pending.delete(handle);
    };
    written.then(done, done);
    return written;
  };
  return {
    put: (handle, value) => write(handle, JSON.stringify(value)),
    delete: (handle) => write(handle, null),
    settled: (handle) => pending.get(handle) ?? Promise.resolve(),
  };
}
