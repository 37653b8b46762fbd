import { fork } from 'node:child_process';
import { Server } from 'node:net';
import { join } from 'node:path';

/** Connections that can be accepted in one turn of the event loop. */
const ACCEPTORS = 16;
const ECHO = join(import.meta.dirname, '../bin/echo-handles.mjs');

/**
 * Accept connections of a listening server through more file descriptors. In each turn of the event loop, libuv accepts
 * one connection per listening descriptor; under load, when turns are long, new clients would wait too long. Node cannot
 * duplicate a descriptor, but gets a new one each time another process sends the socket back.
 * @returns `opened` resolves when all are open, or when they could not be opened; the server works without them.
 */
export function openAcceptors(server: Server): {
  readonly opened: Promise<void>;
  readonly close: () => void;
} {
  const acceptors: Server[] = [];
  const child = fork(ECHO, { stdio: 'ignore', execArgv: [] });
  const opened = new Promise<void>((resolve) => {
    const end = () => {
      child.kill();
      resolve();
    };
    child.on('error', end).on('exit', end);
    child.on('message', (_message, handle) => {
      const acceptor = new Server((socket) => server.emit('connection', socket));
      acceptors.push(acceptor.on('error', () => undefined).listen(handle));
      if (acceptors.length === ACCEPTORS - 1) end();
    });
    // Send the bare handle: with a whole server, the child would accept connections too.
    const { _handle: handle } = server as Server & { _handle?: Server };
    for (let i = 1; i < ACCEPTORS; i++) child.send('socket', handle, () => undefined);
  });
  const close = () => {
    child.kill();
    for (const acceptor of acceptors) acceptor.close();
  };
  return { opened, close };
}
