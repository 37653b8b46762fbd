import nacl from 'tweetnacl';
import { decodeBase64, encodeBase64, FROM_WIRE } from './base64.ts';
import { LIMITS } from '../wire/wire.gen.ts';

/** A sealed text as it is sent: base64, standard alphabet, padded. */
export interface Sealed {
  readonly ciphertext: string;
  readonly nonce: string;
}

const encoder = new TextEncoder();
// Without `ignoreBOM`, decoding would drop a leading byte order mark from the text.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const TAG_BYTES = nacl.secretbox.overheadLength;
/** The longest text, in bytes of UTF-8. @see SEAL-9 */
export const MAX_TEXT_BYTES = (LIMITS.ciphertext_chars / 4) * 3 - TAG_BYTES;

/**
 * Encode a text as UTF-8.
 * @throws {RangeError} when the text has more than MAX_TEXT_BYTES, or a lone surrogate.
 * @see SEAL-7 SEAL-9
 */
export function utf8(text: string): Uint8Array {
  if (typeof text !== 'string') throw new TypeError('the text is not a string');
  const bytes = encoder.encode(text);
  if (bytes.length > MAX_TEXT_BYTES)
    throw new RangeError(`a text has at most ${MAX_TEXT_BYTES} bytes of UTF-8, this one has ${bytes.length}`);
  if (decoder.decode(bytes) !== text)
    throw new RangeError('the text holds a lone surrogate, which UTF-8 cannot encode');
  return bytes;
}

/** Decode UTF-8. @returns null when the bytes are not valid UTF-8. @see SEAL-11 */
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
 * @param nonce 24 bytes, for test vectors only; random when absent.
 * @throws {RangeError} when the key has another length, or `text` is over MAX_TEXT_BYTES or has a lone surrogate.
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
 * @returns null when it cannot be opened: wrong key, damaged, not base64, or not UTF-8.
 * @see SEAL-10 SEAL-11
 */
export function open(key: Uint8Array, { ciphertext, nonce }: Sealed): string | null {
  const box = decodeBase64(ciphertext, FROM_WIRE);
  const used = decodeBase64(nonce, FROM_WIRE);
  if (box === null || used?.length !== nacl.secretbox.nonceLength) return null;
  const bytes = nacl.secretbox.open(box, used, key);
  return bytes === null ? null : textOf(bytes);
}
