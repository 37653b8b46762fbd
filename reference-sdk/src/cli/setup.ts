import { createRoomUrl } from '../room/room-url.ts';
import { storedIdentity, registerIdentity, requiredIdentity } from './own-identity.ts';
import { allow, operandsOf, type Args } from './args.ts';
import { baseOf } from './room-source.ts';
import { jsonLine, write } from './terminal.ts';

/** `new [BASE]`: print the URL of a new room. Sends nothing. */
export async function newRoom(args: Args): Promise<number> {
  allow(args, 'new', ['base']);
  const [base] = operandsOf(args, 'new', ['BASE?']);
  await write(`${createRoomUrl(baseOf(args, base))}\n`);
  return 0;
}

/** `register`: register the identity at a relay. */
export async function registerHandle(args: Args, signal: AbortSignal): Promise<number> {
  allow(args, 'register', ['handle', 'identity-file', 'base']);
  operandsOf(args, 'register', []);
  const base = baseOf(args);
  const identity = await requiredIdentity(args, base, signal);
  const { handle, registeredAt } = await registerIdentity(base, identity, signal);
  await write(jsonLine({ handle, registered_at: registeredAt }));
  return 0;
}

/** `whoami`: print the public half of the stored identity. */
export async function whoAmI(args: Args): Promise<number> {
  allow(args, 'whoami', ['identity-file']);
  operandsOf(args, 'whoami', []);
  const { handle, boxPub, signPub } = await storedIdentity(args);
  await write(jsonLine({ handle, box_pub: boxPub, sign_pub: signPub }));
  return 0;
}
