import type { IncomingMessage } from 'node:http';
import { RequestProblem } from './problem.ts';

/**
 * Bytes of a body that are read beyond what is allowed, so that its sender can read the answer: one that is answered and
 * closed while it sends gets a broken connection, and behind a proxy a 502.
 */
const DRAIN_BYTES = 4 << 20;
/** What is held of a body is accounted for in steps of this. */
const STEP_BYTES = 4 << 10;
/** Parts that come one by one are put together when they are so many: each is held by itself until then. */
const MANY_PARTS = 256;

/**
 * Read a body.
 * @param most bytes that it may have.
 * @param account called with bytes that are held, but for the last few; throws when the client has too many under way.
 * @throws {RequestProblem} unsupported-media-type, for one that is compressed; too-large; rate-limited.
 * @see CORE-8
 */
export function readBody(
  request: IncomingMessage,
  most: number,
  account: (bytes: number) => void,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const encoding = request.headers['content-encoding']?.toLowerCase() ?? 'identity';
    let problem = encoding === 'identity' ? null : new RequestProblem('unsupported-media-type');
    let parts: Buffer[] = [];
    let wholes: Buffer[] = [];
    let size = 0;
    let accounted = 0;
    const end = () => {
      if (problem !== null) reject(problem);
      else if (wholes.length === 0 && parts.length === 1 && parts[0] !== undefined) resolve(parts[0]);
      else resolve(Buffer.concat([...wholes, ...parts]));
    };
    const hold = (part: Buffer) => {
      if (size - accounted > STEP_BYTES) {
        account(size - accounted);
        accounted = size;
      }
      parts.push(part);
      if (parts.length < MANY_PARTS) return;
      wholes.push(Buffer.concat(parts));
      parts = [];
    };
    const take = (part: Buffer) => {
      size += part.length;
      if (size > most) problem ??= new RequestProblem('too-large');
      try {
        if (problem === null) hold(part);
      } catch (error) {
        problem = error instanceof RequestProblem ? error : new RequestProblem('internal');
      }
      if (problem !== null) parts = wholes = [];
      if (size <= most + DRAIN_BYTES) return;
      request.off('data', take).pause();
      end();
    };
    request.on('data', take).on('end', end);
    request.on('error', () => reject(new RequestProblem('bad-request')));
  });
}
