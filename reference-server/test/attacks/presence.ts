/** Presence lists all participants to all streams: a hello must not cause quadratic cost. */
import { allowance, each, NO_RATES, steadily, type Attack } from './attack.ts';
import type { Peer } from './attacker.ts';
import { textFrame, webSocket } from './websocket.ts';

const STREAMS = 500;
const ADDRESSES = 4;
/** Hellos per second, from all streams together: each of them changes presence. */
const PER_SECOND = 50;

const nameOf = (index: number) => `${'n'.repeat(58)}-${String(index).padStart(5, '0')}`;

export const presence: Attack = {
  name: 'cpu/presence',
  about: `${STREAMS} streams with the longest names and keys in one room, and ${PER_SECOND} hellos/s`,
  flags: NO_RATES,
  memory: (declared) =>
    allowance([STREAMS * 2 * declared.of('subscriber_bytes'), `${2 * STREAMS} × subscriber_bytes`]),
  run: async (context) => {
    const boxPub = encodeURIComponent(Buffer.alloc(32, 1).toString('base64'));
    const peers: Peer[] = [];
    await each(
      STREAMS,
      16,
      async (index) => {
        const from = context.attacker.address(index % ADDRESSES);
        const query = `?name=${nameOf(index)}&box_pub=${boxPub}`;
        peers[index] = await webSocket(context, 'presence', { from, query });
      },
      context.signal,
    );
    await context.begin();
    const bytes = () => peers.reduce((sum, peer) => sum + peer.bytes, 0);
    const before = bytes();
    const ms = context.size === 'full' ? 10_000 : 3_000;
    await steadily({ perSecond: PER_SECOND, ms }, context, async (index) =>
      // Every second hello changes the name, which also sends a rename to all streams.
      peers[index % STREAMS]?.send(
        textFrame(
          JSON.stringify({
            type: 'hello',
            name: nameOf(index % 2 === 0 ? index % STREAMS : STREAMS + index),
          }),
        ),
      ),
    );
    await context.settled(5_000);
    const { of } = context.declared;
    // Presence after the last hello may be sent one interval after the attack.
    const intervals = ms / of('presence_ms') + 1;
    return [
      {
        what: 'presence frames per stream and presence_ms',
        value: Math.round((bytes() - before) / STREAMS / intervals / 1_024),
        unit: 'KiB',
        bound: of('subscriber_bytes') / 1_024,
        from: 'subscriber_bytes: what one stream may be owed',
      },
    ];
  },
};
