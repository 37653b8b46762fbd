/** Reading must not cause evictions: cached encodings for readers do not displace messages. */
import { pathOf } from '@bot2bot/schemas';
import { allowance, NO_RATES, type Attack } from './attack.ts';
import { fieldsOf } from './attacker.ts';
import { fill, get, LONGEST } from './room.ts';
import { webSocket } from './websocket.ts';

/** The number of maximum-size messages that fit into the default `room_bytes`. */
const MESSAGES = 470;

export const reader: Attack = {
  name: 'memory/reader-evicts-nothing',
  about: `one reader by SSE and one by WebSocket in a room of ${MESSAGES} of the longest messages`,
  flags: NO_RATES,
  memory: (declared) =>
    allowance(
      [declared.of('cache_bytes'), 'cache_bytes'],
      [2 * declared.of('subscriber_bytes'), '2 × subscriber_bytes'],
    ),
  run: async (context) => {
    const { attacker } = context;
    const held = async () =>
      fieldsOf(await attacker.ask({ path: pathOf('probeRoom', 'read') }))['recent_count'];
    await fill(context, 'read', MESSAGES, LONGEST);
    const before = Number(await held());
    await context.begin();
    const sse = (await attacker.open()).read();
    sse.send(get(pathOf('streamEvents', 'read')));
    const ws = await webSocket(context, 'read');
    const all = before * LONGEST;
    for (let i = 0; i < 300 && Math.min(sse.bytes, ws.bytes) < all; i++) {
      if (sse.socket.destroyed || ws.socket.destroyed) break;
      await context.pause(10);
    }
    await context.settled(5_000);
    const after = Number(await held());
    return [
      {
        what: 'messages that the room lost',
        value: before - after,
        unit: 'messages',
        bound: 0,
        from: 'room_bytes and buffer_messages are not exceeded',
      },
      {
        what: 'messages missing before',
        value: MESSAGES - before,
        unit: 'messages',
        bound: 0,
        from: `room_bytes holds ${MESSAGES} × (ciphertext_chars and what surrounds it)`,
      },
    ];
  },
};
