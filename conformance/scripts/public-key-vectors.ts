import { ed25519, ED25519_TORSION_SUBGROUP } from '@noble/curves/ed25519.js';
import { base64, bytes, urlSafe } from './vector-bytes.ts';

interface PublicKey {
  readonly name: string;
  readonly sign_pub: string;
  readonly valid: boolean;
}

const { Point } = ed25519;
const PRIME = 2n ** 255n - 19n;

/** The 32-byte encoding of a point: y, little-endian, with the sign of x in the highest bit. */
function encoded(y: bigint, sign: 0 | 1 = 0): Uint8Array {
  return Buffer.from((y | (BigInt(sign) << 255n)).toString(16).padStart(64, '0'), 'hex').reverse();
}

const key = ed25519.getPublicKey(bytes('alice'));
const text = base64(key);
const [, generator = ''] = ED25519_TORSION_SUBGROUP;
const mixed = Point.fromBytes(key).add(Point.fromHex(generator));

const good: Readonly<Record<string, Uint8Array>> = {
  'of a seed': key,
  'the first of RFC 8032': Buffer.from(
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    'hex',
  ),
  'the base point': Point.BASE.toBytes(),
  'the base point, negated': Point.BASE.negate().toBytes(),
  'y = 3': encoded(3n),
  'y = 3, x negative': encoded(3n, 1),
  'the sum of a key and a point of order 8': mixed.toBytes(),
};
const bad: Readonly<Record<string, Uint8Array>> = {
  ...Object.fromEntries(
    ED25519_TORSION_SUBGROUP.map((hex, times) => [
      `small order, ${times} times the point of order 8`,
      Buffer.from(hex, 'hex'),
    ]),
  ),
  'small order, y = 1, x = -0': encoded(1n, 1),
  'small order, y = p - 1, x = -0': encoded(PRIME - 1n, 1),
  'not canonical, y = p': encoded(PRIME),
  'not canonical, y = p, x negative': encoded(PRIME, 1),
  'not canonical, y = p + 1': encoded(PRIME + 1n),
  'not canonical, y = p + 1, x = -0': encoded(PRIME + 1n, 1),
  'not canonical, y = p + 3, not of small order': encoded(PRIME + 3n),
  'not canonical, y = p + 3, not of small order, x negative': encoded(PRIME + 3n, 1),
  'not canonical, y = p + 18, all bits but one': encoded(PRIME + 18n),
  'not canonical, y = p + 18, all bits': encoded(PRIME + 18n, 1),
  'no point, y = 2': encoded(2n),
  'no point, y = 2, x negative': encoded(2n, 1),
  'no point, y = 7': encoded(7n),
  'no point, y = p + 2': encoded(PRIME + 2n),
  'no bytes': new Uint8Array(),
  '31 bytes': key.subarray(0, 31),
  '33 bytes': new Uint8Array([...key, 0]),
  '64 bytes': new Uint8Array([...key, ...key]),
};
const badText: Readonly<Record<string, string>> = {
  'without padding': text.replace('=', ''),
  'a mixture of the alphabets': text.replace('/', '_'),
  'base64 that is not canonical': text.replace('s=', 't='),
  'a line end': `${text}\n`,
  hexadecimal: Buffer.from(key).toString('hex'),
};

/** @see ID-2 ID-7 */
export const publicKeys: readonly PublicKey[] = [
  ...Object.entries(good).map(([name, data]) => ({ name, sign_pub: base64(data), valid: true })),
  { name: 'of a seed, in the URL alphabet', sign_pub: urlSafe(text), valid: true },
  ...Object.entries(bad).map(([name, data]) => ({ name, sign_pub: base64(data), valid: false })),
  ...Object.entries(badText).map(([name, sign_pub]) => ({ name, sign_pub, valid: false })),
];
