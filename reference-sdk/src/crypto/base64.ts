const STANDARD = /^[A-Za-z0-9+/]*$/;
const URL_SAFE = /^[A-Za-z0-9_-]*$/;
/** Bytes turned into one call's arguments. */
const CHUNK = 0x80_00;

export function encodeBase64(bytes: Uint8Array): string {
  let binary = '';
  for (let at = 0; at < bytes.length; at += CHUNK)
    binary += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return btoa(binary);
}

/** Without padding. */
export function encodeBase64Url(bytes: Uint8Array): string {
  return encodeBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/**
 * Decode base64 that is canonical: encoding the bytes again gives the same text.
 * @param form `alphabet` either: one of the two, not a mixture.
 * @returns null for anything else.
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
