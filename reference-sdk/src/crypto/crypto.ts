import nacl from 'tweetnacl';
import { decodeBase64, encodeBase64 } from './base64.ts';
import { LIMITS } from '../wire/wire.gen.ts';

/** A sealed text as it goes on the wire: base64, standard alphabet, padded. */
export interface Sealed {
  readonly ciphertext: string;
  readonly nonce: string;
}

const encoder = new TextEncoder();
// A byte order mark is text like any other.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const TAG_BYTES = nacl.secretbox.overheadLength;
/** The longest text, in bytes of UTF-8. @see SEAL-9 */
export const MAX_TEXT_BYTES = (LIMITS.ciphertext_chars / 4) * 3 - TAG_BYTES;

/** @throws {RangeError} over MAX_TEXT_BYTES, or what UTF-8 cannot encode. @see SEAL-7 SEAL-9 */
export function utf8(text: string): Uint8Array {
  if (typeof text !== 'string') throw new TypeError('a text is a string');
  const bytes = encoder.encode(text);
  if (bytes.length > MAX_TEXT_BYTES)
    throw new RangeError(`a text has at most ${MAX_TEXT_BYTES} bytes of UTF-8, this one has ${bytes.length}`);
  if (decoder.decode(bytes) !== text)
    throw new RangeError('the text holds a lone surrogate, which UTF-8 cannot encode');
  return bytes;
}

/** @returns null for what is not UTF-8. @see SEAL-11 */
export function textOf(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes);
  } catch {
    return null;
  }
}

/**
 * Seal one text for a room.
 * @param key 32 bytes; borrowed, never logged.
 * @param nonce 24 bytes, for vectors alone; drawn afresh when absent.
 * @throws {RangeError} for a key of another length, a text over MAX_TEXT_BYTES, or one that UTF-8 cannot encode.
 * @see SEAL-6 SEAL-7 SEAL-8 SEAL-9
 */
export function seal(key: Uint8Array, text: string, nonce?: Uint8Array): Sealed {
  if (key.length !== nacl.secretbox.keyLength) throw new RangeError('a key has 32 bytes');
  const bytes = utf8(text);
  const used = nonce ?? crypto.getRandomValues(new Uint8Array(nacl.secretbox.nonceLength));
  return { ciphertext: encodeBase64(nacl.secretbox(bytes, used, key)), nonce: encodeBase64(used) };
}

/**
 * Open a sealed text.
 * @returns null when it cannot be opened: another key, damaged, not base64, not UTF-8.
 * @see SEAL-10 SEAL-11
 */
export function open(key: Uint8Array, { ciphertext, nonce }: Sealed): string | null {
  const form = { alphabet: 'either', padding: 'required' } as const;
  const box = decodeBase64(ciphertext, form);
  const used = decodeBase64(nonce, form);
  if (box === null || used?.length !== nacl.secretbox.nonceLength) return null;
  const bytes = nacl.secretbox.open(box, used, key);
  return bytes === null ? null : textOf(bytes);
}
