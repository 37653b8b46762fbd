import { sha256 as hash } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';

/**
 * SHA-256 of a text. WebCrypto's digest is asynchronous and does not exist on pages without HTTPS.
 * @param text public data: a request body, a base64 ciphertext or a canonical profile.
 * @returns the hash of the text's UTF-8 bytes, 64 lower-case hexadecimal digits.
 */
export function sha256(text: string): string {
  return bytesToHex(hash(utf8ToBytes(text)));
}
