/** WebSocket messages in one-byte pieces that never end: a piece costs far more than its byte. */
import { allowance, each, NO_RATES, type Attack } from './attack.ts';
import { clientFrame, webSocket } from './websocket.ts';

const SOCKETS = { short: 8, full: 48 };
const PIECES = 200_000;
const AT_ONCE = 20_000;

export const fragments: Attack = {
  name: 'memory/websocket-fragments',
  about: `WebSockets that each send ${PIECES} one-byte fragments of a message that never ends`,
  flags: NO_RATES,
  memory: (declared) =>
    allowance([SOCKETS.full * declared.of('frame_bytes'), `${SOCKETS.full} × frame_bytes`]),
  run: async (context) => {
    const piece = clientFrame(0x00, Buffer.from('x'));
    const pieces = Buffer.concat(Array.from({ length: AT_ONCE }, () => piece));
    await context.begin();
    await each(
      SOCKETS[context.size],
      8,
      async () => {
        const peer = await webSocket(context, 'fragments');
        peer.send(clientFrame(0x01, Buffer.from('{')));
        for (let sent = 0; sent < PIECES && !context.signal.aborted; sent += AT_ONCE) {
          peer.send(pieces);
          while (peer.socket.writableLength > pieces.length && !peer.socket.destroyed)
            await context.pause(5);
        }
      },
      context.signal,
    );
    await context.settled(10_000);
    return [];
  },
};
