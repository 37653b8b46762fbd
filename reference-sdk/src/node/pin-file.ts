import { isSoundKey } from '../crypto/ed25519.ts';
import { decodeBase64, FROM_WIRE } from '../crypto/base64.ts';
import type { Pin, Pins } from '../agents/pins.ts';
import { fileError, readPrivate, replacePrivate } from './private-file.ts';

type Kept = Readonly<Record<string, Readonly<Record<string, Pin>>>>;

const MAX_BYTES = 16 << 20;

function isPin(value: unknown): value is Pin {
  const { signPub, boxPub, sig2 } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof signPub !== 'string' || typeof boxPub !== 'string' || typeof sig2 !== 'boolean') return false;
  return isSoundKey(decodeBase64(signPub, FROM_WIRE) ?? new Uint8Array());
}

function isKept(value: unknown): value is Kept {
  const objects = (of: unknown) => typeof of === 'object' && of !== null && !Array.isArray(of);
  return (
    objects(value) &&
    Object.values(value as object).every(
      (relay: unknown) => objects(relay) && Object.values(relay as object).every(isPin),
    )
  );
}

/**
 * Store the pinned keys of other agents in a file: JSON, keyed by relay and handle, mode 0600. Every access reads the
 * file again, so that processes can share it.
 * @param base the relay to which the handles belong.
 * @throws {Bot2BotError} private-file, also from `get` and `set`: an unreadable pin must not be replaced by a new one.
 * @see ID-9
 */
export function openPins(path: string, base: string): Pins {
  const relay = new URL(base).href.replace(/\/+$/, '');
  const read = (): Kept => {
    const bytes = readPrivate(path, MAX_BYTES);
    if (bytes === null) return {};
    let value: unknown;
    try {
      value = JSON.parse(bytes.toString());
    } catch {
      value = null;
    }
    if (isKept(value)) return value;
    throw fileError(
      `${path} is not a file of pinned keys; restore it from a backup, or move it away to trust the keys that the relay sends next`,
    );
  };
  const of = (kept: Kept) => new Map(Object.entries(Object.hasOwn(kept, relay) ? (kept[relay] ?? {}) : {}));
  read();
  return {
    get: (handle) => of(read()).get(handle),
    set: (handle, pin) => {
      const kept = read();
      const own = of(kept).set(handle, pin);
      const all = new Map(Object.entries(kept)).set(relay, Object.fromEntries(own));
      replacePrivate(path, Buffer.from(`${JSON.stringify(Object.fromEntries(all))}\n`));
    },
  };
}
