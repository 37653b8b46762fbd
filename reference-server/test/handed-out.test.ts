/** Static files: a client that requests one and does not read the answer makes the relay hold no copy. */
import { connect, type Socket } from 'node:net';
import { ROUTES } from '@bot2bot/schemas';
import { afterEach, expect, it } from 'vitest';
import { residentMiB, start, stop, type Started } from './process.ts';

const SOCKETS = 10;
/** As many requests as the relay gets in one read of a socket. */
const REQUESTS = 600;
/** Memory that a waiting answer may use: headers and its entry in the queue, but no body. */
const ANSWER_KIB = 24;
/** The memory of the process varies by this much anyway. */
const NOISE_MIB = 40;

let relay: Started | undefined;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  if (relay !== undefined) await stop(relay, 'SIGKILL');
});

it.each(['/sdk/bot2bot.mjs', `${ROUTES.docs.path}/swagger-ui-bundle.js`, ROUTES.openapi.path])(
  '%s: an answer that is not read holds no copy',
  async (path) => {
    relay = await start([]);
    const { hostname, port } = new URL(relay.url);
    const size = (await (await fetch(relay.url + path)).arrayBuffer()).byteLength;
    const allowed = NOISE_MIB + (SOCKETS * REQUESTS * ANSWER_KIB) / 1024;
    // Copies would use at least three times as much as is allowed.
    expect((SOCKETS * REQUESTS * size) / 2 ** 20).toBeGreaterThan(3 * allowed);
    const before = residentMiB(relay);

    const asked = `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(REQUESTS);
    let peak = before;
    for (let i = 0; i < SOCKETS; i++) {
      const socket = connect(Number(port), hostname).pause();
      sockets.push(socket);
      await new Promise((resolve) => socket.write(asked, resolve));
      // These are answered after all requests before them.
      for (let turn = 0; turn < 3; turn++) await (await fetch(relay.url + ROUTES.health.path)).arrayBuffer();
      peak = Math.max(peak, residentMiB(relay));
    }
    expect(peak - before).toBeLessThan(allowed);
  },
);
