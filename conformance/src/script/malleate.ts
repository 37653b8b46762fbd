import { createHash } from 'node:crypto';

/** Order L of the base point of Ed25519. */
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

function littleEndian(bytes: Buffer): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}

/** A malleated signature of the same text and key: S is replaced by S + L. @param sig base64 of 64 bytes. */
export function malleated(sig: string): string {
  const bytes = Buffer.from(sig, 'base64');
  const scalar = littleEndian(bytes.subarray(32)) + ORDER;
  const raised = Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex').reverse();
  return Buffer.concat([bytes.subarray(0, 32), raised]).toString('base64');
}

/** R is the neutral point and S is 0: valid under every key of small order for a text whose challenge is divisible by 8. */
export const NEUTRAL_SIG = Buffer.from(`01${'00'.repeat(63)}`, 'hex').toString('base64');
const COFACTOR = 8n;

/** Whether NEUTRAL_SIG is valid for a text under a key of small order. @param key 32 bytes. */
export function isForged(key: Buffer, text: string): boolean {
  const r = Buffer.from(NEUTRAL_SIG, 'base64').subarray(0, 32);
  const challenge = createHash('sha512').update(r).update(key).update(text).digest();
  return (littleEndian(challenge) % ORDER) % COFACTOR === 0n;
}
