/** The suite's own agents: their keys, and what they sign with them. */
import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import {
  AUTH_SCHEME,
  messageText,
  messageText2,
  registerText,
  requestText,
  requestText2,
} from '@bot2bot/schemas';

/** PrivateKeyInfo of an Ed25519 key, up to the 32 bytes of its seed. */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');
/** Bytes of a SubjectPublicKeyInfo before the key's 32. */
const SPKI_HEAD_BYTES = 12;

export interface Identity {
  readonly handle: string;
  /** Base64, standard alphabet. */
  readonly signPub: string;
  readonly boxPub: string;
  /** @returns base64 of the 64 bytes of the signature of the text's UTF-8. */
  sign(text: string): string;
}

/** @param seed 32 bytes; the same make the same keys. */
export function identityOf(handle: string, seed: Buffer): Identity {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, seed]), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return {
    handle,
    signPub: spki.subarray(SPKI_HEAD_BYTES).toString('base64'),
    boxPub: createHash('sha256').update('box').update(seed).digest('base64'),
    sign: (text) => sign(null, Buffer.from(text), key).toString('base64'),
  };
}

export function sha256(data: string): string {
  return createHash('sha256').update(data).digest('hex');
}

/** The body of a registration. @param given what differs from a valid one; it is signed as it is then. @see ID-1 */
export function registration(
  identity: Identity,
  given: { ts?: number; handle?: string; boxPub?: string; signPub?: string } = {},
) {
  const {
    ts = Date.now(),
    handle = identity.handle,
    boxPub = identity.boxPub,
    signPub = identity.signPub,
  } = given;
  return {
    handle,
    box_pub: boxPub,
    sign_pub: signPub,
    register_ts: ts,
    register_sig: identity.sign(registerText(handle, ts, boxPub, signPub)),
  };
}

export interface RequestSigning {
  readonly form: 1 | 2;
  readonly ts: number;
  readonly n: string;
  /** Makes the signature of the text, base64; by default the right one. */
  readonly sign?: (text: string) => string;
}

/** The `Authorization` header of a signed request. @param target path and query as sent. @see REQ-1 REQ-6 */
export function authorization(
  identity: Identity,
  request: { method: string; target: string; body: string },
  { form, ts, n, sign: signature = identity.sign }: RequestSigning,
): string {
  const { method, target, body } = request;
  const text =
    form === 1 ? requestText(method, target, ts, n) : requestText2(method, target, ts, n, sha256(body));
  return `${AUTH_SCHEME} ${form === 2 ? 'v=2,' : ''}ts=${ts},n=${n},sig=${signature(text)}`;
}

/** What a message that is to be signed says; all of it but these is nobody's to sign. */
export interface Signable {
  readonly ciphertext: string;
  readonly nonce: string;
  readonly ttl_ms?: number;
  readonly reply_to?: string;
  readonly signed_only?: boolean;
  readonly ext?: string;
}

/** The fields that sign a message. @param form2 whether `sender_sig2` is among them. @see SIGN-1 SIGN-6 */
export function signatureFields(
  identity: Identity,
  room: string,
  message: Signable,
  { ts, n, form2 }: { ts: number; n: string; form2: boolean },
) {
  const ciphertextSha256 = sha256(message.ciphertext);
  const bound = () =>
    messageText2({
      room,
      handle: identity.handle,
      signPub: identity.signPub,
      ts,
      senderNonce: n,
      ciphertextSha256,
      nonce: message.nonce,
      ttlMs: message.ttl_ms ?? 0,
      replyTo: message.reply_to,
      signedOnly: message.signed_only ?? false,
      extSha256: sha256(message.ext ?? ''),
    });
  return {
    sender_handle: identity.handle,
    sender_ts: ts,
    sender_nonce: n,
    sender_sig: identity.sign(messageText(room, ts, n, ciphertextSha256)),
    ...(form2 ? { sender_sig2: identity.sign(bound()) } : {}),
  };
}
