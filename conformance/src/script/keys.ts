/** Handles and keys of the suite, and registrations. Keys are derived from the seed; timestamps are not. */
import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { registerText } from '@bot2bot/schemas';
import { Random } from './random.ts';

/** DER prefix of an Ed25519 private key in PKCS#8 (RFC 8410); the 32-byte seed follows. */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');
const KEY_BYTES = 32;

export interface Identity {
  readonly handle: string;
  /** 32 bytes, base64. Never used for encryption. */
  readonly boxPub: string;
  /** 32 bytes, base64. */
  readonly signPub: string;
  /** Sign a text. @returns 64 bytes, base64. */
  readonly sign: (text: string) => string;
}

/** @param seed 32 bytes: the private key. @param box 32 bytes: the public encryption key. */
export function identityOf(handle: string, seed: Buffer, box: Buffer): Identity {
  const secret = createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, seed]), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(secret).export({ format: 'der', type: 'spki' });
  return {
    handle,
    boxPub: box.toString('base64'),
    signPub: spki.subarray(-KEY_BYTES).toString('base64'),
    sign: (text) => sign(null, Buffer.from(text), secret).toString('base64'),
  };
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** An identity derived from these words. @param handle default: a unique one. */
export function madeIdentity(words: readonly (string | number)[], handle?: string): Identity {
  const random = new Random(...words);
  return identityOf(handle ?? `t${random.bytes(12).toString('hex')}`, random.bytes(32), random.bytes(32));
}

/** The identity of an agent that the cases of a run share. */
export function sharedAgent({ salt, seed }: { salt: string; seed: number }, index: number): Identity {
  return madeIdentity([salt, seed, 'shared', index]);
}

/** The body of a registration. @param ts Unix ms. @see ID-1 */
export function registrationOf(
  { handle, boxPub, signPub, sign: signText }: Identity,
  ts = Date.now(),
): Record<string, unknown> {
  const register_sig = signText(registerText(handle, ts, boxPub, signPub));
  return { handle, box_pub: boxPub, sign_pub: signPub, register_ts: ts, register_sig };
}
