import { verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Signature, SignPubKey } from '@bot2bot/schemas';
import { Compile } from 'typebox/compile';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bytesOf, isSoundKey, keyObject, verifies } from '../src/ed25519.ts';
import { agentNamed, register } from './agent.ts';
import { start, stop, type Started } from './process.ts';

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
const isKey = Compile(SignPubKey);
const isSignature = Compile(Signature);
const accepts = (signPub: string) => isKey.Check(signPub) && isSoundKey(bytesOf(signPub));

describe('ID-7: keys', () => {
  it.each(keys)('$name', ({ sign_pub, valid }) => {
    expect(accepts(sign_pub)).toBe(valid);
  });

  describe('at registration, before the signature', () => {
    let relay: Started;
    beforeAll(async () => {
      relay = await start([]);
    });
    afterAll(() => stop(relay, 'SIGKILL'));

    it.each(keys)('$name', async ({ sign_pub, valid }) => {
      const { status } = await register(relay.url, { ...agentNamed('alice'), signPub: sign_pub });
      expect(status).toBe(valid ? 401 : 400);
    });
  });
});

describe('ID-8: signatures', () => {
  it.each(signatures)('$name', ({ sign_pub, text, signature, valid }) => {
    const accepted =
      accepts(sign_pub) &&
      isSignature.Check(signature) &&
      verifies(text, signature, keyObject(bytesOf(sign_pub)));
    expect(accepted).toBe(valid);
  });

  it('under keys of small order verify if the key itself is not checked', () => {
    const forged = signatures.filter(({ sign_pub }) => !accepts(sign_pub));
    expect(forged.length).toBeGreaterThan(0);
    for (const { text, sign_pub, signature } of forged)
      expect(verify(null, Buffer.from(text), keyObject(bytesOf(sign_pub)), bytesOf(signature))).toBe(true);
  });
});
