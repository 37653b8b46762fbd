/** A TCP proxy that writes down what goes through it and can cut, and swallow answers. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface Proxy {
  readonly url: string;
  /** What clients sent. */
  readonly sent: () => Buffer;
  /** Break every connection that is open. */
  cut(): void;
  /** While true, what the relay answers is lost and the connection broken. */
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
