/** An HTTP proxy on loopback that records the requested hosts. It uses the machine's own proxy, if there is one. */
import { once } from 'node:events';
import { createServer, request, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

export interface RecordingProxy {
  readonly url: string;
  /** The `host:port` of every request, without duplicates. */
  readonly hosts: ReadonlySet<string>;
  close(): void;
}

/** @param upstream the machine's proxy; null: connect to the hosts directly. */
export async function recordingProxy(upstream: URL | null): Promise<RecordingProxy> {
  const hosts = new Set<string>();
  const open = new Set<Socket | Duplex>();
  const login =
    upstream === null || upstream.username === ''
      ? ''
      : `Basic ${Buffer.from(decodeURIComponent(`${upstream.username}:${upstream.password}`)).toString('base64')}`;
  const next = (url: URL) => upstream ?? url;
  const portOf = ({ port, protocol }: URL) => Number(port) || (protocol === 'https:' ? 443 : 80);

  const server = createServer((incoming, answer) => {
    const url = new URL(incoming.url ?? '');
    hosts.add(`${url.hostname}:${portOf(url)}`);
    const outgoing = request(
      {
        host: next(url).hostname,
        port: portOf(next(url)),
        method: incoming.method,
        path: incoming.url,
        headers: { ...incoming.headers, ...(login === '' ? {} : { 'proxy-authorization': login }) },
      },
      (reply) => reply.pipe(answer.writeHead(reply.statusCode ?? 502, reply.headers)),
    );
    outgoing.on('error', () => answer.destroy());
    incoming.pipe(outgoing);
  });
  server.on('connect', (incoming: IncomingMessage, client: Duplex) => {
    const target = incoming.url ?? '';
    hosts.add(target);
    const way = next(new URL(`http://${target}`));
    const far = connect(portOf(way), way.hostname, () => {
      if (upstream === null) client.write('HTTP/1.1 200 OK\r\n\r\n');
      else
        far.write(
          `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${login === '' ? '' : `Proxy-Authorization: ${login}\r\n`}\r\n`,
        );
      far.pipe(client).pipe(far);
    });
    for (const side of [far, client]) {
      open.add(side);
      side.on('error', () => [far, client].forEach((each) => each.destroy()));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    hosts,
    close: () => {
      for (const side of open) side.destroy();
      server.close();
      server.closeAllConnections();
    },
  };
}
