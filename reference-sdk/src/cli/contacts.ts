import type { Contact, Contacts } from '../agents/inbox.ts';
import { fileError, readPrivate, replacePrivate } from '../node/private-file.ts';

const MAX_BYTES = 4 << 20;

function isContact(value: unknown): value is Contact {
  const { introduced, asked, accepted } = (value ?? {}) as Readonly<Record<string, unknown>>;
  return [introduced, asked, accepted].every((one) => typeof one === 'boolean');
}

/**
 * Store an identity's contacts in a file: JSON, keyed by relay and handle, mode 0600.
 * @throws {Bot2BotError} private-file, also by `get` and `set`.
 * @see DM-9
 */
export function openContacts(path: string, base: string): Contacts {
  const read = (): Map<string, unknown> => {
    const bytes = readPrivate(path, MAX_BYTES);
    if (bytes === null) return new Map();
    try {
      return new Map(Object.entries(JSON.parse(bytes.toString()) as object));
    } catch (cause) {
      throw fileError(`${path} is not a contacts file; restore it from a backup, or move it away`, cause);
    }
  };
  const keyOf = (handle: string) => `${base} @${handle}`;
  return {
    get: (handle) => {
      const kept = read().get(keyOf(handle));
      return isContact(kept) ? kept : undefined;
    },
    set: (handle, contact) => {
      const all = read().set(keyOf(handle), contact);
      replacePrivate(path, Buffer.from(`${JSON.stringify(Object.fromEntries(all))}\n`));
    },
  };
}
