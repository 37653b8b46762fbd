/**
 * Identity files, mode 0600. These forms can be read:
 *
 *     sdk    = length-byte handle box-secret sign-seed
 *     mcp    = box-secret sign-seed                 ; beside it, `.json` in place of `.key`: {"handle", "created"}
 *     export = {"bot2bot_identity_v1": true, "handle", "box_sk_b64u", "sign_seed_b64u", …}
 *
 * with secrets of 32 bytes and a handle of 2 to 32.
 */
import { Identity } from '../agents/identity.ts';
import { createPrivate, fileError, readPrivate, replacePrivate } from './private-file.ts';

export type IdentityForm = 'sdk' | 'mcp' | 'export';

const SECRETS_BYTES = 64;
const MAX_BYTES = 4_096;
const BRACE = 0x7b;

const handlePath = (path: string) => `${path.replace(/\.key$/, '')}.json`;
const json = (value: object) => Buffer.from(`${JSON.stringify(value)}\n`);

function secretsOf(identity: Identity): Buffer {
  const { box_sk_b64u, sign_seed_b64u } = identity.exportSecrets();
  return Buffer.concat([Buffer.from(box_sk_b64u, 'base64url'), Buffer.from(sign_seed_b64u, 'base64url')]);
}

function identityOf(handle: string, secrets: Buffer): Identity {
  const [box, sign] = [secrets.subarray(0, 32), secrets.subarray(32)];
  return Identity.fromSecrets({
    bot2bot_identity_v1: true,
    handle,
    box_sk_b64u: box.toString('base64url'),
    sign_seed_b64u: sign.toString('base64url'),
  });
}

function objectOf(bytes: Buffer): Readonly<Record<string, unknown>> {
  const value: unknown = JSON.parse(bytes.toString());
  if (typeof value !== 'object' || value === null) throw new RangeError('not an object');
  return value as Record<string, unknown>;
}

/** The handle of a file of the form `mcp`, from the JSON file next to it. */
function handleBeside(path: string): string {
  const beside = readPrivate(handlePath(path), MAX_BYTES);
  const handle = beside === null ? undefined : objectOf(beside)['handle'];
  if (typeof handle !== 'string') throw new RangeError('no handle');
  return handle;
}

function parse(path: string, bytes: Buffer): Identity {
  if (bytes[0] === BRACE) return Identity.fromSecrets(objectOf(bytes));
  if (bytes.length === SECRETS_BYTES) return identityOf(handleBeside(path), bytes);
  const [length = 0] = bytes;
  if (bytes.length !== 1 + length + SECRETS_BYTES) throw new RangeError('wrong length');
  return identityOf(bytes.subarray(1, 1 + length).toString('latin1'), bytes.subarray(1 + length));
}

function read(path: string): Identity | null {
  const bytes = readPrivate(path, MAX_BYTES);
  if (bytes === null) return null;
  try {
    return parse(path, bytes);
  } catch (error) {
    if (error instanceof RangeError || error instanceof SyntaxError)
      throw fileError(
        `${path} is not a complete identity file (${bytes.length} bytes); restore it from a backup, or move it away to get a new identity`,
      );
    throw error;
  }
}

/**
 * Write an identity file, replacing any existing one.
 * @param form `sdk` when absent.
 */
export async function saveIdentity(
  path: string,
  identity: Identity,
  form: IdentityForm = 'sdk',
): Promise<void> {
  if (form === 'mcp')
    replacePrivate(handlePath(path), json({ handle: identity.handle, created: Date.now() }));
  replacePrivate(path, bytesOf(identity, form));
}

function bytesOf(identity: Identity, form: IdentityForm): Buffer {
  if (form === 'export') return json(identity.exportSecrets());
  if (form === 'mcp') return secretsOf(identity);
  const { handle } = identity;
  return Buffer.concat([Buffer.from([handle.length]), Buffer.from(handle), secretsOf(identity)]);
}

/**
 * Read an identity file of any form.
 * @throws {Bot2BotError} private-file: it is missing, accessible to other users, a symbolic link, or incomplete. The
 * message says what to do and repeats nothing of the file.
 */
export async function loadIdentity(path: string): Promise<Identity> {
  const identity = read(path);
  if (identity === null) throw fileError(`there is no identity at ${path}`);
  return identity;
}

/**
 * Read an identity file, or create one. Processes that call this at the same time all get the same identity.
 * @throws {Bot2BotError} private-file, also when the file holds another handle.
 */
export async function loadOrCreateIdentity(
  path: string,
  handle: string,
  form: IdentityForm = 'sdk',
): Promise<Identity> {
  const fresh = Identity.create(handle);
  let identity = read(path);
  if (identity === null) {
    // In the form mcp these are two files: another process may win the race for either, so read back what is there.
    if (form === 'mcp') createPrivate(handlePath(path), json({ handle: fresh.handle, created: Date.now() }));
    identity = createPrivate(path, bytesOf(fresh, form)) && form !== 'mcp' ? fresh : await loadIdentity(path);
  }
  if (identity.handle !== fresh.handle)
    throw fileError(
      `${path} holds @${identity.handle}, not @${fresh.handle}; use a separate file for each handle`,
    );
  return identity;
}
