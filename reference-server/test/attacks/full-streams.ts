/** Streams into new rooms when the table of rooms is full: they must be refused and release their slots. */
import { pathOf } from '@bot2bot/schemas';
import { allowance, NO_RATES, type Attack, type Context, type Measured } from './attack.ts';
import { pipelined } from './pipeline.ts';
import { get, post, postText } from './room.ts';
import { upgrade } from './websocket.ts';

const ROOMS = 100;
const STREAMS = 8;
/** More than an address may have at once; they are opened one after the other. */
const TRIES = 3 * STREAMS;

/** Open streams into new rooms, one after the other. @returns the first line of each answer. */
async function firstLines(
  context: Context,
  from: string,
  request: (room: string) => string,
): Promise<string[]> {
  const lines: string[] = [];
  for (let i = 0; i < TRIES && !context.signal.aborted; i++) {
    const peer = (await context.attacker.open(from)).read();
    peer.send(request(`nowhere-${i}`));
    const text = await peer.first(500);
    lines.push(text.split('\r\n')[0] ?? '');
    peer.socket.destroy();
  }
  return lines;
}

function others(what: string, lines: readonly string[]): Measured {
  const wrong = lines.filter((line) => !line.startsWith('HTTP/1.1 503'));
  const which = [...new Set(wrong.map((line) => (line === '' ? 'no answer' : line)))].join(', ');
  return {
    what: `${what} not answered 503${which === '' ? '' : ` (${which})`}`,
    value: wrong.length,
    unit: `of ${lines.length}`,
    bound: 0,
    from: 'the relay is full (rooms), and one after the other is below address_streams',
  };
}

export const fullStreams: Attack = {
  name: 'streams/rooms-full',
  about: 'streams into new rooms, by SSE and by WebSocket, when the table of rooms is full',
  flags: { ...NO_RATES, rooms: ROOMS, address_streams: STREAMS },
  memory: () => allowance([ROOMS * 8_192, 'rooms × 8 KiB']),
  run: async (context) => {
    const { attacker } = context;
    // Each of many addresses stays below its share, but together they fill the table.
    await pipelined(context, 2 * ROOMS, 32, (index) => postText(`full-${index}`));
    await context.begin();
    const sse = await firstLines(context, attacker.address(0), (room) => get(pathOf('streamEvents', room)));
    const ws = await firstLines(context, attacker.address(1), (room) => upgrade(pathOf('openSocket', room)));
    // A slot that was not released is missing here.
    const refused = [];
    for (const from of [attacker.address(0), attacker.address(1)]) {
      await post(context, 'full-0', 8, { from });
      const after = (await attacker.open(from)).read();
      after.send(get(pathOf('streamEvents', 'full-0')));
      if (!(await after.first(2_000)).startsWith('HTTP/1.1 200')) refused.push(from);
    }
    return [
      others('SSE', sse),
      others('WebSockets', ws),
      {
        what: 'slots of streams not released',
        value: refused.length,
        unit: 'streams refused',
        bound: 0,
        from: 'none of the refused streams is open: one more is below address_streams',
      },
    ];
  },
};
