/** How many connections a relay takes while each turn of its event loop is long. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { openDoors } from '../src/doors.ts';

it('sixteen connections are taken in a turn, not one', async () => {
  let taken = 0;
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    taken++;
    sockets.push(socket.on('error', () => undefined));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const doors = openDoors(server);
  await doors.opened;
  // The system completes these while nothing here runs.
  for (let i = 0; i < 100; i++) sockets.push(connect(port, '127.0.0.1').on('error', () => undefined));
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  await turn();
  const before = taken;
  for (let i = 0; i < 4; i++) await turn();
  expect(taken - before).toBeGreaterThanOrEqual(3 * 16);
  await expect.poll(() => taken).toBe(100);
  for (const socket of sockets) socket.destroy();
  doors.close();
  server.close();
});
