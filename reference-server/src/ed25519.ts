import { createHash, createPublicKey, verify, type KeyObject } from 'node:crypto';

/** Order L of the base point, little-endian. @see ID-8 */
const ORDER = Buffer.from('edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010', 'hex');
const P = 2n ** 255n - 19n;
/** The constant d of the curve -x² + y² = 1 + dx²y². */
const D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;
/** Encodings of the points whose order divides 8 (small order): y, little-endian, without the sign bit of x. @see ID-7 */
const SMALL_ORDER: ReadonlySet<string> = new Set([
  `00${'00'.repeat(31)}`,
  `01${'00'.repeat(31)}`,
  `ec${'ff'.repeat(30)}7f`,
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
]);
/** DER prefix of an Ed25519 SubjectPublicKeyInfo; the 32 bytes of the key follow. */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

export function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

/** Decode base64, standard or URL-safe. */
export function bytesOf(base64: string): Buffer {
  return Buffer.from(base64, 'base64');
}

function isBelow(a: Buffer, limit: Buffer): boolean {
  for (let i = 31; i >= 0; i--) {
    const [x = 0, y = 0] = [a[i], limit[i]];
    if (x !== y) return x < y;
  }
  return false;
}

function power(base: bigint, exponent: bigint): bigint {
  let [result, square] = [1n, base % P];
  for (let left = exponent; left > 0n; left >>= 1n) {
    if ((left & 1n) === 1n) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}

/** Whether y has an x on the curve: if (y² - 1)(dy² + 1) is a square modulo P. */
function isOnCurve(y: bigint): boolean {
  const y2 = (y * y) % P;
  return power((y2 - 1n + P) * (D * y2 + 1n), (P - 1n) / 2n) !== P - 1n;
}

/** Whether these 32 bytes are a valid public key: the canonical encoding of a point that is not of small order. @see ID-7 */
export function isSoundKey(key: Buffer): boolean {
  const bytes = Buffer.from(key);
  bytes[31] = (bytes[31] ?? 0) & 0x7f;
  if (SMALL_ORDER.has(bytes.toString('hex'))) return false;
  const y = BigInt(`0x${bytes.reverse().toString('hex')}`);
  return y < P && isOnCurve(y);
}

/** @param key 32 bytes. */
export function keyObject(key: Buffer): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, key]), format: 'der', type: 'spki' });
}

/** Verify a signature. @param signature base64 of 64 bytes; anything else is invalid. @see ID-8 */
export function verifies(text: string, signature: string, key: KeyObject): boolean {
  const bytes = bytesOf(signature);
  if (bytes.length !== 64 || !isBelow(bytes.subarray(32), ORDER)) return false;
  return verify(null, Buffer.from(text), key, bytes);
}
