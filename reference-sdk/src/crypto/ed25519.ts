import nacl from 'tweetnacl';
import { decodeBase64 } from './base64.ts';

/** In front of a seed, this makes a private key in the form that WebCrypto imports (RFC 8410). */
const PKCS8 = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const PRIME = 2n ** 255n - 19n;
/** The y of the points whose order divides 8. */
const SMALL_ORDER_Y: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  PRIME - 1n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
]);
const EITHER = { alphabet: 'either', padding: 'required' } as const;
const MOST_KEYS = 1_000;

const encoder = new TextEncoder();
/** Missing on pages without https. */
const subtle = (globalThis.crypto as { subtle?: SubtleCrypto }).subtle;

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/**
 * Whether bytes may be a key that signatures are checked with: 32 of them, canonical, and of no small order.
 * @see ID-7
 */
export function goodKey(signPub: Uint8Array): boolean {
  if (signPub.length !== nacl.sign.publicKeyLength) return false;
  const y = littleEndian(signPub) & ((1n << 255n) - 1n);
  return y < PRIME && !SMALL_ORDER_Y.has(y);
}

/** Makes the signatures of one seed. @param seed 32 bytes; kept. */
export type Sign = (text: string) => Promise<Uint8Array>;

/** Signs with tweetnacl, some hundreds of times a second. */
export function slowSigner(seed: Uint8Array): Sign {
  const { secretKey } = nacl.sign.keyPair.fromSeed(seed);
  return (text) => Promise.resolve(nacl.sign.detached(encoder.encode(text), secretKey));
}

/** Signs with WebCrypto where it can, else with tweetnacl; the signatures are the same. */
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
 * Check a signature.
 * @param signPub base64 of 32 bytes. @param signature base64 of 64 bytes.
 * @returns false for anything that is not the one signature which the key made of the text.
 * @see ID-7 ID-8
 */
export async function verify(signPub: string, text: string, signature: string): Promise<boolean> {
  const [key, bytes] = [decodeBase64(signPub, EITHER), decodeBase64(signature, EITHER)];
  if (key === null || bytes === null || !goodKey(key)) return false;
  if (bytes.length !== nacl.sign.signatureLength || littleEndian(bytes.subarray(32)) >= ORDER) return false;
  let check = checks.get(signPub);
  if (check === undefined) {
    if (checks.size >= MOST_KEYS) checks.clear();
    check = checkOf(key);
    checks.set(signPub, check);
  }
  return (await check)(bytes, encoder.encode(text));
}
