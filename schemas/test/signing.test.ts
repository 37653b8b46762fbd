import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  dmSealedText,
  dmText,
  messageText,
  messageText2,
  normalProfile,
  profileText,
  registerText,
  requestText,
  requestText2,
  type ProfileFields,
} from '../src/signing.ts';

interface Message {
  room: string;
  sender_ts: number;
  sender_nonce: string;
  ciphertext: string;
}
interface Request {
  method: string;
  target: string;
  ts: number;
  n: string;
}
interface Inputs {
  register: { handle: string; register_ts: number; box_pub: string; sign_pub: string };
  request: Request;
  'request-v2': Request & { body: string };
  'room-msg': Message;
  'room-msg-v2': Message & {
    sender_handle: string;
    nonce: string;
    ttl_ms?: number;
    reply_to?: string;
    signed_only?: boolean;
    ext?: string;
  };
  dm: {
    to: string;
    from_handle: string;
    from_ts: number;
    ciphertext: string;
    nonce: string;
    sender_eph_pub: string;
  };
  'profile-sig': { profile: ProfileFields };
}
interface Vector<F extends keyof Inputs> {
  name: string;
  form: F;
  input: Inputs[F];
  canonical?: string;
  text: string;
  sign_pub: string;
}

const { vectors } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../spec/vectors/signatures.json'), 'utf8'),
) as { vectors: Vector<keyof Inputs>[] };
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const canonicalOf = (profile: ProfileFields) => JSON.stringify(normalProfile(profile));
const standard = (base64: string) => Buffer.from(base64, 'base64').toString('base64');

function eachOf<F extends keyof Inputs>(form: F, rules: string, textOf: (vector: Vector<F>) => string): void {
  const mine = vectors.filter((vector): vector is Vector<F> => vector.form === form);
  describe(`${rules}: the text of ${form}`, () => {
    it.each(mine)('$name', (vector) => {
      expect(textOf(vector)).toBe(vector.text);
    });
  });
}

eachOf('register', 'ID-1', ({ input: { handle, register_ts, box_pub, sign_pub } }) =>
  registerText(handle, register_ts, box_pub, sign_pub),
);
eachOf('request', 'REQ-1', ({ input: { method, target, ts, n } }) => requestText(method, target, ts, n));
eachOf('request-v2', 'REQ-6', ({ input: { method, target, ts, n, body } }) =>
  requestText2(method, target, ts, n, sha256(body)),
);
eachOf('room-msg', 'SIGN-1', ({ input: { room, sender_ts, sender_nonce, ciphertext } }) =>
  messageText(room, sender_ts, sender_nonce, sha256(ciphertext)),
);
eachOf('room-msg-v2', 'SIGN-6', ({ input, sign_pub }) =>
  messageText2({
    room: input.room,
    handle: input.sender_handle,
    signPub: standard(sign_pub),
    ts: input.sender_ts,
    senderNonce: input.sender_nonce,
    ciphertextSha256: sha256(input.ciphertext),
    nonce: input.nonce,
    ttlMs: input.ttl_ms ?? 0,
    replyTo: input.reply_to,
    signedOnly: input.signed_only ?? false,
    extSha256: sha256(input.ext ?? ''),
  }),
);
eachOf('dm', 'DM-3', ({ input: { to, from_handle, from_ts, ciphertext, nonce, sender_eph_pub } }) =>
  dmText(to, from_handle, from_ts, sha256(dmSealedText(ciphertext, nonce, sender_eph_pub))),
);
eachOf('profile-sig', 'DIR-4', ({ input: { profile }, canonical }) => {
  expect(canonicalOf(profile)).toBe(canonical);
  return profileText(profile.handle, profile.updated_at, sha256(canonicalOf(profile)));
});
