import { payloadOf, textFrame } from './encoding.ts';
import type { RoomLog } from './log.ts';

/** What makes a message signed, as posted. @see SIGN-5 */
export interface MessageSignature {
  readonly handle: string;
  readonly ts: number;
  readonly nonce: string;
  readonly sig: string;
  readonly sig2: string | undefined;
}

/** What a client posted, validated. */
export interface Draft {
  /** The label; of a signed message, the handle with its `@`. */
  readonly sender: string;
  readonly signature: MessageSignature | undefined;
  readonly signedOnly: boolean;
  readonly ciphertext: string;
  readonly nonce: string;
  /** 0: does not expire. */
  readonly ttlMs: number;
  readonly replyTo: string | undefined;
  readonly ext: string | undefined;
}

/** A message's place in a room. */
export class Entry {
  readonly log: RoomLog;
  readonly seq: number;
  readonly id: string;
  readonly sender: string;
  /** Handle that signed it. */
  readonly handle: string | undefined;
  readonly expiresAt: number;
  readonly ts: number;
  readonly nonce: string;
  /** Whose account its bytes are on. */
  account = '';
  /** The message as a WebSocket text frame, of which all other forms are made; null once it has expired or was evicted. */
  frame: Buffer | null;
  /** The same as an event, while that is cached. */
  event: Buffer | null = null;

  constructor(
    log: RoomLog,
    place: { seq: number; id: string; ts: number; expiresAt: number },
    draft: Draft,
    frame: Buffer,
  ) {
    this.log = log;
    this.seq = place.seq;
    this.id = place.id;
    this.ts = place.ts;
    this.expiresAt = place.expiresAt;
    this.sender = draft.sender;
    this.handle = draft.signature?.handle;
    this.nonce = draft.nonce;
    this.frame = frame;
  }

  get live(): boolean {
    return this.frame !== null;
  }

  /** Its JSON as reads return it, without the first brace; empty when it is gone. */
  get fields(): Buffer {
    return this.frame === null ? EMPTY : payloadOf(this.frame).subarray(TYPE.length);
  }

  /** Its JSON as reads return it. */
  get json(): Buffer {
    return Buffer.concat([OPEN, this.fields]);
  }
}

const EMPTY = Buffer.alloc(0);
const OPEN = Buffer.from('{');
const TYPE = '{"type":"message",';

/** A message as it is delivered, from validated fields alone. @see MSG-2 MSG-11 */
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

/** The end of a signed message's JSON. The texts have been checked: none needs escaping. @see SIGN-5 */
function signatureFields({ handle, ts, nonce, sig, sig2 }: MessageSignature, signedOnly: boolean): string {
  return (
    `,"sender_handle":"${handle}","sender_ts":${ts},"sender_nonce":"${nonce}","sender_sig":"${sig}"` +
    (sig2 === undefined ? '' : `,"sender_sig2":"${sig2}"`) +
    (signedOnly ? ',"signed_only":true}' : '}')
  );
}

const CIPHERTEXT = ',"ciphertext":"';

/** The ciphertext of a message that is held. In front of it stands nothing in which a quote is not escaped. */
export function ciphertextOf(frame: Buffer): Buffer {
  const from = frame.indexOf(CIPHERTEXT) + CIPHERTEXT.length;
  return frame.subarray(from, frame.indexOf('"', from));
}
