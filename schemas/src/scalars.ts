import { Type, type Static, type TObject, type TSchema } from 'typebox';
import { LIMITS, TIMINGS } from './limits.ts';

/** Canonical padded base64: groups of four characters, then a last group whose unused bits are zero. */
const BASE64 = '(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?';
const BASE64URL = '(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-][AQgw]==|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048]=)?';

/** Id of a room. @see ROOM-1 */
export const RoomId = Type.String({ pattern: '^[A-Za-z0-9_-]{4,64}$', description: 'Room id.' });
export type RoomId = Static<typeof RoomId>;

/** Opaque id of an accepted message. @see MSG-1 */
export const MessageId = Type.String({ pattern: '^[A-Za-z0-9_-]{8,64}$', description: 'Opaque message id.' });

/** Position of a message in its room. Strictly increasing; at most 2^53 - 1, so that a double holds it exactly. @see MSG-12 */
export const Seq = Type.Integer({
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'Position in the room.',
});

/** Unix time in milliseconds, by the relay's clock. */
export const UnixMs = Type.Integer({ minimum: 0, description: 'Unix time in milliseconds.' });

/** Opaque id of one lifetime of a room, from its creation to its eviction. @see READ-11 */
export const Epoch = Type.String({
  pattern: '^[A-Za-z0-9_-]{8,32}$',
  description: "Name of the room's lifetime.",
});

/** Base64 (either alphabet, padded, canonical) of `nacl.secretbox`; the limit counts characters. @see MSG-4 MSG-5 */
export const Ciphertext = Type.String({
  pattern: `^(?:${BASE64}|${BASE64URL})$`,
  minLength: 4,
  maxLength: LIMITS.ciphertext_chars.default,
  description: 'Sealed text, base64 in the standard or URL alphabet, padded and canonical.',
});

/** Base64 of exactly 24 bytes: 32 characters without padding. @see MSG-5 */
export const Nonce = Type.String({
  pattern: '^(?:[A-Za-z0-9+/]{32}|[A-Za-z0-9_-]{32})$',
  description: '24 random bytes, base64; fresh for every message.',
});

/** The label that an unsigned sender chooses for itself. @see MSG-6 */
export const SenderLabel = Type.String({
  maxLength: LIMITS.sender_chars.default,
  description: 'Label that the sender chose; proves nothing.',
});

/** Characters of a name in presence. */
export const NAME_CHARS = 64;

/** A name in presence. @see STREAM-11 */
export const Name = Type.String({
  pattern: `^[A-Za-z0-9@._\\-\\u00A0-\\uFFFF]{1,${NAME_CHARS}}$`,
  description: 'Name shown in presence.',
});

/** X25519 public key, 32 bytes: either base64 alphabet, padding optional, relayed exactly as sent. @see STREAM-13 */
export const BoxPub = Type.String({
  pattern: '^(?:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=?|[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]=?)$',
  description: 'X25519 public key, base64.',
});

/** Milliseconds until the message expires; 0 means never. @see MSG-8 */
export const TtlMs = Type.Union(
  [
    Type.Literal(0),
    Type.Integer({ minimum: TIMINGS.ttl_min_ms.default, maximum: TIMINGS.ttl_max_ms.default }),
  ],
  { description: 'Milliseconds until the message expires; 0 means that it does not.' },
);

/** Opaque extension data that the relay forwards unchanged. @see MSG-18 */
export const Ext = Type.String({
  pattern: `^[A-Za-z0-9_-]{1,${LIMITS.ext_chars.default}}$`,
  description: 'Opaque extension, base64url characters.',
});

/** A registered name, without its `@`. @see ID-2 */
export const Handle = Type.String({
  pattern: '^[a-z0-9][a-z0-9_-]{1,31}$',
  description: 'Handle, without its @.',
});

/** 32 bytes, base64 in either alphabet, padded and canonical. */
const key = (description: string) =>
  Type.String({
    pattern: '^(?:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=|[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]=)$',
    description,
  });
/** @see ID-1 */
export const BoxPubKey = key('X25519 public key, base64.');
/** @see ID-1 ID-7 */
export const SignPubKey = key('Ed25519 public key, base64.');

/** 64 bytes, base64 in either alphabet, padded and canonical. */
export const Signature = Type.String({
  pattern: '^(?:[A-Za-z0-9+/]{85}[AQgw]==|[A-Za-z0-9_-]{85}[AQgw]==)$',
  description: 'Ed25519 signature, base64.',
});

/** Random text that makes every signature unique. @see REQ-4 SIGN-3 */
export const SigningNonce = Type.String({
  pattern: '^[A-Za-z0-9+/=_-]{16,64}$',
  description: 'Fresh for every signature.',
});

/** Opaque id of one claim. @see CLAIM-8 */
export const ClaimId = Type.String({ pattern: '^[A-Za-z0-9_-]{8,64}$', description: 'Name of the grant.' });

/**
 * Make a schema a named component of the OpenAPI document. Like every schema here it allows unknown fields (CORE-5, CORE-17).
 * @param about `hardened` lists the optional fields that a relay at level hardened always sends.
 */
export function component<T extends TObject>(
  id: string,
  schema: T,
  about: { description: string; example: Static<T>; hardened?: readonly (keyof Static<T> & string)[] },
) {
  return Object.assign(schema, {
    $id: id,
    description: about.description,
    examples: [about.example],
    ...(about.hardened === undefined ? {} : { 'x-hardened': about.hardened }),
  }) as T & { $id: string };
}

/** A `$ref` to a component, with the component's static type. */
export function ref<T extends TSchema & { $id: string }>(schema: T) {
  return Type.Unsafe<Static<T>>({ $ref: schema.$id });
}
