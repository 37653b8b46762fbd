/** A minimal WebSocket client without a library. */
import { pathOf } from '@bot2bot/schemas';
import type { Context } from './attack.ts';
import type { Peer } from './attacker.ts';
import { get } from './room.ts';

const KEY = 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';

/** The upgrade request for this path. @param key header line with the key; empty for none. */
export function upgrade(path: string, key = KEY): string {
  return get(path, `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n${key}`);
}

/** Open a WebSocket in a room. @param query including `?`. @returns the connection, once the relay has answered anything. */
export async function webSocket(
  { attacker }: Pick<Context, 'attacker'>,
  room: string,
  { from, query = '', reads = true }: { from?: string; query?: string; reads?: boolean } = {},
): Promise<Peer> {
  const peer = await attacker.open(from);
  peer.send(upgrade(pathOf('openSocket', room) + query));
  if (!reads) return peer;
  await peer.read().first(5_000);
  return peer;
}

/**
 * A frame of a client, masked with zeros.
 * @param opcode 1 text, 0 continuation; with FIN (0x80) or without it.
 */
export function clientFrame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const size =
    length < 126 ? Buffer.from([0x80 | length]) : Buffer.from([0x80 | 126, length >> 8, length & 0xff]);
  return Buffer.concat([Buffer.from([opcode]), size, Buffer.alloc(4), payload]);
}

/** A complete text frame. @param text at most 65 535 bytes. */
export function textFrame(text: string): Buffer {
  return clientFrame(0x81, Buffer.from(text));
}
