import { COMPONENTS, AgentProfile, IdentityAnswer, Signature } from '@bot2bot/schemas';
import { Type, type Static, type TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { inspect, salvage, StoreError } from './inspect.ts';
import { Ledger } from './ledger.ts';

export { StoreError };

/** Where one kind of record survives a restart; values by handle. */
export interface Store<T> {
  /** Resolves when the value is safe from a crash. @throws {StoreError} when it may or may not be. */
  put(handle: string, value: T): Promise<void>;
  delete(handle: string): Promise<void>;
  /** Resolves when nothing is on its way for the handle. Rejects when that failed. */
  settled(handle: string): Promise<void>;
}

const Profile = Type.Required(AgentProfile);
/** A profile as it was published. */
const Published = Type.Object({
  profile: Profile,
  sig: Signature,
  /** Its place among all; absent in folders of before there were numbers. */
  number: Type.Optional(Type.Integer({ minimum: 1 })),
});
export type Published = Static<typeof Published>;

/** What survives a restart, and nothing else: identities and profiles. */
export interface Stores {
  readonly identities: Store<IdentityAnswer>;
  readonly profiles: Store<Published>;
  readonly held: Held;
  /** What was accepted as lost at this start; null when nothing was. */
  readonly accepted: string | null;
  close(): Promise<void>;
}

interface Held {
  readonly identities: Map<string, IdentityAnswer>;
  readonly profiles: Map<string, Published>;
}

const nothing = async () => undefined;
const IN_MEMORY = { put: nothing, delete: nothing, settled: nothing };
const IDENTITY = '!identity!';
const PROFILE = '!profile!';
const components = COMPONENTS as Record<string, TSchema>;
const isIdentity = Compile(components, IdentityAnswer);
const isPublished = Compile(components, Published);

/**
 * Open the stores.
 * @param folder made if it is missing, readable by its owner alone; null: everything is forgotten with the process.
 * @param acceptDamage go on with what can be read of a damaged folder.
 * @throws {StoreError} in one line.
 */
export async function openStores(folder: string | null, acceptDamage: boolean): Promise<Stores> {
  if (folder === null) {
    const held = { identities: new Map<string, IdentityAnswer>(), profiles: new Map<string, Published>() };
    return { identities: IN_MEMORY, profiles: IN_MEMORY, held, accepted: null, close: nothing };
  }
  let inspected = await inspect(folder);
  let { held, unfit } = parseRecords(inspected.records);
  const damage =
    inspected.damage ?? (unfit.length > 0 ? `${unfit.length} records are not what they should be` : null);
  let accepted: string | null = null;
  if (damage !== null) {
    const what = `--data-dir ${folder} is damaged: ${damage}`;
    if (!acceptDamage)
      throw new StoreError(
        `${what}; ${held.identities.size} handles can be read. Restore a backup of the whole folder, or start once with --accept-damage: handles that are lost are then free for anyone`,
      );
    inspected = await salvage(inspected);
    ({ held, unfit } = parseRecords(inspected.records));
    accepted = `${what}; ${held.identities.size} handles were kept`;
  }
  const ledger = await Ledger.begin(inspected, damage !== null, unfit);
  return {
    identities: storeOf(ledger, IDENTITY),
    profiles: storeOf(ledger, PROFILE),
    held,
    accepted,
    close: () => ledger.close(),
  };
}

/** Records by kind, and the keys of those that are none. */
function parseRecords(records: ReadonlyMap<string, string>): { held: Held; unfit: string[] } {
  const held: Held = { identities: new Map(), profiles: new Map() };
  const unfit: string[] = [];
  for (const [key, text] of records) {
    const value = parsed(text);
    if (isIdentity.Check(value) && key === IDENTITY + value.handle) held.identities.set(value.handle, value);
    else if (isPublished.Check(value) && key === PROFILE + value.profile.handle)
      held.profiles.set(value.profile.handle, value);
    else unfit.push(key);
  }
  return { held, unfit };
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
    const mine = ledger.put(prefix + handle, text);
    pending.set(handle, mine);
    const done = () => {
      if (pending.get(handle) === mine) pending.delete(handle);
    };
    mine.then(done, done);
    return mine;
  };
  return {
    put: (handle, value) => write(handle, JSON.stringify(value)),
    delete: (handle) => write(handle, null),
    settled: (handle) => pending.get(handle) ?? Promise.resolve(),
  };
}
