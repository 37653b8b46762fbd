/** Keys, signatures, identities and payloads, without a relay. */
import { createHash, sign as nodeSign, createPrivateKey } from 'node:crypto';
import { inspect } from 'node:util';
import fc from 'fast-check';
import nacl from 'tweetnacl';
import { describe, expect, it, vi } from 'vitest';
import { decodeBase64, encodeBase64 } from '../src/crypto/base64.ts';
import { isSoundKey, signer, slowSigner, verify } from '../src/crypto/ed25519.ts';
import { Identity } from '../src/index.ts';
import { readable } from '../src/room/payloads.ts';
import { sha256 } from '../src/crypto/sha256.ts';

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));
const bytes = (text: string) =>
  decodeBase64(text, { alphabet: 'either', padding: 'required' }) ?? new Uint8Array();
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));
}
function number(from: Uint8Array): bigint {
  return from.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

describe('sha256', () => {
  it("is node's, for texts of every length around a block", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300, unit: 'binary' }), (text) => {
        expect(sha256(text)).toBe(createHash('sha256').update(text).digest('hex'));
      }),
    );
    for (const length of [0, 55, 56, 63, 64, 119, 131_072])
      expect(sha256('a'.repeat(length))).toBe(createHash('sha256').update('a'.repeat(length)).digest('hex'));
  });
});

describe('signatures', () => {
  it('are the same from tweetnacl, from WebCrypto and from node', async () => {
    for (let i = 0; i < 20; i++) {
      const seed = crypto.getRandomValues(new Uint8Array(32));
      const text = `room-msg ÄÖ ${i} ${'x'.repeat(i * 7)}`;
      const der = Buffer.concat([hex('302e020100300506032b657004220420'), seed]);
      const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
      const theirs = new Uint8Array(nodeSign(null, Buffer.from(text), key));
      expect(await signer(seed)(text)).toEqual(theirs);
      expect(await slowSigner(seed)(text)).toEqual(theirs);
    }
  });

  it('a thousand signatures take far less time than with tweetnacl', async () => {
    const identity = Identity.create('quick');
    await identity.sign('warm');
    const from = performance.now();
    for (let i = 0; i < 1_000; i++) await identity.sign(`text ${i}`);
    expect(performance.now() - from).toBeLessThan(1_500);
  });

  it('verify only with their own key and text', async () => {
    const [ada, bob] = [Identity.create('ada'), Identity.create('bob')];
    const sig = await ada.sign('text');
    expect(await verify(ada.signPub, 'text', sig)).toBe(true);
    expect(await verify(ada.signPub, 'Text', sig)).toBe(false);
    expect(await verify(bob.signPub, 'text', sig)).toBe(false);
    for (const bad of ['', sig.slice(4), 'A'.repeat(88), `${sig.slice(0, -3)}===`])
      expect(await verify(ada.signPub, 'text', bad)).toBe(false);
  });

  it('work without WebCrypto, as on pages without https', async () => {
    const ada = Identity.create('ada');
    const sig = await ada.sign('text');
    vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues.bind(crypto) });
    vi.resetModules();
    try {
      const bare = await import('../src/crypto/ed25519.ts');
      const { Identity: Bare } = await import('../src/index.ts');
      expect(await Bare.fromSecrets(ada.exportSecrets()).sign('text')).toBe(sig);
      expect(await bare.verify(ada.signPub, 'text', sig)).toBe(true);
      expect(await bare.verify(ada.signPub, 'Text', sig)).toBe(false);
      const bytesOfS = number(bytes(sig).subarray(32)) + ORDER;
      const malleated = new Uint8Array([...bytes(sig).subarray(0, 32), ...littleEndian(bytesOfS)]);
      expect(await bare.verify(ada.signPub, 'text', encodeBase64(malleated))).toBe(false);
    } finally {
      vi.unstubAllGlobals();
      vi.resetModules();
    }
  });

  it('ID-8: one whose S is not below L does not verify', async () => {
    const ada = Identity.create('ada');
    const sig = bytes(await ada.sign('text'));
    const more = number(sig.subarray(32)) + ORDER;
    const malleated = new Uint8Array([...sig.subarray(0, 32), ...littleEndian(more)]);
    // tweetnacl alone accepts it.
    expect(nacl.sign.detached.verify(Buffer.from('text'), malleated, bytes(ada.signPub))).toBe(true);
    expect(await verify(ada.signPub, 'text', encodeBase64(malleated))).toBe(false);
  });

  it('ID-7: keys of small order, and those that are not canonical, are refused', async () => {
    const small = [
      '0000000000000000000000000000000000000000000000000000000000000000',
      '0100000000000000000000000000000000000000000000000000000000000000',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
      '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    ].flatMap((text) => {
      const key = hex(text);
      const turned = key.slice();
      turned[31] = (turned[31] ?? 0) | 0x80;
      return [key, turned];
    });
    // y not below p: 2^255-19 to 2^255-1.
    const high = Array.from({ length: 19 }, (_, i) => littleEndian(2n ** 255n - 19n + BigInt(i)));
    for (const key of [...small, ...high, new Uint8Array(31), new Uint8Array(33)])
      expect(isSoundKey(key), Buffer.from(key).toString('hex')).toBe(false);
    // With the neutral element as the key, this signature would be valid for every text.
    const zero = encodeBase64(new Uint8Array([...hex(`01${'00'.repeat(31)}`), ...new Uint8Array(32)]));
    expect(await verify(encodeBase64(small[2] ?? new Uint8Array()), 'any', zero)).toBe(false);
    for (let i = 0; i < 50; i++) expect(isSoundKey(nacl.sign.keyPair().publicKey)).toBe(true);
  });
});

describe('an identity', () => {
  it('never shows its secrets', () => {
    const identity = Identity.create('ada');
    const { box_sk_b64u, sign_seed_b64u } = identity.exportSecrets();
    const shown = [
      JSON.stringify({ identity }),
      String(identity),
      inspect(identity, { depth: 9, showHidden: true }),
      inspect({ nested: [identity] }, { depth: 9, showHidden: true }),
      JSON.stringify(Object.entries(identity)),
    ].join('\n');
    expect(shown).toContain('ada');
    for (const secret of [box_sk_b64u, sign_seed_b64u]) {
      const raw = Buffer.from(secret, 'base64url');
      for (const form of [secret, raw.toString('hex'), raw.toString('base64')])
        expect(shown).not.toContain(form);
    }
  });

  it('is restored from its export, and signs the same', async () => {
    const ada = Identity.create('@Ada');
    const back = Identity.fromSecrets(JSON.parse(JSON.stringify(ada.exportSecrets())));
    expect(back.toJSON()).toEqual(ada.toJSON());
    expect(await back.sign('text')).toBe(await ada.sign('text'));
    expect(ada.handle).toBe('ada');
  });

  it('with an invalid field is refused, with an error that repeats no value', () => {
    const good = Identity.create('ada').exportSecrets();
    for (const bad of [
      null,
      'text',
      {},
      { ...good, bot2bot_identity_v1: 1 },
      { ...good, handle: 'a' },
      { ...good, sign_seed_b64u: good.sign_seed_b64u.slice(1) },
      { ...good, box_sk_b64u: 7 },
    ]) {
      const refused = () => Identity.fromSecrets(bad);
      expect(refused).toThrow(RangeError);
      expect(refused).not.toThrow(new RegExp(good.sign_seed_b64u.slice(4, 20)));
    }
    for (const handle of ['', 'a', '-ab', 'ab c', 'x'.repeat(33)])
      expect(() => Identity.create(handle)).toThrow(RangeError);
  });
});

describe('a payload', () => {
  it('is not shown as text to an agent, except the text that it wraps', () => {
    expect(readable('{"bot2bot_react_v1":true,"emoji":"x"}')).toBeNull();
    expect(readable(' {"bot2bot_unheard_of_v12":true}')).toBeNull();
    expect(readable('{"bot2bot_text_v1":true,"text":"{\\"bot2bot_react_v1\\":true}"}')).toBe(
      '{"bot2bot_react_v1":true}',
    );
    for (const text of ['{"bot2bot_react_v1":1}', '{"bot2bot":true}', '{', 'a {"bot2bot_a_v1":true}', '[]'])
      expect(readable(text)).toBe(text);
  });
});
