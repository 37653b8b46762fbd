import nacl from 'tweetnacl';
import { decodeBase64, FROM_WIRE } from './base64.ts';

/** PKCS#8 header: followed by a 32-byte seed, it is a private key that WebCrypto imports (RFC 8410). */
const PKCS8 = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/** Order of the base point; a signature's S must be below it. */
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
/** Prime of the field; a canonical y is below it. */
const PRIME = 2n ** 255n - 19n;
/** The y coordinates of the points of small order (their order divides 8). */
const SMALL_ORDER_Y: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  PRIME - 1n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
]);
/** Imported public keys that are cached. */
const MAX_KEYS = 1_000;

const encoder = new TextEncoder();
/** Undefined on pages without HTTPS. */
const subtle = (globalThis.crypto as { subtle?: SubtleCrypto }).subtle;

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/**
 * Whether these bytes are acceptable as a signing key: 32 bytes, a canonical y, and not a point of small order.
 * @see ID-7
 */
export function isSoundKey(signPub: Uint8Array): boolean {
  if (signPub.length !== nacl.sign.publicKeyLength) return false;
  const y = littleEndian(signPub) & ((1n << 255n) - 1n);
  return y < PRIME && !SMALL_ORDER_Y.has(y);
}

/** Signs with one seed. @returns the 64-byte signature of the text's UTF-8. */
export type Sign = (text: string) => Promise<Uint8Array>;

/** Sign with tweetnacl: a few hundred signatures a second. @param seed 32 bytes; kept. */
export function slowSigner(seed: Uint8Array): Sign {
  const { secretKey } = nacl.sign.keyPair.fromSeed(seed);
  return (text) => Promise.resolve(nacl.sign.detached(encoder.encode(text), secretKey));
}

/** Sign with WebCrypto where it supports Ed25519, else with tweetnacl. Both give the same signatures. @param seed 32 bytes; kept. */
export function signer(seed: Uint8Array): Sign {
  if (subtle === undefined) return slowSigner(seed);
  const imported = subtle
    .importKey('pkcs8', new Uint8Array([...PKCS8, ...seed]), 'Ed25519', false, ['sign'])
    .then(
      (key): Sign =>
        async (text) =>
          new Uint8Array(await subtle.sign('Ed25519', key, encoder.encode(text))),
      () => slowSigner(seed),
    );
  return async (text) => (await imported)(text);
}

type Check = (signature: Uint8Array, bytes: Uint8Array) => Promise<boolean>;
const checks = new Map<string, Promise<Check>>();

async function checkOf(signPub: Uint8Array): Promise<Check> {
  const slow: Check = (signature, bytes) =>
    Promise.resolve(nacl.sign.detached.verify(bytes, signature, signPub));
  if (subtle === undefined) return slow;
  try {
    const key = await subtle.importKey('raw', new Uint8Array(signPub), 'Ed25519', false, ['verify']);
    return (signature, bytes) =>
      subtle.verify('Ed25519', key, new Uint8Array(signature), new Uint8Array(bytes));
  } catch {
    return slow;
  }
}

/**
 * Verify a signature.
 * @param signPub 32 bytes, base64.
 * @param signature 64 bytes, base64.
 * @returns true only for the canonical signature of the text's UTF-8 under an acceptable key.
 * @see ID-7 ID-8
 */
export async function verify(signPub: string, text: string, signature: string): Promise<boolean> {
  const [key, bytes] = [decodeBase64(signPub, FROM_WIRE), decodeBase64(signature, FROM_WIRE)];
  if (key === null || bytes === null || !isSoundKey(key)) return false;
  if (bytes.length !== nacl.sign.signatureLength || littleEndian(bytes.subarray(32)) >= ORDER) return false;
  let check = checks.get(signPub);
  if (check === undefined) {
    if (checks.size >= MAX_KEYS) checks.clear();
    check = checkOf(key);
    checks.set(signPub, check);
  }
  return (await check)(bytes, encoder.encode(text));
}
