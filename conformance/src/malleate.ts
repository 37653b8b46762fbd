/** Order of the group of Ed25519. */
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

function littleEndian(bytes: Buffer): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}

/** Another signature of the same text under the same key: its scalar S is S + L. @param sig base64 of 64 bytes. */
export function malleated(sig: string): string {
  const bytes = Buffer.from(sig, 'base64');
  const scalar = littleEndian(bytes.subarray(32)) + ORDER;
  const raised = Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex').reverse();
  return Buffer.concat([bytes.subarray(0, 32), raised]).toString('base64');
}
