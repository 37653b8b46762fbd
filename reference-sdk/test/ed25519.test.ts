import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import nacl from 'tweetnacl';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { decodeBase64 } from '../src/crypto/base64.ts';
import * as fast from '../src/crypto/ed25519.ts';

interface PublicKey {
  name: string;
  sign_pub: string;
  valid: boolean;
}
interface Signed extends PublicKey {
  text: string;
  signature: string;
}
const load = <T>(name: string) =>
  (
    JSON.parse(readFileSync(join(import.meta.dirname, '../../spec/vectors', name), 'utf8')) as {
      vectors: T[];
    }
  ).vectors;
const keys = load<PublicKey>('public-keys.json');
const signatures = load<Signed>('signatures.json');
const bytesOf = (text: string) => decodeBase64(text, { alphabet: 'either', padding: 'required' });

/** Keys that are not points of the curve: `isSoundKey` accepts them, but `verify` refuses every signature under such a key. */
const offTheCurve = (name: string) => /^no point, y = \d/.test(name);

describe('ID-7: keys', () => {
  it.each(keys)('$name', ({ name, sign_pub, valid }) => {
    const bytes = bytesOf(sign_pub);
    expect(bytes !== null && fast.isSoundKey(bytes)).toBe(valid || offTheCurve(name));
  });
});

function agreesWithTheVectors(verify: () => typeof fast.verify): void {
  it.each(signatures)('$name', async ({ sign_pub, text, signature, valid }) => {
    expect(await verify()(sign_pub, text, signature)).toBe(valid);
  });

  it.each(keys.filter(({ valid }) => !valid))('under a key that is refused: $name', async ({ sign_pub }) => {
    for (const { text, signature } of signatures)
      expect(await verify()(sign_pub, text, signature)).toBe(false);
  });
}

describe('ID-8: signatures, checked by WebCrypto', () => {
  agreesWithTheVectors(() => fast.verify);
});

describe('ID-8: signatures, checked by tweetnacl where there is no WebCrypto', () => {
  let slow: typeof fast;
  beforeAll(async () => {
    vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues.bind(crypto) });
    vi.resetModules();
    slow = await import('../src/crypto/ed25519.ts');
    vi.unstubAllGlobals();
  });
  afterAll(() => vi.resetModules());
  agreesWithTheVectors(() => slow.verify);
});

it('tweetnacl alone accepts S + L and signatures under keys of small order', () => {
  const naive = signatures.filter(({ name, valid }) => !valid && /S \+ L|neutral point|order 8/.test(name));
  expect(naive.length).toBe(5);
  for (const { text, sign_pub, signature } of naive) {
    const [key, bytes] = [bytesOf(sign_pub), bytesOf(signature)];
    if (key === null || bytes === null) throw new Error('the vector is no base64');
    expect(nacl.sign.detached.verify(new TextEncoder().encode(text), bytes, key)).toBe(true);
  }
});
