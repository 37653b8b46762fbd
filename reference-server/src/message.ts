import { payloadOf, textFrame } from './encoding.ts';

/** The signature fields of a signed message, as posted. @see SIGN-5 */
export interface MessageSignature {
  readonly handle: string;
  readonly ts: number;
  readonly nonce: string;
  readonly sig: string;
  readonly sig2: string | undefined;
}

/** A validated message before it has a seq. */
export interface Draft {
  /** The sender label; `@handle` for a signed message. */
  readonly sender: string;
  readonly signature: MessageSignature | undefined;
  readonly signedOnly: boolean;
  readonly ciphertext: string;
  readonly nonce: string;
  /** Time to live in ms; 0: no expiry of its own. */
  readonly ttlMs: number;
  readonly replyTo: string | undefined;
  readonly ext: string | undefined;
}

const TYPE = '{"type":"message",';

/** The WebSocket text frame of a message. Only validated fields are included. @see MSG-2 MSG-11 */
export function frameOf(draft: Draft, seq: number, id: string, ts: number): Buffer {
  const { sender, signature, signedOnly, ciphertext, nonce, ttlMs, replyTo, ext } = draft;
  return textFrame(
    `${TYPE}"seq":${seq},"id":"${id}","sender":${JSON.stringify(sender)},"sender_verified":${signature !== undefined},` +
      `"ciphertext":"${ciphertext}","nonce":"${nonce}","ts":${ts}` +
      (ttlMs === 0 ? '' : `,"ttl_ms":${ttlMs}`) +
      (replyTo === undefined ? '' : `,"reply_to":"${replyTo}"`) +
      (ext === undefined ? '' : `,"ext":"${ext}"`) +
      (signature === undefined ? '}' : signatureFields(signature, signedOnly)),
  );
}

/** The JSON of a message as reads return it, without `type` and without the opening brace; shares memory with the frame. */
export function fieldsOf(frame: Buffer): Buffer {
  return payloadOf(frame).subarray(TYPE.length);
}

/** The end of a signed message's JSON. The values are validated: none contains a character that needs escaping. @see SIGN-5 */
function signatureFields({ handle, ts, nonce, sig, sig2 }: MessageSignature, signedOnly: boolean): string {
  return (
    `,"sender_handle":"${handle}","sender_ts":${ts},"sender_nonce":"${nonce}","sender_sig":"${sig}"` +
    (sig2 === undefined ? '' : `,"sender_sig2":"${sig2}"`) +
    (signedOnly ? ',"signed_only":true}' : '}')
  );
}

const CIPHERTEXT = ',"ciphertext":"';

/** The ciphertext in a frame of `frameOf`. The search is safe: in all text before it, quotes are escaped. */
export function ciphertextOf(frame: Buffer): Buffer {
  const from = frame.indexOf(CIPHERTEXT) + CIPHERTEXT.length;
  return frame.subarray(from, frame.indexOf('"', from));
}
