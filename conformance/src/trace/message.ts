/** The fields of a message that all transports must deliver with the same values. */
import type { Value } from './value.ts';

/** At both levels. @see READ-6 */
const FIELDS = ['seq', 'id', 'sender', 'sender_verified', 'ciphertext', 'nonce', 'ts', 'reply_to'] as const;

/** At hardened, in signed messages. @see SIGN-5 */
export const SIGNATURE_FIELDS = [
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
  const fields = [...FIELDS, ...(hardened ? ['ext'] : []), ...(hardened && signed ? SIGNATURE_FIELDS : [])];
  const values = fields.map((field) => [field, message.get(field).raw ?? null]);
  // Without a time to live, ttl_ms may be 0 or absent; so may signed_only be false.
  const locks = hardened && signed ? { signed_only: message.get('signed_only').raw || null } : {};
  return { ...Object.fromEntries(values), ...locks, ttl_ms: message.get('ttl_ms').raw || null };
}
