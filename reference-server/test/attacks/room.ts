/** Rooms and messages of an attack. */
import { randomBytes } from 'node:crypto';
import { pathOf } from '@bot2bot/schemas';
import { each, type Context } from './attack.ts';
import type { Answer, Request } from './attacker.ts';

/** Maximum length of a ciphertext in characters (MSG-4). */
export const LONGEST = 131_072;

const fillers = new Map<number, string>();

/** The JSON of a message with a ciphertext of this many characters. */
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

/** Post `count` messages. @param from address of each; the attacker's first if absent. @returns how many were accepted. */
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

/** A POST request as text, for a raw connection. @param more further header lines, each with its line end. */
export function postText(room: string, chars = 8, more = ''): string {
  const body = message(chars);
  return (
    `POST ${pathOf('postMessage', room)} HTTP/1.1\r\nHost: x\r\n${more}` +
    `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  );
}

/** A GET request as text, for a raw connection. @param more further header lines, each with its line end. */
export function get(path: string, more = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
}
