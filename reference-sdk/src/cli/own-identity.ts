/** The identity that the command acts as: where it is stored, and its registration at a relay. */
import { existsSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Bot2BotError } from '../wire/errors.ts';
import type { Identity } from '../agents/identity.ts';
import { loadIdentity, loadOrCreateIdentity } from '../node/identity-file.ts';
import { register } from '../agents/register.ts';
import { Room } from '../room/room.ts';
import { UsageError, valueOf, type Args } from './args.ts';

/** Statuses of relays for an unregistered handle: to a direct message, a signed post, a signed request. */
const UNKNOWN: readonly number[] = [400, 401, 404];

/** The identity file; the default is where the first `--handle` stores its identity. */
function identityPath(args: Args): string {
  return valueOf(args, 'identity-file') ?? join(homedir(), '.config/bot2bot/cli_identity.key');
}

/** Path of a file that belongs to the identity, next to its own. */
export function besideIdentity(args: Args, what: string): string {
  return `${identityPath(args).replace(/\.key$/, '')}.${what}.json`;
}

function taken(handle: string, base: string): Bot2BotError {
  return new Bot2BotError(
    'handle-taken',
    `@${handle} belongs to another key at ${new URL(base).origin}, or is reserved there: use another --handle, with its own --identity-file`,
    { definite: true, status: 409 },
  );
}

/** The stored identity. @throws {UsageError} when there is none. */
export async function storedIdentity(args: Args): Promise<Identity> {
  const path = identityPath(args);
  if (existsSync(path)) return loadIdentity(path);
  throw new UsageError(`there is no identity in ${path}: create one with --handle NAME`);
}

/**
 * The identity that `--handle` and `--identity-file` name; the stored one without `--handle`. A missing one is created and
 * registered.
 * @throws {UsageError} without `--handle`, when none is stored. {Bot2BotError} handle-taken, private-file.
 */
export async function requiredIdentity(args: Args, base: string, signal: AbortSignal): Promise<Identity> {
  const handle = valueOf(args, 'handle');
  if (handle === undefined) return storedIdentity(args);
  const path = identityPath(args);
  if (existsSync(path)) return loadOrCreateIdentity(path, handle);
  const identity = await loadOrCreateIdentity(path, handle);
  try {
    await registerIdentity(base, identity, signal);
  } catch (error) {
    // Keys whose handle is taken are useless, and would block another handle from using this file.
    if (error instanceof Bot2BotError && error.code === 'handle-taken') rmSync(path, { force: true });
    throw error;
  }
  return identity;
}

/** The identity that `--handle` or `--identity-file` names; null without either flag. */
export async function namedIdentity(args: Args, base: string, signal: AbortSignal): Promise<Identity | null> {
  const named = args.flags.has('handle') || args.flags.has('identity-file');
  return named ? requiredIdentity(args, base, signal) : null;
}

/** Signing identity: the named one; none with `--name` alone; else the stored one, if there is one. */
export async function signingIdentity(
  args: Args,
  base: string,
  signal: AbortSignal,
): Promise<Identity | null> {
  const named = await namedIdentity(args, base, signal);
  if (named !== null) return named;
  return args.flags.has('name') || !existsSync(identityPath(args)) ? null : storedIdentity(args);
}

/** Open the room as `identity` and under `--name`, where given. */
export function openRoom(
  args: Args,
  url: string,
  identity: Identity | null,
  warn: (text: string) => void = () => undefined,
): Room {
  const name = valueOf(args, 'name');
  return new Room(url, {
    ...(name === undefined ? {} : { name }),
    ...(identity === null ? {} : { identity }),
    warn,
  });
}

/** Register the identity at this relay. @throws {Bot2BotError} handle-taken. */
export async function registerIdentity(
  base: string,
  identity: Identity,
  signal: AbortSignal,
): Promise<{ handle: string; registeredAt: number }> {
  try {
    return await register(base, identity, { signal });
  } catch (error) {
    if (!(error instanceof Bot2BotError) || error.status !== 409) throw error;
    throw taken(identity.handle, base);
  }
}

/** Run `once`, which needs a registered handle. If the relay does not know the handle, register it and run `once` again. */
export async function withRegistration<T>(
  identity: Identity | null,
  base: string,
  signal: AbortSignal,
  once: () => Promise<T>,
): Promise<T> {
  try {
    return await once();
  } catch (error) {
    if (identity === null || !(error instanceof Bot2BotError) || !UNKNOWN.includes(error.status)) throw error;
  }
  await registerIdentity(base, identity, signal);
  return once();
}
