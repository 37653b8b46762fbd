/** The relay accepts many connections per turn of its event loop, so that new clients get in under load. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { openAcceptors } from '../src/acceptors.ts';
import { start, stop } from './process.ts';

it('sixteen connections are accepted per turn of the event loop, not one', async () => {
  let taken = 0;
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    taken++;
    sockets.push(socket.on('error', () => undefined));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const acceptors = openAcceptors(server);
  await acceptors.opened;
  // The system completes these handshakes while this process is busy.
  for (let i = 0; i < 100; i++) sockets.push(connect(port, '127.0.0.1').on('error', () => undefined));
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  await turn();
  const before = taken;
  for (let i = 0; i < 4; i++) await turn();
  expect(taken - before).toBeGreaterThanOrEqual(3 * 16);
  await expect.poll(() => taken).toBe(100);
  for (const socket of sockets) socket.destroy();
  acceptors.close();
  server.close();
});

it('a relay that is killed as soon as it listens leaves no process behind', async () => {
  for (let i = 0; i < 3; i++) {
    const relay = await start([]);
    await stop(relay, 'SIGKILL');
    const port = Number(new URL(relay.url).port);
    const refused = async () => {
      const socket = connect(port, '127.0.0.1');
      const error: unknown = await Promise.race([
        once(socket, 'connect').then(() => null),
        once(socket, 'error').then(([first]: unknown[]) => first),
      ]).catch((reason: unknown) => reason);
      socket.destroy();
      return error !== null;
    };
    await expect.poll(refused, { timeout: 5_000 }).toBe(true);
  }
});
