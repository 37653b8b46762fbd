/** WebSocket messages in one-byte fragments that never end: each fragment uses far more memory than its byte. */
import { allowance, each, NO_RATES, type Attack } from './attack.ts';
import { clientFrame, webSocket } from './websocket.ts';

/** Below the default limit of the WebSocket library. */
const PIECES = 16_000;

export const fragments: Attack = {
  name: 'memory/websocket-fragments',
  about: `as many WebSockets as an address may have, each with ${PIECES} one-byte fragments of a message that never ends`,
  flags: NO_RATES,
  memory: (declared) =>
    allowance([declared.of('address_streams') * declared.of('frame_bytes'), 'address_streams × frame_bytes']),
  run: async (context) => {
    const piece = clientFrame(0x00, Buffer.from('x'));
    const pieces = Buffer.concat([
      clientFrame(0x01, Buffer.from('{')),
      ...Array.from({ length: PIECES }, () => piece),
    ]);
    await context.begin();
    await each(
      context.declared.of('address_streams'),
      8,
      async () => (await webSocket(context, 'fragments')).send(pieces),
      context.signal,
    );
    await context.settled(10_000);
    return [];
  },
};
