import { NEVER_ABORTED } from '../wire/abort.ts';
import { Bot2BotError } from '../wire/errors.ts';
import type { Fetch } from '../wire/http.ts';
import type { Identity } from './identity.ts';
import { fetchIdentity, keyChanged, lookUp, type Pins, type PublicIdentity } from './pins.ts';
import { Relay } from '../wire/relay.ts';
import { retrying } from '../wire/retry.ts';
import { registerText } from '../wire/signing.gen.ts';
import { RegisterAnswer } from '../wire/wire.gen.ts';

/** Options of the calls that need no `Room`. */
export interface RelayOptions {
  /** The `fetch` to use; the platform's when absent. */
  readonly fetch?: Fetch;
  readonly signal?: AbortSignal;
  /** Pinned keys of other agents; without it every call trusts the keys that the relay sends. */
  readonly pins?: Pins;
}

const ANSWER_MS = 30_000;
const RETRY_FOR_MS = 30_000;

/**
 * Register the identity's handle and keys. Registering the same identity again changes nothing.
 * @param base the relay, such as `https://bot2bot.chat`.
 * @returns when it was first registered, in Unix ms.
 * @throws {Bot2BotError} handle-taken, handle-reserved; key-changed when the relay then reports other keys.
 * @see ID-1 ID-3 ID-4
 */
export async function register(
  base: string,
  identity: Identity,
  options: RelayOptions & { readonly meta?: { readonly bio?: string } } = {},
): Promise<{ handle: string; registeredAt: number }> {
  const relay = new Relay(base, options.fetch);
  const signal = options.signal ?? NEVER_ABORTED;
  const { handle, boxPub, signPub } = identity;
  const once = async () => {
    const ts = Math.round(relay.now());
    const body = JSON.stringify({
      handle,
      box_pub: boxPub,
      sign_pub: signPub,
      register_ts: ts,
      register_sig: await identity.sign(registerText(handle, ts, boxPub, signPub)),
      ...(options.meta === undefined ? {} : { meta: options.meta }),
    });
    const call = {
      method: 'POST',
      operation: 'registerIdentity',
      body,
      signal,
      timeoutMs: ANSWER_MS,
    } as const;
    return relay.http.json(call, RegisterAnswer);
  };
  const within = { forMs: RETRY_FOR_MS, signal };
  let answer: RegisterAnswer;
  try {
    answer = await retrying(() => relay.withClockRetry(once, signal), within);
  } catch (error) {
    if (!(error instanceof Bot2BotError) || error.code !== 'http-409') throw error;
    throw new Bot2BotError('handle-taken', `@${handle} is taken or reserved`, {
      status: 409,
      definite: true,
    });
  }
  const told = await retrying(() => fetchIdentity(relay, handle, signal), within);
  if (told.signPub !== signPub || told.boxPub !== boxPub) throw keyChanged(handle);
  return { handle: answer.handle, registeredAt: answer.registered_at };
}

/** Look up the public keys of a handle. @throws {Bot2BotError} unknown-handle; key-changed when `pins` holds other keys. @see ID-6 ID-9 */
export function lookUpIdentity(
  base: string,
  handle: string,
  options: RelayOptions = {},
): Promise<PublicIdentity> {
  return lookUp(
    new Relay(base, options.fetch),
    handle,
    options.pins ?? new Map(),
    options.signal ?? NEVER_ABORTED,
  );
}
