import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import { base64, bytes, urlSafe } from './vector-bytes.ts';

const key = bytes('key');

interface Sealed {
  readonly name: string;
  readonly key_hex: string;
  readonly nonce: string;
  readonly ciphertext: string;
  /** Absent if decryption must fail. */
  readonly text?: string;
}

function sealed(name: string, data: string | Uint8Array, with_ = key): Sealed {
  const nonce = bytes(`nonce ${name}`).subarray(0, 24);
  const plain = typeof data === 'string' ? new TextEncoder().encode(data) : data;
  const ciphertext = base64(xsalsa20poly1305(with_, nonce).encrypt(plain));
  return {
    name,
    key_hex: key.toString('hex'),
    nonce: base64(nonce),
    ciphertext,
    ...(typeof data === 'string' && with_ === key ? { text: data } : {}),
  };
}

const texts = {
  'one line': 'Good morning.',
  'an empty text': '',
  'line ends of both kinds': 'line1\nline2\r\nline3\n',
  'spaces around': '  not trimmed\t ',
  'a byte order mark': '\uFEFFstays',
  'a zero byte': 'a\0b',
  'beyond the first plane': '\u{1F600}\u{1F469}\u200D\u{1F4BB}',
  'not normalised: e and a combining acute': 'e\u0301 \u00e9',
  'right to left': '\u05e9\u05dc\u05d5\u05dd',
  'a JSON object': '{"a":1}',
  'one byte beyond a block of the cipher': 'x'.repeat(65),
};
const whole = sealed('to be damaged', 'whole!');
const flipped = Buffer.from(whole.ciphertext, 'base64');
flipped[20] = (flipped[20] ?? 0) ^ 1;
const tag = Buffer.from(whole.ciphertext, 'base64');
tag[0] = (tag[0] ?? 0) ^ 0x80;
const { text: _, ...closed } = whole;
const alphabet = sealed('the URL alphabet', '\u{10FFFF}'.repeat(20));

/** @see SEAL-6 SEAL-8 SEAL-10 SEAL-11 */
export const sealedTexts: readonly Sealed[] = [
  ...Object.entries(texts).map(([name, text]) => sealed(name, text)),
  { ...alphabet, nonce: urlSafe(alphabet.nonce), ciphertext: urlSafe(alphabet.ciphertext) },
  sealed('another key', 'secret', bytes('another key')),
  { ...closed, name: 'one bit of the text', ciphertext: base64(flipped) },
  { ...closed, name: 'one bit of the tag', ciphertext: base64(tag) },
  {
    ...closed,
    name: 'cut short',
    ciphertext: base64(Buffer.from(whole.ciphertext, 'base64').subarray(0, 18)),
  },
  { ...closed, name: 'shorter than a tag', ciphertext: 'AAAA' },
  { ...closed, name: 'without padding', ciphertext: whole.ciphertext.replace(/=+$/, '') },
  { ...closed, name: 'no base64', ciphertext: '!!!!' },
  { ...closed, name: 'another nonce', nonce: base64(bytes('another').subarray(0, 24)) },
  { ...closed, name: 'a nonce of 23 bytes', nonce: base64(bytes('short').subarray(0, 23)) },
  sealed('bytes that are no UTF-8', new Uint8Array([0x66, 0xff, 0x66])),
  sealed('UTF-8 of a lone surrogate', new Uint8Array([0xed, 0xa0, 0x80])),
  sealed('UTF-8 that is too long', new Uint8Array([0xc0, 0x80])),
];
