/**
 * Writes spec/vectors. It uses noble, so that the vectors are independent of tweetnacl, node:crypto and the SDK. Given a
 * folder, it writes there instead of into the repository.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { publicKeys } from './public-key-vectors.ts';
import { refusedSignatures } from './refused-signatures.ts';
import { sealedTexts } from './secretbox-vectors.ts';
import { signatures } from './signature-vectors.ts';

const out = join(process.argv[2] ?? join(import.meta.dirname, '../..'), 'spec/vectors');
mkdirSync(out, { recursive: true });

function write(name: string, about: string, rules: readonly string[], vectors: readonly object[]): void {
  const file = { $schema: './vectors.schema.json', about, rules, vectors };
  const ascii = JSON.stringify(file, null, 2).replace(
    /[\u0080-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  writeFileSync(join(out, name), `${ascii}\n`);
}

write(
  'secretbox.json',
  'Sealed texts, base64. `text` is what the key opens them to; those without it must not open. Made with @noble/ciphers.',
  ['SEAL-6', 'SEAL-8', 'SEAL-10', 'SEAL-11'],
  sealedTexts,
);
write(
  'public-keys.json',
  'Keys to register, base64. One whose `valid` is false must be refused. Made with @noble/curves.',
  ['ID-2', 'ID-7'],
  publicKeys,
);
write(
  'signatures.json',
  'Ed25519 signatures of the texts that `form` makes of `input`; of a profile by way of `canonical`. One whose `valid` is false must be refused. Made with @noble/curves.',
  [
    'ID-1',
    'ID-5',
    'ID-7',
    'ID-8',
    'REQ-1',
    'REQ-2',
    'REQ-6',
    'SIGN-1',
    'SIGN-2',
    'SIGN-6',
    'DM-3',
    'DM-4',
    'DIR-4',
  ],
  [...signatures, ...refusedSignatures],
);
