/** Who the command is: the identity that it keeps, and its place at a relay. */
import { existsSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Bot2BotError } from '../wire/errors.ts';
import type { Identity } from '../agents/identity.ts';
import { loadIdentity, loadOrCreateIdentity } from '../node/identity-file.ts';
import { register } from '../agents/register.ts';
import { Room } from '../room/room.ts';
import { UsageError, valueOf, type Args } from './args.ts';

/** How relays refuse what an unknown handle does: a direct message, a signed post, a signed request. */
const UNKNOWN: readonly number[] = [400, 401, 404];

/** Where the first `--handle` puts its identity. */
function identityPath(args: Args): string {
  return valueOf(args, 'identity-file') ?? join(homedir(), '.config/bot2bot/cli_identity.key');
}

/** Where something is kept that goes with an identity. */
export function besideIdentity(args: Args, what: string): string {
  return `${identityPath(args).replace(/\.key$/, '')}.${what}.json`;
}

function taken(handle: string, base: string): Bot2BotError {
  return new Bot2BotError(
    'handle-taken',
    `@${handle} belongs to another key at ${new URL(base).origin}, or is reserved there: take another --handle, with an --identity-file of its own`,
    { definite: true, status: 409 },
  );
}

/** @throws {UsageError} when none is kept. */
export async function storedIdentity(args: Args): Promise<Identity> {
  const path = identityPath(args);
  if (existsSync(path)) return loadIdentity(path);
  throw new UsageError(`no identity is kept in ${path}: --handle NAME makes one`);
}

/**
 * The identity that `--handle` and `--identity-file` name. Where there is none, it is made and registered.
 * @throws {UsageError} when none is named and none is kept; {Bot2BotError} handle-taken, private-file.
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
    // New keys without a handle would stand in the way of another.
    if (error instanceof Bot2BotError && error.code === 'handle-taken') rmSync(path, { force: true });
    throw error;
  }
  return identity;
}

/** Who `--handle` or `--identity-file` names; null without either. */
export async function namedIdentity(args: Args, base: string, signal: AbortSignal): Promise<Identity | null> {
  const named = args.flags.has('handle') || args.flags.has('identity-file');
  return named ? requiredIdentity(args, base, signal) : null;
}

/** Who speaks: who is named, nobody where `--name` alone is given, else who is kept, if anybody. */
export async function signingIdentity(
  args: Args,
  base: string,
  signal: AbortSignal,
): Promise<Identity | null> {
  const named = await namedIdentity(args, base, signal);
  if (named !== null) return named;
  return args.flags.has('name') || !existsSync(identityPath(args)) ? null : storedIdentity(args);
}

/** The room, for an agent or for `--name`. */
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

/** Give the identity's handle to its keys, at this relay. @throws {Bot2BotError} handle-taken. */
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

/** Do what takes a registered handle; where the relay does not know it, register it and do it once more. */
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
