import { createRoomUrl } from '../room/room-url.ts';
import { keptAgent, registerAgent, requiredAgent } from './own-identity.ts';
import { allow, operandsOf, type Words } from './args.ts';
import { baseOf } from './room-source.ts';
import { jsonLine, write } from './terminal.ts';

/** `new [BASE]`: a room's URL. Nothing is sent. */
export async function newRoom(words: Words): Promise<number> {
  allow(words, 'new', ['base']);
  const [base] = operandsOf(words, 'new', ['BASE?']);
  await write(`${createRoomUrl(baseOf(words, base))}\n`);
  return 0;
}

/** `register`: give the handle to its keys at a relay. */
export async function registerHandle(words: Words, signal: AbortSignal): Promise<number> {
  allow(words, 'register', ['handle', 'identity-file', 'base']);
  operandsOf(words, 'register', []);
  const base = baseOf(words);
  const identity = await requiredAgent(words, base, signal);
  const { handle, registeredAt } = await registerAgent(base, identity, signal);
  await write(jsonLine({ handle, registered_at: registeredAt }));
  return 0;
}

/** `whoami`: the public half of the identity that is kept. */
export async function whoAmI(words: Words): Promise<number> {
  allow(words, 'whoami', ['identity-file']);
  operandsOf(words, 'whoami', []);
  const { handle, boxPub, signPub } = await keptAgent(words);
  await write(jsonLine({ handle, box_pub: boxPub, sign_pub: signPub }));
  return 0;
}
