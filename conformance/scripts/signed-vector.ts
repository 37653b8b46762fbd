import { ed25519 } from '@noble/curves/ed25519.js';
import * as texts from './signed-texts.ts';
import { base64, bytes, urlSafe } from './vector-bytes.ts';

/** The input of a kind of signature, and the text that is signed. */
export interface Signed {
  readonly form: 'register' | 'request' | 'request-v2' | 'room-msg' | 'room-msg-v2' | 'dm' | 'profile-sig';
  readonly input: object;
  /** Canonical JSON, for a profile only. */
  readonly canonical?: string;
  readonly text: string;
}
export interface SignatureVector extends Signed {
  readonly name: string;
  readonly sign_pub: string;
  readonly signature: string;
  readonly valid: boolean;
}

export const alice = { seed: bytes('alice'), signPub: base64(ed25519.getPublicKey(bytes('alice'))) };
export const bob = { seed: bytes('bob'), signPub: base64(ed25519.getPublicKey(bytes('bob'))) };

/** @returns 64 bytes. */
export const signatureOf = (text: string, seed: Uint8Array = alice.seed) =>
  ed25519.sign(new TextEncoder().encode(text), seed);

export const register = (input: texts.Register): Signed => ({
  form: 'register',
  input,
  text: texts.register(input),
});
export const request = (input: Omit<texts.Request, 'body'>): Signed => ({
  form: 'request',
  input,
  text: texts.request(input),
});
export const request2 = (input: texts.Request): Signed => ({
  form: 'request-v2',
  input,
  text: texts.request2(input),
});
export const message = (input: texts.Message): Signed => ({
  form: 'room-msg',
  input,
  text: texts.message(input),
});
export const message2 = (input: texts.Message2, signPub = alice.signPub): Signed => ({
  form: 'room-msg-v2',
  input,
  text: texts.message2(input, signPub),
});
export const dm = (input: texts.DirectMessage): Signed => ({ form: 'dm', input, text: texts.dm(input) });
export const profile = (input: texts.Profile, canonical: string): Signed => ({
  form: 'profile-sig',
  input: { profile: input },
  canonical,
  text: texts.profile(input, canonical),
});

/** Sample inputs from which the vectors are derived. */
export const SAMPLE = {
  register: {
    handle: 'alice',
    register_ts: 1_790_000_000_000,
    box_pub: base64(bytes('box of alice')),
    sign_pub: alice.signPub,
  },
  request: {
    method: 'POST',
    target: '/api/rooms/DEMO7F3A/claims?wait=1',
    ts: 1_790_000_000_001,
    n: 'm7Qd0fXbT2sVw9Lk',
  },
  message: {
    room: 'DEMO7F3A',
    sender_ts: 1_790_000_000_002,
    sender_nonce: 'Zk3_x-8+Yw/0aQ==',
    ciphertext: base64(bytes('ciphertext')),
  },
  bound: { sender_handle: 'alice', nonce: base64(bytes('nonce').subarray(0, 24)) },
  dm: {
    to: 'bob',
    from_handle: 'alice',
    from_ts: 1_790_000_000_003,
    ciphertext: base64(bytes('ciphertext of a dm')),
    nonce: base64(bytes('nonce of a dm').subarray(0, 24)),
    sender_eph_pub: base64(bytes('ephemeral')),
  },
};

/** A vector with alice's valid signature. */
export function valid(name: string, of: Signed): SignatureVector {
  return {
    name: `${of.form}: ${name}`,
    ...of,
    sign_pub: alice.signPub,
    signature: base64(signatureOf(of.text)),
    valid: true,
  };
}

/** A vector with alice's signature of another text than the presented one. */
export function stolen(name: string, told: Signed, signedText: string): SignatureVector {
  return { ...valid(name, told), signature: base64(signatureOf(signedText)), valid: false };
}

/** The same vector with key and signature in URL-safe base64. */
export function inUrlAlphabet(name: string, of: Signed): SignatureVector {
  const vector = valid(name, of);
  return { ...vector, sign_pub: urlSafe(vector.sign_pub), signature: urlSafe(vector.signature) };
}
