/** Many small requests, pipelined on few connections, so that the relay is busy and the attacker is not. */
import { each, type Context } from './attack.ts';
import type { Attacker } from './attacker.ts';

/** Pipelined requests per connection; few, so that other clients do not wait long. */
const AT_ONCE = 8;

/** Send the requests in order on one connection; if it closes, send the unanswered ones again on a new one. */
async function onOne(
  attacker: Attacker,
  from: string,
  requests: readonly string[],
  signal: AbortSignal,
): Promise<number[]> {
  const statuses: number[] = [];
  for (let tries = 0; statuses.length < requests.length && tries < 100 && !signal.aborted; tries++) {
    const { socket } = await attacker.open(from);
    await new Promise<void>((resolve) => {
      const first = statuses.length;
      let sent = first;
      let rest = '';
      const more = () => {
        const next = requests.slice(sent, sent + AT_ONCE);
        sent += next.length;
        if (next.length === 0 || signal.aborted) socket.destroy();
        else socket.write(next.join(''));
      };
      socket.on('close', resolve).on('end', () => socket.destroy());
      socket.on('data', (data: Buffer) => {
        const text = rest + data.toString('latin1');
        let end = 0;
        for (const { 1: status, index } of text.matchAll(/HTTP\/1\.1 (\d{3}) /g)) {
          statuses.push(Number(status));
          end = index + 13;
        }
        // A status line may be split between two chunks: keep the last twelve bytes.
        rest = text.slice(Math.max(end, text.length - 12));
        if (statuses.length === sent) more();
      });
      if (socket.destroyed) resolve();
      else more();
    });
  }
  return statuses;
}

/**
 * Send `count` requests (as text, with Content-Length) over `addresses` connections.
 * @returns the statuses of the answers, in any order.
 */
export async function pipelined(
  { attacker, signal }: Pick<Context, 'attacker' | 'signal'>,
  count: number,
  addresses: number,
  request: (index: number) => string,
): Promise<number[]> {
  const statuses: number[][] = [];
  await each(addresses, addresses, async (place) => {
    const mine = Array.from({ length: Math.ceil((count - place) / addresses) }, (_, i) =>
      request(i * addresses + place),
    );
    statuses.push(await onOne(attacker, attacker.address(place), mine, signal));
  });
  return statuses.flat();
}
