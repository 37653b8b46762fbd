/** Rooms and messages of an attack. */
import { randomBytes } from 'node:crypto';
import { pathOf } from '@bot2bot/schemas';
import { each, type Context } from './attack.ts';
import type { Answer, Request } from './attacker.ts';

/** Most characters of a ciphertext (MSG-4). */
export const LONGEST = 131_072;

const fillers = new Map<number, string>();

/** A message's JSON with a ciphertext of so many characters. */
function message(chars: number): string {
  let ciphertext = fillers.get(chars);
  if (ciphertext === undefined) fillers.set(chars, (ciphertext = 'A'.repeat(chars)));
  return `{"ciphertext":"${ciphertext}","nonce":"${randomBytes(24).toString('base64')}"}`;
}

export function post(
  { attacker }: Pick<Context, 'attacker'>,
  room: string,
  chars = 8,
  how: Pick<Request, 'from' | 'headers'> = {},
): Promise<Answer> {
  return attacker.ask({
    ...how,
    method: 'POST',
    path: pathOf('postMessage', room),
    body: message(chars),
  });
}

/** Post so many messages. @param from the address of each; the attacker's first if absent. @returns how many were accepted. */
export async function fill(
  context: Context,
  room: string,
  count: number,
  chars: number,
  from?: string,
): Promise<number> {
  let accepted = 0;
  const how = from === undefined ? {} : { from };
  await each(
    count,
    8,
    async () => {
      if ((await post(context, room, chars, how)).status === 200) accepted++;
    },
    context.signal,
  );
  return accepted;
}

/** A post as text, for a connection of one's own. @param more header lines, each ended. */
export function postText(room: string, chars = 8, more = ''): string {
  const body = message(chars);
  return (
    `POST ${pathOf('postMessage', room)} HTTP/1.1\r\nHost: x\r\n${more}` +
    `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  );
}

/** A GET request as text, for a connection of one's own. @param more header lines, each ended. */
export function get(path: string, more = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
}
