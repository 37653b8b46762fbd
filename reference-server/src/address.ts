import type { IncomingMessage } from 'node:http';
import { isIP, isIPv6, type Socket } from 'node:net';
import proxyAddress from '@fastify/proxy-addr';

/**
 * Who asks, by the prefixes of its address, the narrowest first: an IPv4 address alone; the /64, /56 and /48 of an IPv6
 * one. Whoever has one address of IPv6 has a whole /64, and often a /56 or a /48.
 */
export type Client = readonly [string, ...string[]];

/** Bits of an IPv6 address that are counted together. Each may hold twice what the narrower one may. */
const PREFIXES = [64, 56, 48] as const;
const UNKNOWN: Client = ['unknown'];

/** What each prefix of a client may hold, given what its narrowest may. */
export function allowance(narrowest: number, level: number): number {
  return narrowest * 2 ** level;
}

/** Tells clients apart, behind proxies too. */
export interface Addresses {
  /** Who sent a request. */
  clientOf(request: IncomingMessage): Client;
  /** Whether a socket is that of a proxy, which many clients share. */
  isProxy(socket: Socket): boolean;
}

/**
 * @param proxies whose `X-Forwarded-For` is believed: addresses, networks (`10.0.0.0/8`) or `loopback`, `linklocal`,
 * `uniquelocal`. From everyone else the header is ignored.
 * @throws {TypeError} for what is none of these.
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
      const said = proxyAddress(
        { headers, socket, connection: socket } as unknown as IncomingMessage,
        trusted,
      );
      // A proxy that passes on something else than an address tells nobody apart.
      return clientAt(isIP(said) === 0 ? socket.remoteAddress : said);
    },
    isProxy: ({ remoteAddress }) => remoteAddress !== undefined && trusted(remoteAddress, 0),
  };
}

/** Some proxies write `192.0.2.1:4711` or `[2001:db8::1]:4711`. */
function withoutPort(given: string): string {
  const text = given.trim();
  if (text.startsWith('[')) return text.slice(1, text.indexOf(']'));
  const colon = text.indexOf(':');
  return colon >= 0 && colon === text.lastIndexOf(':') ? text.slice(0, colon) : text;
}

/** @param remote as the system writes it. */
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
