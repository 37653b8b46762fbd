import type { IncomingMessage } from 'node:http';
import proxyAddress from '@fastify/proxy-addr';

/** Host name or address, with an optional port. Any other `Host` value is not echoed in an answer. */
const AUTHORITY = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?$/;

/**
 * Parse a value of `--public-url`: the base URL under which clients reach the relay.
 * @returns origin and path, normalized by the URL parser, without a trailing slash.
 * @throws {RangeError} not http or https, or with a user, a query or a fragment.
 */
export function publicUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const plain = url !== null && url.username + url.password === '' && !/[?#]/.test(text);
  if (!plain || (url.protocol !== 'http:' && url.protocol !== 'https:')) throw new RangeError(text);
  let base = url.origin + url.pathname;
  while (base.endsWith('/')) base = base.slice(0, -1);
  return base;
}

/** The first value of a list to which each proxy appends one: that of the proxy nearest to the client. */
function first(header: string | string[] | undefined): string | undefined {
  const text = Array.isArray(header) ? header[0] : header;
  return text?.split(',', 1)[0]?.trim();
}

/**
 * For relays without `--public-url`: finds the origin under which a client reached the relay.
 * @param proxies trusted proxies, whose `X-Forwarded-Host` and `X-Forwarded-Proto` are used; as for `addressesBehind`.
 * @returns a function from a request to `http://host:port` (or https); null when its host is missing or invalid.
 */
export function originReader(proxies: readonly string[]): (request: IncomingMessage) => string | null {
  const trusts = proxies.length === 0 ? () => false : proxyAddress.compile([...proxies]);
  return ({ headers, socket }) => {
    const believed = trusts(socket.remoteAddress ?? '', 0);
    const host = (believed ? first(headers['x-forwarded-host']) : undefined) ?? headers.host ?? '';
    const secure = believed && first(headers['x-forwarded-proto']) === 'https';
    return AUTHORITY.test(host) ? `${secure ? 'https' : 'http'}://${host}` : null;
  };
}
