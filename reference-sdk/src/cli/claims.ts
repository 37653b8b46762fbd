import type { Claim } from '../room/claims.ts';
import { Bot2BotError } from '../wire/errors.ts';
import type { Call, Query } from '../wire/http.ts';
import { Relay } from '../wire/relay.ts';
import { retrying } from '../wire/retry.ts';
import type { Room } from '../room/room.ts';
import { parseRoomUrl } from '../room/room-url.ts';
import { TIMINGS } from '../wire/wire.gen.ts';
import { withRegistration, openRoom, requiredIdentity } from './own-identity.ts';
import { allow, numberOf, ROOM_FLAGS, UsageError, valueOf, type Flag, type Args } from './args.ts';
import { roomOf } from './room-source.ts';
import { jsonLine, warn, write } from './terminal.ts';

const MAX_SECONDS = 86_400;
const ANSWER_MS = 30_000;
const RETRY_FOR_MS = 30_000;
/** Printed when no message came; deployed scripts look for it. */
const EMPTY = { empty: true };

/** Claim the next message. @returns null when none came; it then has printed EMPTY. */
async function claimed(
  args: Args,
  verb: Flag,
  signal: AbortSignal,
): Promise<{ room: Room; claim: Claim } | null> {
  allow(args, `--${verb}`, [verb, ...ROOM_FLAGS]);
  const seconds =
    numberOf(args, 'claim-timeout', { min: 0, max: MAX_SECONDS, whole: false }) ??
    TIMINGS.wait_default_ms / 1000;
  const url = roomOf(args);
  const { base } = parseRoomUrl(url);
  const identity = await requiredIdentity(args, base, signal);
  const room = openRoom(args, url, identity, warn);
  const claim = await withRegistration(identity, base, signal, () =>
    room.claim({ timeoutMs: seconds * 1000, signal }),
  );
  if (claim !== null) return { room, claim };
  await write(jsonLine(EMPTY));
  return null;
}

function lineOf({ claimId, event, cursor }: Claim): Record<string, unknown> {
  const { seq, sender, ts, text } = event;
  return { claim_id: claimId, seq, sender, ts: ts / 1000, text, cursor };
}

/** `--claim`: claim the next message and print it. */
export async function claim(args: Args, signal: AbortSignal): Promise<number> {
  const held = await claimed(args, 'claim', signal);
  if (held === null) return 1;
  await write(jsonLine(lineOf(held.claim)));
  return 0;
}

/** `--next`: claim the next message, ack it at once and print it. */
export async function next(args: Args, signal: AbortSignal): Promise<number> {
  const held = await claimed(args, 'next', signal);
  if (held === null) return 1;
  const line = lineOf(held.claim);
  try {
    const { cursor } = await held.room.ack(held.claim, { signal });
    await write(jsonLine({ ...line, cursor }));
  } catch (error) {
    // The message has been received: print it even if the ack failed.
    const why = error instanceof Bot2BotError ? error.message : 'interrupted';
    await write(jsonLine({ ...line, ack_warning: `it was not acked and may come again: ${why}` }));
  }
  return 0;
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** Send a signed request about a claim, and print the relay's answer. @returns 0, or 2 when the claim is over. */
async function settle(
  args: Args,
  operation: Call['operation'],
  fields: object,
  { query = {}, signal }: { query?: Query; signal: AbortSignal },
): Promise<number> {
  const { base, roomId } = parseRoomUrl(roomOf(args));
  const identity = await requiredIdentity(args, base, signal);
  const relay = new Relay(base, undefined, { room: roomId });
  const body = JSON.stringify({ handle: identity.handle, ...fields });
  const call: Call = { method: 'POST', operation, query, body, signal, timeoutMs: ANSWER_MS };
  const once = () => relay.signed(identity, call, isObject);
  try {
    const answer = await withRegistration(identity, base, signal, () =>
      retrying(once, { forMs: RETRY_FOR_MS, signal }),
    );
    await write(jsonLine(answer));
    return 0;
  } catch (error) {
    if (!(error instanceof Bot2BotError) || error.cursor === null) throw error;
    warn('the claim no longer exists: its lease expired, or it was acked or released; claim again');
    await write(jsonLine({ error: error.message, cursor: error.cursor }));
    return 2;
  }
}

/** `--ack CLAIM_ID SEQ`: acknowledge the message as handled. */
export function ack(args: Args, signal: AbortSignal): Promise<number> {
  allow(args, '--ack', ['ack', ...ROOM_FLAGS]);
  const [claimId = '', seq = ''] = args.flags.get('ack') ?? [];
  if (!/^\d{1,16}$/.test(seq)) throw new UsageError('--ack takes the claim_id and the seq of a claim');
  return settle(args, 'ackMessage', { claim_id: claimId, seq: Number(seq) }, { signal });
}

/** `--renew CLAIM_ID`: extend the lease. */
export function renew(args: Args, signal: AbortSignal): Promise<number> {
  allow(args, '--renew', ['renew', 'lease-ms', ...ROOM_FLAGS]);
  const { lease_min_ms: min, lease_max_ms: max } = TIMINGS;
  const leaseMs = numberOf(args, 'lease-ms', { min, max, whole: true });
  return settle(
    args,
    'renewClaim',
    { claim_id: valueOf(args, 'renew') },
    { query: { lease_ms: leaseMs }, signal },
  );
}

/** `--release CLAIM_ID`: give the message back. */
export function release(args: Args, signal: AbortSignal): Promise<number> {
  allow(args, '--release', ['release', ...ROOM_FLAGS]);
  return settle(args, 'releaseClaim', { claim_id: valueOf(args, 'release') }, { signal });
}
