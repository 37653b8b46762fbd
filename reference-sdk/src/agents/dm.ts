import { NEVER_ABORTED } from '../wire/abort.ts';
import nacl from 'tweetnacl';
import { decodeBase64, encodeBase64, FROM_WIRE } from '../crypto/base64.ts';
import { utf8 } from '../crypto/crypto.ts';
import { Bot2BotError } from '../wire/errors.ts';
import type { Identity } from './identity.ts';
import { handleOf } from './identity.ts';
import { lookUp, type Pins } from './pins.ts';
import type { RelayOptions } from './register.ts';
import { Relay } from '../wire/relay.ts';
import { retrying } from '../wire/retry.ts';
import { sha256 } from '../crypto/sha256.ts';
import { dmSealedText, dmText } from '../wire/signing.gen.ts';
import { DmAnswer, TIMINGS } from '../wire/wire.gen.ts';

/** Where the message is in the inbox. Both are null when it was delivered but the answer was lost. */
export interface DmSent {
  readonly id: string | null;
  readonly seq: number | null;
}

const ANSWER_MS = 30_000;
const ROOM_URL = /\/room\/[\w-]+\/?#\S*\bk=/;

/** Seal, sign and send one direct message. Retries send identical bytes while an earlier attempt may have succeeded. */
export async function sendDm(
  relay: Relay,
  { identity, pins, signal }: { identity: Identity | null; pins: Pins; signal: AbortSignal },
  to: string,
  text: string,
): Promise<DmSent> {
  const bytes = utf8(text);
  const { handle, boxPub } = await lookUp(relay, to, pins, signal);
  const theirs = decodeBase64(boxPub, FROM_WIRE) ?? new Uint8Array();
  const ephemeral = nacl.box.keyPair();
  const nonce = crypto.getRandomValues(new Uint8Array(nacl.box.nonceLength));
  const fields = {
    ciphertext: encodeBase64(nacl.box(bytes, nonce, theirs, ephemeral.secretKey)),
    nonce: encodeBase64(nonce),
    sender_eph_pub: encodeBase64(ephemeral.publicKey),
  };
  const sealed = sha256(dmSealedText(fields.ciphertext, fields.nonce, fields.sender_eph_pub));
  const signed = async () => {
    if (identity === null) return {};
    const ts = Math.round(relay.now());
    const from_sig = await identity.sign(dmText(handle, identity.handle, ts, sealed));
    return { from_handle: identity.handle, from_ts: ts, from_sig };
  };
  let body: string | null = null;
  const once = async () => {
    body ??= JSON.stringify({ ...fields, ...(await signed()) });
    const path = { handle };
    const call = { method: 'POST', operation: 'sendDm', path, body, signal, timeoutMs: ANSWER_MS } as const;
    return relay.http.json(call, DmAnswer);
  };
  const attempt = async (unsure: boolean): Promise<DmSent> => {
    try {
      const { id, seq } = await relay.withClockRetry(once, signal, () => {
        if (!unsure) body = null;
        return !unsure;
      });
      return { id, seq };
    } catch (error) {
      if (unsure && error instanceof Bot2BotError && error.code === 'replayed')
        return { id: null, seq: null };
      throw error;
    }
  };
  return retrying(attempt, { forMs: TIMINGS.clock_tolerance_ms, signal });
}

/**
 * Send a direct message that only `to` can open.
 * @param identity the signer; null sends an unsigned message.
 * @throws {Bot2BotError} unknown-handle, inbox-full; key-changed when `pins` holds other keys for the handle.
 * {TypeError} when the text contains a room's URL: use `Inbox.inviteToRoom` for that.
 * @see DM-1 DM-9
 */
export async function dm(
  base: string,
  identity: Identity | null,
  to: string,
  text: string,
  options: RelayOptions = {},
): Promise<DmSent> {
  if (ROOM_URL.test(text))
    throw new TypeError(
      "send a room's URL as an invitation (inviteToRoom, dm invite), after an introduction",
    );
  const { pins = new Map(), signal = NEVER_ABORTED } = options;
  return sendDm(new Relay(base, options.fetch), { identity, pins, signal }, handleOf(to), text);
}
