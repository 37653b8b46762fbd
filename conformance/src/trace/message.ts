/** The fields of a message that all transports must deliver with the same values. */
import type { Value } from './value.ts';

/** At both levels. @see READ-6 */
const FIELDS = ['seq', 'id', 'sender', 'sender_verified', 'ciphertext', 'nonce', 'ts', 'reply_to'] as const;

/** At hardened, in signed messages. @see SIGN-5 */
const SIGNATURE_FIELDS = [
  'sender_handle',
  'sender_ts',
  'sender_nonce',
  'sender_sig',
  'sender_sig2',
  'signed_only',
] as const;

/** The values that READ-6 compares. Relays may add fields, on some transports only. @see MSG-8 MSG-18 SIGN-5 */
export function comparedIn(message: Value, hardened: boolean): Record<string, unknown> {
  const signed = message.get('sender_verified').raw === true;
  const fields = [
    ...FIELDS,
    'ttl_ms',
    ...(hardened ? ['ext'] : []),
    ...(hardened && signed ? SIGNATURE_FIELDS : []),
  ];
  return Object.fromEntries(fields.map((field) => [field, valueOf(message, field)]));
}

/** The first field of a signature that a message does not have as it was posted. @see SIGN-5 */
export function alteredSignatureField(posted: Value, message: Value): string | undefined {
  return SIGNATURE_FIELDS.find((field) => {
    const [{ raw: was = null }, { raw: is = null }] = [posted.get(field), message.get(field)];
    // Where no signed_only was posted, it may be absent or false.
    return is !== was && !(field === 'signed_only' && was === null && is === false);
  });
}

/** Null if the field is absent. Without a time to live, ttl_ms may be 0 or absent; so may signed_only be false. */
function valueOf(message: Value, field: string): unknown {
  const { raw = null } = message.get(field);
  const isAbsent = (field === 'ttl_ms' && raw === 0) || (field === 'signed_only' && raw === false);
  return isAbsent ? null : raw;
}
