import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { bytes } from '../scripts/vector-bytes.ts';
import { identityOf } from '../src/script/keys.ts';

interface Signed {
  text: string;
  sign_pub: string;
  signature: string;
  valid: boolean;
}
const path = join(import.meta.dirname, '../../spec/vectors/signatures.json');
const { vectors } = JSON.parse(readFileSync(path, 'utf8')) as { vectors: Signed[] };
const standard = (base64: string) => Buffer.from(base64, 'base64').toString('base64');

it('the suite reproduces the signatures of the vectors, byte for byte', () => {
  const alice = identityOf('alice', bytes('alice'), bytes('box of alice'));
  const made = vectors.filter(({ valid }) => valid);
  expect(made.length).toBeGreaterThan(0);
  for (const { text, sign_pub, signature } of made) {
    expect(alice.signPub).toBe(standard(sign_pub));
    expect(alice.sign(text)).toBe(standard(signature));
  }
});
