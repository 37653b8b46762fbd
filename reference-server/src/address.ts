import type { IncomingMessage } from 'node:http';
import { isIP, isIPv6, type Socket } from 'node:net';
import proxyAddress from '@fastify/proxy-addr';

/**
 * A client, identified by the prefixes of its address, longest first: an IPv4 address alone; the /64, /56 and /48 of an
 * IPv6 address. An IPv6 host usually has a whole /64, and often a /56 or a /48, so single addresses are not counted.
 */
export type Client = readonly [string, ...string[]];

/** Lengths of the IPv6 prefixes that limits apply to. Each shorter prefix may hold twice as much as the one before. */
const PREFIXES = [64, 56, 48] as const;
const UNKNOWN: Client = ['unknown'];

/** The limit for the prefix at this index of a `Client`, given the limit for its longest prefix. */
export function allowance(narrowest: number, level: number): number {
  return narrowest * 2 ** level;
}

/** Identifies clients by their addresses, including clients behind trusted proxies. */
export interface Addresses {
  /** The client that sent a request. */
  clientOf(request: IncomingMessage): Client;
  /** Whether a socket comes from a trusted proxy, which many clients share. */
  isProxy(socket: Socket): boolean;
}

/**
 * @param proxies the trusted ones, whose `X-Forwarded-For` is used: addresses, networks (`10.0.0.0/8`) or `loopback`,
 * `linklocal`, `uniquelocal`. From other addresses the header is ignored.
 * @throws {TypeError} for any other value.
 */
export function addressesBehind(proxies: readonly string[]): Addresses {
  if (proxies.length === 0)
    return { clientOf: ({ socket }) => clientAt(socket.remoteAddress), isProxy: () => false };
  const trusted = proxyAddress.compile([...proxies]);
  return {
    clientOf: (request) => {
      const { socket } = request;
      const forwarded = request.headers['x-forwarded-for'];
      const list =
        typeof forwarded === 'string' ? forwarded.split(',').map(withoutPort).join(',') : undefined;
      const headers = list === undefined ? {} : { 'x-forwarded-for': list };
      const claimed = proxyAddress(
        { headers, socket, connection: socket } as unknown as IncomingMessage,
        trusted,
      );
      // If the proxy forwards anything but an address, its clients cannot be told apart: they share the proxy's address.
      return clientAt(isIP(claimed) === 0 ? socket.remoteAddress : claimed);
    },
    isProxy: ({ remoteAddress }) => remoteAddress !== undefined && trusted(remoteAddress, 0),
  };
}

/** An address without its port: some proxies write `192.0.2.1:4711` or `[2001:db8::1]:4711`. */
function withoutPort(given: string): string {
  const text = given.trim();
  if (text.startsWith('[')) return text.slice(1, text.indexOf(']'));
  const colon = text.indexOf(':');
  return colon >= 0 && colon === text.lastIndexOf(':') ? text.slice(0, colon) : text;
}

/** @param remote the address as Node gives it: IPv6 possibly with a zone (`%eth0`), IPv4 possibly mapped (`::ffff:`). */
export function clientAt(remote: string | undefined): Client {
  if (remote === undefined) return UNKNOWN;
  if (/^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(remote)) return [remote.slice('::ffff:'.length)];
  if (!isIPv6(remote)) return [remote];
  const [head = '', tail] = (remote.split('%')[0] ?? '').split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...Array<string>(Math.max(0, zeros)).fill('0'), ...right]
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16));
  const prefix = (bits: number) => {
    const kept = groups.map((group, i) => group & (0xffff << Math.max(0, 16 * (i + 1) - bits)) & 0xffff);
    return `${kept.map((group) => group.toString(16)).join(':')}::/${bits}`;
  };
  const [narrow, middle, wide] = PREFIXES;
  return [prefix(narrow), prefix(middle), prefix(wide)];
}
