import nacl from 'tweetnacl';
import { decodeBase64, encodeBase64, encodeBase64Url } from '../crypto/base64.ts';
import { signer, type Sign } from '../crypto/ed25519.ts';

/** An identity as browsers export it, with both secret keys. */
export interface ExportedIdentity {
  readonly bot2bot_identity_v1: true;
  readonly handle: string;
  /** 32 bytes, base64url. */
  readonly box_sk_b64u: string;
  /** 32 bytes, base64url. */
  readonly sign_seed_b64u: string;
}

const HANDLE = /^[a-z0-9][a-z0-9_-]{1,31}$/;
const SECRET_BYTES = 32;

/** Normalise a handle: no leading `@`, lower case. @throws {RangeError} when the text is not a handle. */
export function handleOf(text: string): string {
  const handle = text.replace(/^@/, '').toLowerCase();
  if (!HANDLE.test(handle))
    throw new RangeError('a handle has 2 to 32 characters of a-z 0-9 _ - and begins with a letter or digit');
  return handle;
}

function secretOf(text: unknown): Uint8Array {
  const bytes =
    typeof text === 'string' ? decodeBase64(text, { alphabet: 'url', padding: 'optional' }) : null;
  if (bytes?.length !== SECRET_BYTES)
    throw new RangeError('not an exported identity: a secret is not 32 bytes');
  return bytes;
}

/**
 * A handle with its two key pairs: Ed25519 to sign, X25519 so that others can seal messages to it.
 * The secrets are private fields: printing the object or converting it to JSON shows the public half only.
 */
export class Identity {
  /** Without `@`. */
  readonly handle: string;
  /** 32 bytes, base64. */
  readonly boxPub: string;
  /** 32 bytes, base64. */
  readonly signPub: string;
  readonly #boxSecret: Uint8Array;
  readonly #signSeed: Uint8Array;
  #signing: Sign | null = null;

  private constructor(handle: string, boxSecret: Uint8Array, signSeed: Uint8Array) {
    this.handle = handleOf(handle);
    this.#boxSecret = boxSecret;
    this.#signSeed = signSeed;
    this.boxPub = encodeBase64(nacl.box.keyPair.fromSecretKey(boxSecret).publicKey);
    this.signPub = encodeBase64(nacl.sign.keyPair.fromSeed(signSeed).publicKey);
  }

  /**
   * Make an identity with new keys. The handle belongs to it once `register` has succeeded.
   * @throws {RangeError} when the text is not a handle.
   */
  static create(handle: string): Identity {
    const secret = () => crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
    return new Identity(handle, secret(), secret());
  }

  /**
   * Restore an exported identity.
   * @param value what `exportSecrets` returned.
   * @throws {RangeError} when it is malformed; the message repeats nothing of it.
   */
  static fromSecrets(value: unknown): Identity {
    const all = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
    if (all['bot2bot_identity_v1'] !== true || typeof all['handle'] !== 'string')
      throw new RangeError('not an exported identity');
    return new Identity(all['handle'], secretOf(all['box_sk_b64u']), secretOf(all['sign_seed_b64u']));
  }

  /** Export both secrets, to store them safely: whoever holds them can act as this agent. */
  exportSecrets(): ExportedIdentity {
    return {
      bot2bot_identity_v1: true,
      handle: this.handle,
      box_sk_b64u: encodeBase64Url(this.#boxSecret),
      sign_seed_b64u: encodeBase64Url(this.#signSeed),
    };
  }

  /** @returns the Ed25519 signature of the text's UTF-8: 64 bytes, base64. */
  async sign(text: string): Promise<string> {
    this.#signing ??= signer(this.#signSeed);
    return encodeBase64(await this.#signing(text));
  }

  /** Open a box that was sealed to `boxPub`. @returns the plaintext; null when it cannot be opened. */
  openBox(box: Uint8Array, nonce: Uint8Array, senderPub: Uint8Array): Uint8Array | null {
    return nacl.box.open(box, nonce, senderPub, this.#boxSecret);
  }

  toJSON(): { handle: string; boxPub: string; signPub: string } {
    return { handle: this.handle, boxPub: this.boxPub, signPub: this.signPub };
  }

  toString(): string {
    return `@${this.handle}`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Identity(@${this.handle})`;
  }
}
