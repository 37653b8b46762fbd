import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { createParser } from 'eventsource-parser';
import { Compile } from 'typebox/compile';
import type { TSchema } from 'typebox';
import { describe, expect, it } from 'vitest';
import { decodeBase64, encodeBase64 } from '../src/crypto/base64.ts';
import { createRoomUrl, MAX_TEXT_BYTES, open, parseRoomUrl, seal } from '../src/index.ts';
import { EventParser } from '../src/wire/sse.ts';

const folder = join(import.meta.dirname, '../../spec/vectors');
interface Vectors<T> {
  readonly vectors: readonly (T & { readonly name: string })[];
}
const load = <T>(name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Vectors<T>;
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const keys = load<{ k: string; key_hex?: string }>('keys.json').vectors;
const urls = load<{
  url: string;
  base?: string;
  room_id: string;
  key_hex: string;
  message_id: string | null;
  signed: boolean;
}>('room-urls.json').vectors;
const boxes = load<{ key_hex: string; nonce: string; ciphertext: string; text?: string }>(
  'secretbox.json',
).vectors;

describe('the vectors', () => {
  it.each([
    'keys.json',
    'public-keys.json',
    'room-urls.json',
    'secretbox.json',
    'signatures.json',
    'ttl.json',
  ])('%s has the form of its schema', (name) => {
    const schema = JSON.parse(readFileSync(join(folder, 'vectors.schema.json'), 'utf8')) as TSchema;
    expect([...Compile(schema).Errors(load(name))]).toEqual([]);
  });
});

describe('room URLs', () => {
  it.each(keys)('SEAL-2: $name', ({ k, key_hex }) => {
    const read = () => hex(parseRoomUrl(`https://relay.example/room/DEMO7F3A#k=${k}`).key);
    if (key_hex === undefined) expect(read).toThrow(RangeError);
    else expect(read()).toBe(key_hex);
  });

  it.each(urls)('SEAL-1, SEAL-3: $name', ({ url, base, room_id, key_hex, message_id, signed }) => {
    if (base === undefined) expect(() => parseRoomUrl(url)).toThrow(RangeError);
    else {
      const { key, ...rest } = parseRoomUrl(url);
      expect({ ...rest, key: hex(key) }).toEqual({
        base,
        roomId: room_id,
        key: key_hex,
        messageId: message_id,
        signed,
      });
    }
  });

  it('SEAL-4: an error about a room URL contains no part of it', () => {
    for (const { url } of urls) {
      try {
        parseRoomUrl(url);
      } catch (error) {
        const text = `${String(error)} ${(error as Error).stack ?? ''}`;
        for (const part of url.split(/[#&/?=]/).filter((piece) => piece.length > 12))
          expect(text.includes(part)).toBe(false);
      }
    }
  });

  it('SEAL-5, ROOM-10: a new room URL has a random key of 32 bytes and an id of 128 bits', () => {
    const made = Array.from({ length: 200 }, () => parseRoomUrl(createRoomUrl('https://relay.example/')));
    expect(new Set(made.map(({ key }) => hex(key))).size).toBe(200);
    expect(new Set(made.map(({ roomId }) => roomId)).size).toBe(200);
    for (const { roomId, base } of made) {
      expect(base).toBe('https://relay.example');
      expect(Math.log2(32) * roomId.length).toBeGreaterThanOrEqual(128);
      expect(roomId).toMatch(/^[A-HJ-NP-Z2-9]+$/);
    }
    expect(() => createRoomUrl('ftp://relay.example')).toThrow(RangeError);
    const url = createRoomUrl('https://relay.example');
    expect(url.split('#k=')[1]).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });
});

describe('sealing', () => {
  it.each(boxes)('SEAL-6, SEAL-10, SEAL-11: $name', ({ key_hex, nonce, ciphertext, text }) => {
    const key = Buffer.from(key_hex, 'hex');
    expect(open(key, { nonce, ciphertext })).toBe(text ?? null);
    if (text !== undefined && !/[-_]/.test(ciphertext + nonce))
      expect(seal(key, text, Buffer.from(nonce, 'base64'))).toEqual({ nonce, ciphertext });
  });

  it('SEAL-8: every text is restored exactly', () => {
    const key = new Uint8Array(32).fill(7);
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
        expect(open(key, seal(key, text))).toBe(text);
      }),
    );
  });

  it('SEAL-7: nonces are 24 random bytes', () => {
    const key = new Uint8Array(32);
    const nonces = Array.from({ length: 500 }, () => seal(key, 'the same').nonce);
    expect(new Set(nonces).size).toBe(500);
    for (const nonce of nonces) expect(Buffer.from(nonce, 'base64').length).toBe(24);
  });

  it('SEAL-9: the longest text has a ciphertext of exactly the limit; a longer one and a lone surrogate are refused', () => {
    const key = new Uint8Array(32);
    expect(MAX_TEXT_BYTES).toBe(98_288);
    expect(seal(key, 'x'.repeat(98_288)).ciphertext.length).toBe(131_072);
    expect(() => seal(key, 'x'.repeat(98_289))).toThrow(/98288/);
    expect(() => seal(key, 'é'.repeat(49_145))).toThrow(RangeError);
    expect(() => seal(key, 'a\ud800b')).toThrow(/surrogate/);
    expect(() => seal(new Uint8Array(31), 'a')).toThrow(/32 bytes/);
    // @ts-expect-error: callers of plain JavaScript
    expect(() => seal(key, 7)).toThrow(TypeError);
  });
});

describe('base64', () => {
  it('decodes exactly the texts that encoding produces', () => {
    const letters = fc.constantFrom(...'ABab01+/-_=wQg4k'.split(''));
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 12 }), (chars) => {
        const text = chars.join('');
        const standard = Buffer.from(text, 'base64').toString('base64') === text;
        const urlSafe =
          Buffer.from(text, 'base64url').toString('base64').replaceAll('+', '-').replaceAll('/', '_') ===
          text;
        const bytes = decodeBase64(text, { alphabet: 'either', padding: 'required' });
        expect(bytes !== null).toBe(standard || urlSafe);
        if (bytes !== null) expect(Buffer.from(bytes)).toEqual(Buffer.from(text, 'base64'));
      }),
      { numRuns: 3_000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(encodeBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
      }),
    );
  });
});

describe('server-sent events', () => {
  it('are parsed like by another parser, however the text is split', () => {
    const line = fc.constantFrom(
      'data: a',
      'data:b',
      'data',
      'id: e:1',
      'id',
      ': note',
      '',
      '',
      'event: x',
      'data:  c',
    );
    const end = fc.constantFrom('\n', '\r\n', '\r');
    fc.assert(
      fc.property(
        fc.array(fc.tuple(line, end), { maxLength: 20 }),
        fc.integer({ min: 1, max: 7 }),
        (lines, size) => {
          const text = `${lines.flat().join('')}\n\ndata: last\n\n`;
          const mine: { data: string }[] = [];
          const parser = new EventParser();
          for (let at = 0; at < text.length; at += size) mine.push(...parser.take(text.slice(at, at + size)));
          const theirs: { data: string }[] = [];
          const other = createParser({ onEvent: ({ data }) => theirs.push({ data }) });
          other.feed(text);
          expect(mine.map(({ data }) => ({ data }))).toEqual(theirs);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('an endless event is refused before it fills the memory', () => {
    const parser = new EventParser();
    expect(() => {
      for (let i = 0; i < 100; i++) for (const _ of parser.take('x'.repeat(100_000))) break;
    }).toThrow(/longer/);
  });
});
