/** Who the command is: the identity that it keeps, and its place at a relay. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Bot2BotError } from '../errors.ts';
import type { Identity } from '../identity.ts';
import { loadIdentity, loadOrCreateIdentity } from '../node/identity-file.ts';
import { lookUpIdentity, register } from '../register.ts';
import { UsageError, valueOf, type Words } from './args.ts';

/** How relays refuse what an unknown handle does: a direct message, a signed post, a signed request. */
const UNKNOWN: readonly number[] = [400, 401, 404];

/** Where the first `--handle` puts its identity. */
function identityPath(words: Words): string {
  return valueOf(words, 'identity-file') ?? join(homedir(), '.config/bot2bot/cli_identity.key');
}

/** Where something is kept that goes with an identity. */
export function besideIdentity(words: Words, what: string): string {
  return `${identityPath(words).replace(/\.key$/, '')}.${what}.json`;
}

function taken(handle: string, base: string): Bot2BotError {
  return new Bot2BotError(
    'handle-taken',
    `@${handle} belongs to another key at ${new URL(base).origin}, or is reserved there: take another --handle, with an --identity-file of its own`,
    { definite: true, status: 409 },
  );
}

/** @throws {UsageError} when none is kept. */
export async function keptAgent(words: Words): Promise<Identity> {
  const path = identityPath(words);
  if (existsSync(path)) return loadIdentity(path);
  throw new UsageError(`no identity is kept in ${path}: --handle NAME makes one`);
}

/**
 * The identity that `--handle` and `--identity-file` name. It is made where there is none, unless someone has its handle.
 * @throws {UsageError} when none is named and none is kept; {Bot2BotError} handle-taken, private-file.
 */
export async function requiredAgent(words: Words, base: string, signal: AbortSignal): Promise<Identity> {
  const handle = valueOf(words, 'handle');
  if (handle === undefined) return keptAgent(words);
  const path = identityPath(words);
  if (!existsSync(path)) await mustBeFree(base, handle, signal);
  return loadOrCreateIdentity(path, handle);
}

/** Asked before a file is made, which would stand in the way of another handle. */
async function mustBeFree(base: string, handle: string, signal: AbortSignal): Promise<void> {
  try {
    const found = await lookUpIdentity(base, handle, { signal });
    throw taken(found.handle, base);
  } catch (error) {
    if (!(error instanceof Bot2BotError) || error.code !== 'unknown-handle') throw error;
  }
}

/** Who speaks: who `--handle` names, nobody where `--name` alone is given, else who is kept, if anybody. */
export async function optionalAgent(
  words: Words,
  base: string,
  signal: AbortSignal,
): Promise<Identity | null> {
  const { flags } = words;
  const named = flags.has('handle') || flags.has('identity-file');
  if (!named && (flags.has('name') || !existsSync(identityPath(words)))) return null;
  return requiredAgent(words, base, signal);
}

/** Give the identity's handle to its keys, at this relay. @throws {Bot2BotError} handle-taken. */
export async function registerAgent(
  base: string,
  identity: Identity,
  signal: AbortSignal,
): Promise<{ handle: string; registeredAt: number }> {
  try {
    return await register(base, identity, { signal });
  } catch (error) {
    if (error instanceof Bot2BotError && error.code === 'handle-taken') throw taken(identity.handle, base);
    throw error;
  }
}

/** Do what takes a registered handle; where the relay does not know it, register it and do it once more. */
export async function asAgent<T>(
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
  await registerAgent(base, identity, signal);
  return once();
}
