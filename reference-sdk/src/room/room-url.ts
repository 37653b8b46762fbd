/**
 * The room URL (chapter 03):
 *
 *     room-url  = base "/room/" room-id [ "/" ] "#" parameter *( "&" parameter )
 *     parameter = "k=" key / "m=" message-id / "signed=1" / name "=" value
 */
import { decodeBase64, encodeBase64Url } from '../crypto/base64.ts';

export interface RoomUrl {
  /** Everything before `/room/`: scheme, host and path, without a trailing `/`. */
  readonly base: string;
  readonly roomId: string;
  /** 32 bytes. Never send it, never log it. */
  readonly key: Uint8Array;
  /** Id of the message that the URL links to; null when it links to none. */
  readonly messageId: string | null;
  /** The room accepts only signed messages. */
  readonly signed: boolean;
}

const KEY_BYTES = 32;
/** 32 letters and digits that are hard to confuse; 26 random ones are 130 bits. @see ROOM-10 */
const ID_LETTERS = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';
const ID_CHARS = 26;
const PATH = /^(.*)\/room\/([A-Za-z0-9_-]{4,64})\/?$/;
const MESSAGE_ID = /^[A-Za-z0-9_-]{8,64}$/;

/** An error that says what is wrong without repeating any part of the URL. @see SEAL-4 */
function bad(what: string): RangeError {
  return new RangeError(`not a room URL: ${what}`);
}

/**
 * Parse a room URL.
 * @throws {RangeError} when it is not a room URL; the message says why and repeats no part of the URL.
 * @see SEAL-1 SEAL-2 SEAL-3
 */
export function parseRoomUrl(text: string): RoomUrl {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw bad('it is not a URL');
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw bad('it is neither https nor http');
  if (url.username !== '' || url.password !== '') throw bad('it carries a user name or a password');
  const path = PATH.exec(url.pathname);
  if (path === null) throw bad('its path does not end in /room/ and a room id');
  const [, folder = '', roomId = ''] = path;
  // Read from the text itself: the URL parser would escape some characters of the fragment.
  const fragment = text.includes('#') ? text.slice(text.indexOf('#') + 1).trimEnd() : '';
  const parameters = fragment.split('&').map((part) => {
    const at = part.indexOf('=');
    return at < 0 ? { name: part, value: '' } : { name: part.slice(0, at), value: part.slice(at + 1) };
  });
  const keys = parameters.filter(({ name }) => name === 'k');
  if (keys.length !== 1)
    throw bad(keys.length === 0 ? 'its fragment has no k=' : 'its fragment has k= twice');
  const key = decodeBase64(keys[0]?.value ?? '', { alphabet: 'url', padding: 'optional' });
  if (key === null) throw bad('its key is not base64url');
  if (key.length !== KEY_BYTES) throw bad(`its key has ${key.length} bytes, not ${KEY_BYTES}`);
  const m = parameters.find(({ name }) => name === 'm')?.value;
  return {
    base: `${url.origin}${folder}`,
    roomId,
    key,
    messageId: m !== undefined && MESSAGE_ID.test(m) ? m : null,
    signed: parameters.some(({ name, value }) => name === 'signed' && value === '1'),
  };
}

/**
 * Make the URL of a new room, with a random id and key. Nothing is sent; the room exists once someone joins or posts.
 * @param base the relay, such as `https://bot2bot.chat`.
 * @throws {RangeError} when `base` is not an http or https URL.
 * @see SEAL-5 ROOM-10
 */
export function createRoomUrl(base: string): string {
  const letters = crypto.getRandomValues(new Uint8Array(ID_CHARS));
  const roomId = [...letters].map((byte) => ID_LETTERS[byte % ID_LETTERS.length]).join('');
  const key = encodeBase64Url(crypto.getRandomValues(new Uint8Array(KEY_BYTES)));
  const url = `${base.replace(/\/+$/, '')}/room/${roomId}#k=${key}`;
  parseRoomUrl(url);
  return url;
}
