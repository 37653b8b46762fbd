/**
 * The `Authorization` header of a signed request:
 *
 *     credentials = scheme 1*SP field *( "," field )
 *     scheme      = "Bot2Bot"              ; in any case
 *     field       = *SP name "=" value *SP
 *     name        = 1*( "a" to "z" )       ; none twice; others than v, ts, n and sig are ignored
 *     value       = *( any but "," )       ; without the spaces at its end
 *
 * Parsing is linear: it splits at commas, and no regular expression here can backtrack.
 */
import { AUTH_SCHEME, Signature, SigningNonce } from '@bot2bot/schemas';
import { Compile } from 'typebox/compile';

const isNonce = Compile(SigningNonce);
const isSignature = Compile(Signature);
const SCHEME = `${AUTH_SCHEME.toLowerCase()} `;

export interface Credentials {
  readonly form: 1 | 2;
  readonly ts: number;
  readonly n: string;
  readonly sig: string;
}

/** Trim spaces only: other white space remains, so that the field is then refused. */
function trimSpaces(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && text[start] === ' ') start++;
  while (end > start && text[end - 1] === ' ') end--;
  return text.slice(start, end);
}

/** @returns null unless the header has this scheme and a valid `ts`, `n` and `sig`. @see REQ-1 REQ-6 */
export function credentialsOf(header: string | undefined): Credentials | null {
  if (header?.slice(0, SCHEME.length).toLowerCase() !== SCHEME) return null;
  const fields = new Map<string, string>();
  for (const part of header.slice(SCHEME.length).split(',')) {
    const field = trimSpaces(part);
    const at = field.indexOf('=');
    const name = field.slice(0, Math.max(at, 0));
    if (!/^[a-z]+$/.test(name) || fields.has(name)) return null;
    fields.set(name, field.slice(at + 1));
  }
  const [v = '1', ts = '', n = '', sig = ''] = ['v', 'ts', 'n', 'sig'].map((name) => fields.get(name));
  if (v !== '1' && v !== '2') return null;
  if (!/^\d{1,15}$/.test(ts) || !isNonce.Check(n) || !isSignature.Check(sig)) return null;
  return { form: v === '2' ? 2 : 1, ts: Number(ts), n, sig };
}
