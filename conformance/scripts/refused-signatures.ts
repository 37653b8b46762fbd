import { createHash } from 'node:crypto';
import { ed25519, ED25519_TORSION_SUBGROUP } from '@noble/curves/ed25519.js';
import { profiles } from './profile-vectors.ts';
import {
  bob,
  dm,
  message,
  message2,
  profile,
  register,
  request,
  request2,
  SAMPLE,
  signatureOf,
  stolen,
  valid,
  type SignatureVector,
  type Signed,
} from './signed-vector.ts';
import { base64, bytes } from './vector-bytes.ts';

const { Point } = ed25519;
const ORDER = Point.Fn.ORDER;

const littleEndian = (data: Uint8Array) => BigInt(`0x${Buffer.from(data).reverse().toString('hex')}`);
const scalar = (value: bigint) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse();

const whole = message(SAMPLE.message);
const signature = signatureOf(whole.text);
const text = base64(signature);
const malleated = Buffer.concat([
  signature.subarray(0, 32),
  scalar(littleEndian(signature.subarray(32)) + ORDER),
]);

const damaged = (name: string, bad: string): SignatureVector => ({
  ...valid(name, whole),
  signature: bad,
  valid: false,
});
function flipped(bit: number): string {
  const copy = Buffer.from(signature);
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return base64(copy);
}

const torsion = ED25519_TORSION_SUBGROUP.map((hex) => Buffer.from(hex, 'hex'));

/** A signature made without a secret key, for the first key A of small order that allows it: S = 0 and R = -hA. */
function forged(name: string, keys: readonly Uint8Array[], of: (key: Uint8Array) => Signed): SignatureVector {
  for (const key of keys) {
    const { text } = of(key);
    for (const r of torsion) {
      const h = littleEndian(createHash('sha512').update(r).update(key).update(text).digest()) % ORDER;
      if (!Point.fromBytes(key).multiplyUnsafe(h).add(Point.fromBytes(r)).is0()) continue;
      const made = base64(Buffer.concat([r, scalar(0n)]));
      return { ...valid(name, of(key)), sign_pub: base64(key), signature: made, valid: false };
    }
  }
  throw new Error(`no R for ${name}`);
}

/** Alice's signature of an input, presented with a changed input. */
function changed<T extends object>(
  make: (input: T) => Signed,
  from: T,
  changes: Readonly<Record<string, Partial<T>>>,
): SignatureVector[] {
  return Object.entries(changes).map(([name, change]) =>
    stolen(name, make({ ...from, ...change }), make(from).text),
  );
}

const another = base64(bytes('another'));
const anotherNonce = another.slice(0, 32);
const { register: reg, request: req, message: msg, dm: direct } = SAMPLE;
const withBody = { ...req, body: '{"handle":"alice"}' };
const bound = { ...msg, ...SAMPLE.bound, ttl_ms: 60_000 };
const requestChanges = {
  'another method': { method: 'PUT' },
  'another path': { target: '/api/rooms/DEMO7F3B/claims?wait=1' },
  'another query': { target: '/api/rooms/DEMO7F3A/claims?wait=2' },
  'the query taken away': { target: '/api/rooms/DEMO7F3A/claims' },
  'another ts': { ts: req.ts + 1 },
  'another n': { n: 'm7Qd0fXbT2sVw9Ll' },
};
const messageChanges = {
  'another room': { room: 'DEMO7F3B' },
  'another sender_ts': { sender_ts: msg.sender_ts + 1 },
  'another sender_nonce': { sender_nonce: 'Zk3_x-8+Yw/0aQ=A' },
  'another ciphertext': { ciphertext: another },
};

const given = profiles['a homepage_url without a path'];
if (given === undefined) throw new Error('a sample is gone');
const neutral = torsion.slice(0, 1);
const ofOrder8 = torsion.filter((_, times) => times % 2 === 1);
const page = profile(given.profile, given.canonical);
const page2 = (from: string, to: string, change: object) =>
  profile({ ...given.profile, ...change }, given.canonical.replace(from, to));
const registerOf = (key: Uint8Array) => register({ ...reg, sign_pub: base64(key) });

/** Signatures that must be refused. @see ID-5 ID-7 ID-8 REQ-2 REQ-6 SIGN-2 SIGN-6 DM-4 DIR-4 */
export const refusedSignatures: readonly SignatureVector[] = [
  ...changed(register, reg, {
    'another handle': { handle: 'bob' },
    'another register_ts': { register_ts: reg.register_ts + 1 },
    'another box_pub': { box_pub: another },
  }),
  ...changed(request, req, requestChanges),
  ...changed(request2, withBody, {
    ...requestChanges,
    'another body': { body: '{"handle":"bob"}' },
    'the same JSON in other bytes': { body: '{"handle": "alice"}' },
    'the body taken away': { body: '' },
  }),
  stolen('the signature of the first form', request2(withBody), request(req).text),

  ...changed(message, msg, messageChanges),
  { ...damaged('another key', text), sign_pub: bob.signPub },
  damaged("another key's signature", base64(signatureOf(whole.text, bob.seed))),
  damaged('S + L', base64(malleated)),
  damaged('the first bit of R', flipped(0)),
  damaged('the last bit of R', flipped(255)),
  damaged('the first bit of S', flipped(256)),
  damaged('the last bit of S', flipped(511)),
  damaged('R alone', base64(signature.subarray(0, 32))),
  damaged('63 bytes', base64(signature.subarray(0, 63))),
  damaged('65 bytes', base64(new Uint8Array([...signature, 0]))),
  damaged('64 bytes of zero', base64(new Uint8Array(64))),
  damaged('empty', ''),
  damaged('no base64', '!'.repeat(88)),
  damaged('without padding', text.replace(/=+$/, '')),
  damaged(
    'base64 that is not canonical',
    text.replace(/.(?===$)/, (last) => String.fromCharCode(last.charCodeAt(0) + 1)),
  ),
  damaged('a mixture of the alphabets', text.replace('/', '_')),
  damaged('a line end', `${text}\n`),
  damaged('hexadecimal', Buffer.from(signature).toString('hex')),

  ...changed<Parameters<typeof message2>[0]>((input) => message2(input), bound, {
    ...messageChanges,
    'another handle': { sender_handle: 'bob' },
    'another nonce': { nonce: anotherNonce },
    'another ttl_ms': { ttl_ms: 60_001 },
    'ttl_ms taken away': { ttl_ms: 0 },
    'a reply_to': { reply_to: 'm_8f3kQ2aVxw0' },
    'another signed_only': { signed_only: true },
    'an ext': { ext: 'AAAA' },
  }),
  stolen('the signature of the first form', message2(bound), whole.text),
  stolen("another key's sign_pub in the text", message2(bound), message2(bound, bob.signPub).text),

  ...changed(dm, direct, {
    'to another handle': { to: 'carol' },
    'from another handle': { from_handle: 'carol' },
    'another from_ts': { from_ts: direct.from_ts + 1 },
    'another ciphertext': { ciphertext: another },
    'another nonce': { nonce: anotherNonce },
    'another sender_eph_pub': { sender_eph_pub: another },
  }),

  stolen('another handle', page2('zoe_7', 'mallory', { handle: 'mallory' }), page.text),
  stolen('another field', page2('"summary":""', '"summary":"x"', { summary: 'x' }), page.text),
  stolen(
    'homepage_url signed as given',
    page,
    page2('https://agents.example/', 'https://agents.example', {}).text,
  ),
  stolen('absent fields left out', page, profile(given.profile, JSON.stringify(given.profile)).text),

  forged('a key that is the neutral point', neutral, registerOf),
  forged('a key of order 8', ofOrder8, registerOf),
  forged('a key that is the neutral point', neutral, () => whole),
  forged('a key of order 8', ofOrder8, () => whole),
];
