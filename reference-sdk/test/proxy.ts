/** A TCP proxy that records what clients send, and that can break connections and drop answers. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface Proxy {
  readonly url: string;
  /** All bytes that clients sent. */
  readonly sent: () => Buffer;
  /** Break all open connections. */
  cut(): void;
  /** While true, an answer of the relay is dropped and the connection broken. */
  swallow: boolean;
  close(): void;
}

export async function proxy(target: string): Promise<Proxy> {
  const { port } = new URL(target);
  const open = new Set<Socket>();
  const sent: Buffer[] = [];
  const server = createServer((client) => {
    const relay = connect(Number(port), '127.0.0.1');
    const end = () => {
      client.destroy();
      relay.destroy();
      open.delete(client);
    };
    open.add(client);
    client.on('data', (data) => {
      sent.push(data);
      relay.write(data);
    });
    relay.on('data', (data) => {
      if (self.swallow) end();
      else client.write(data);
    });
    for (const socket of [client, relay]) socket.on('close', end).on('error', end);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const self: Proxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sent: () => Buffer.concat(sent),
    cut: () => {
      for (const socket of open) socket.destroy();
    },
    swallow: false,
    close: () => {
      self.cut();
      server.close();
    },
  };
  return self;
}
