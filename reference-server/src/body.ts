import type { IncomingMessage } from 'node:http';
import { RequestProblem } from './problem.ts';

/**
 * Bytes of an oversized body that are read and discarded, so that the client can read the answer: if the relay closed the
 * connection while the client is still sending, the client would get a connection error, or a 502 from a proxy.
 */
const DRAIN_BYTES = 4 << 20;
/** The bytes held for a body are reported to `account` in steps of at least this size. */
const STEP_BYTES = 4 << 10;
/** After this many chunks they are joined into one buffer: many small chunks use far more memory than their bytes. */
const MAX_PARTS = 256;

/**
 * Read a request body.
 * @param maxBytes maximum size in bytes.
 * @param account called with the number of bytes held since the last call (the last few are not reported); throws when the
 * client has too many bytes in flight.
 * @throws {RequestProblem} unsupported-media-type, if it is compressed; too-large; rate-limited; bad-request, if the
 * connection fails.
 * @see CORE-8
 */
export function readBody(
  request: IncomingMessage,
  maxBytes: number,
  account: (bytes: number) => void,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const encoding = request.headers['content-encoding']?.toLowerCase() ?? 'identity';
    let problem = encoding === 'identity' ? null : new RequestProblem('unsupported-media-type');
    let parts: Buffer[] = [];
    let joined: Buffer[] = [];
    let size = 0;
    let accounted = 0;
    const end = () => {
      if (problem !== null) reject(problem);
      else if (joined.length === 0 && parts.length === 1 && parts[0] !== undefined) resolve(parts[0]);
      else resolve(Buffer.concat([...joined, ...parts]));
    };
    const hold = (part: Buffer) => {
      if (size - accounted > STEP_BYTES) {
        account(size - accounted);
        accounted = size;
      }
      parts.push(part);
      if (parts.length < MAX_PARTS) return;
      joined.push(Buffer.concat(parts));
      parts = [];
    };
    const take = (part: Buffer) => {
      size += part.length;
      if (size > maxBytes) problem ??= new RequestProblem('too-large');
      try {
        if (problem === null) hold(part);
      } catch (error) {
        problem = error instanceof RequestProblem ? error : new RequestProblem('internal');
      }
      if (problem !== null) parts = joined = [];
      if (size <= maxBytes + DRAIN_BYTES) return;
      request.off('data', take).pause();
      end();
    };
    request.on('data', take).on('end', end);
    request.on('error', () => reject(new RequestProblem('bad-request')));
  });
}
