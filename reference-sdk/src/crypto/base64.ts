/** The base64 that a relay may send: either alphabet, padded. */
export const FROM_WIRE = { alphabet: 'either', padding: 'required' } as const;

const STANDARD = /^[A-Za-z0-9+/]*$/;
const URL_SAFE = /^[A-Za-z0-9_-]*$/;
/** Bytes that one `String.fromCharCode` call takes as arguments. */
const CHUNK = 0x80_00;

export function encodeBase64(bytes: Uint8Array): string {
  let binary = '';
  for (let at = 0; at < bytes.length; at += CHUNK)
    binary += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return btoa(binary);
}

/** URL-safe alphabet, no padding. */
export function encodeBase64Url(bytes: Uint8Array): string {
  return encodeBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/**
 * Decode canonical base64: encoding the bytes again gives the same text.
 * @param form with the alphabet `either`, a text may use one of the two alphabets, but not mix them.
 * @returns null for any other text.
 */
export function decodeBase64(
  text: string,
  form: { alphabet: 'url' | 'either'; padding: 'required' | 'optional' },
): Uint8Array | null {
  const body = text.replace(/={1,2}$/, '');
  const padding = '='.repeat((4 - (body.length % 4)) % 4);
  if (padding.length === 3) return null;
  if (text !== body + padding && (form.padding === 'required' || text !== body)) return null;
  if (!URL_SAFE.test(body) && (form.alphabet === 'url' || !STANDARD.test(body))) return null;
  const standard = body.replaceAll('-', '+').replaceAll('_', '/');
  const bytes = Uint8Array.from(atob(standard + padding), (char) => char.charCodeAt(0));
  return encodeBase64(bytes) === standard + padding ? bytes : null;
}
