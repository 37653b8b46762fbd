import { fork } from 'node:child_process';
import { Server } from 'node:net';
import { join } from 'node:path';

/** Connections that can be taken in a turn of the event loop. */
const ACCEPTORS = 16;
const ECHO = join(import.meta.dirname, '../bin/echo-handles.mjs');

/**
 * Open more acceptors to a server that listens. libuv takes one connection in each turn of the event loop from each
 * descriptor of a listening socket: where many keep the turns long, with whatever they may do, those who have no
 * connection yet would wait for ever. Node makes no second descriptor by itself, but gets one for each time that another
 * process sends the socket back.
 * @returns resolves when they are open, or cannot be, which costs nothing else.
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
    // The bare handle: a server would take connections in the child as well.
    const { _handle: handle } = server as Server & { _handle?: Server };
    for (let i = 1; i < ACCEPTORS; i++) child.send('socket', handle, () => undefined);
  });
  const close = () => {
    child.kill();
    for (const acceptor of acceptors) acceptor.close();
  };
  return { opened, close };
}
