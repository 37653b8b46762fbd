import type { IncomingMessage } from 'node:http';
import proxyAddress from '@fastify/proxy-addr';

/** A name or an address, and perhaps a port. An authority with anything else in it is not repeated to anyone. */
const AUTHORITY = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?$/;

/**
 * The base URL under which clients reach the relay, as `--public-url` gives it.
 * @returns origin and path in the URL parser's form, without a slash at the end.
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

/** The first of several values that proxies in a row have listed: what the client's own proxy said. */
function first(header: string | string[] | undefined): string | undefined {
  const text = Array.isArray(header) ? header[0] : header;
  return text?.split(',', 1)[0]?.trim();
}

/**
 * Tells the origin at which a client reached the relay, where no `--public-url` says it.
 * @param proxies whose `X-Forwarded-Host` and `X-Forwarded-Proto` are believed, as for `addressesBehind`.
 * @returns from a request to `http://host:port`; null when what the request names is no host.
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
