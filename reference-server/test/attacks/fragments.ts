/** WebSocket messages in one-byte pieces that never end: a piece costs far more than its byte. */
import { allowance, each, NO_RATES, type Attack } from './attack.ts';
import { clientFrame, webSocket } from './websocket.ts';

/** Below what the library gives up at by itself. */
const PIECES = 16_000;

export const fragments: Attack = {
  name: 'memory/websocket-fragments',
  about: `as many WebSockets as an address may have, each with ${PIECES} one-byte pieces of a message that never ends`,
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
