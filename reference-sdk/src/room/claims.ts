import { Bot2BotError } from '../wire/errors.ts';
import type { GapEvent, MessageEvent, ResetEvent, UnopenedEvent } from './events.ts';
import type { Call } from '../wire/http.ts';
import type { Identity } from '../agents/identity.ts';
import { malformed, openMessage, type Member } from './member.ts';
import { readable } from './payloads.ts';
import { Recent } from './recent.ts';
import { retrying, sleep } from '../wire/retry.ts';
import { missingRoomDelayMs } from './stream.ts';
import {
  AckAnswer,
  ClaimAnswer,
  ClaimEmpty,
  Gap,
  LIMITS,
  Message,
  ReleaseAnswer,
  RenewAnswer,
  TIMINGS,
} from '../wire/wire.gen.ts';

/** A claimed message: leased to this handle until it is acked, released, or the lease expires. */
export class Claim {
  readonly claimId: string;
  readonly seq: number;
  readonly event: MessageEvent;
  /** Seq of the handle's last ack; 0 before the first. */
  readonly cursor: number;
  /** How often this message has been delivered to the handle; null when the relay does not report it. @see CLAIM-19 */
  readonly delivery: number | null;
  /** The handle already held this claim; its lease was not restarted. @see CLAIM-20 */
  readonly resumed: boolean;
  /** Messages that were evicted before they could be claimed; null for none. @see CLAIM-24 */
  readonly gap: GapEvent | null;
  /** The room was recreated since the last claim. @see CLAIM-27 */
  readonly reset: boolean;
  /** When the lease expires, as a `performance.now()` time. */
  deadline: number;

  constructor(claim: Omit<Claim, 'leaseRemainingMs'>) {
    this.claimId = claim.claimId;
    this.seq = claim.seq;
    this.event = claim.event;
    this.cursor = claim.cursor;
    this.delivery = claim.delivery;
    this.resumed = claim.resumed;
    this.gap = claim.gap;
    this.reset = claim.reset;
    this.deadline = claim.deadline;
  }

  /** Measured with the local clock from when the claim request was sent. @see CLAIM-30 */
  get leaseRemainingMs(): number {
    return Math.max(0, this.deadline - performance.now());
  }
}

/** The part of a claim that `ack` and `release` need, so that another process can call them. */
export type ClaimRef = Pick<Claim, 'claimId' | 'seq'>;

/** Callbacks for messages that claim() skips; default: warn. */
export interface ClaimListeners {
  /** A message could not be decrypted. It is acked. @see CLAIM-31 */
  readonly onUnopened?: (event: UnopenedEvent) => void;
  /** Messages were evicted before they could be claimed. @see CLAIM-32 */
  readonly onGap?: (event: GapEvent) => void;
  /** The room was recreated; messages may be missing. @see CLAIM-32 */
  readonly onReset?: (event: ResetEvent) => void;
}

export interface ClaimOptions extends ClaimListeners {
  /** How long to wait for a message, in ms; 30 000 when absent. */
  readonly timeoutMs?: number;
  /** 1 000 to 600 000; 60 000 when absent. Relays at level compat clamp it to 60 000 to 300 000. */
  readonly leaseMs?: number;
  /** Sender labels whose messages are skipped; at most 255. */
  readonly excludeSenders?: readonly string[];
  readonly signal?: AbortSignal;
}

const ANSWER_MS = 30_000;
const RETRY_FOR_MS = 60_000;
/** Pause after an empty answer that came before the timeout, as relays at level compat send it. */
const EARLY_MS = 250;

interface Granted extends Pick<ClaimAnswer, 'claim_id' | 'cursor' | 'epoch' | 'reset'> {
  readonly message: Readonly<Record<string, unknown>> & { readonly seq: number };
  readonly lease_remaining_ms?: number;
  readonly delivery?: number;
  readonly resumed?: boolean;
  readonly gap?: unknown;
}

/** Whether the answer grants a message. The message itself may be malformed: it still has to be acked, or it would block the rest. */
function isGranted(value: unknown): value is Granted {
  if (typeof value !== 'object' || value === null || !('message' in value)) return false;
  const { message } = value;
  if (typeof message !== 'object' || message === null || !('seq' in message)) return false;
  const stand = { seq: message.seq, id: 'standing-in', sender: '', sender_verified: false, ts: 0 };
  return ClaimAnswer({ ...value, message: { ...stand, ciphertext: 'AAAA', nonce: 'A'.repeat(32) } });
}

const isAnswer = (value: unknown): value is Granted | ClaimEmpty => isGranted(value) || ClaimEmpty(value);

function asClaimGone(error: unknown): unknown {
  if (!(error instanceof Bot2BotError) || error.status !== 409) return error;
  return new Bot2BotError(
    'claim-gone',
    'the claim no longer exists: its lease expired, or it was acked or released',
    {
      status: 409,
      definite: true,
      cursor: error.cursor,
      cause: error,
    },
  );
}

/** The claims of one `Room` object. */
export class Claims {
  readonly #member: Member;
  readonly #identity: Identity;
  #epoch: string | null = null;
  /** Estimated deadline of the current claim, for relays that do not report `lease_remaining_ms`. */
  #estimate = { claimId: '', deadline: 0 };
  #reportedGap = '';
  #current = { seq: 0, nonce: '' };
  /** Nonces of the acked messages. @see MSG-24 */
  readonly #acked = new Recent();

  constructor(member: Member, identity: Identity) {
    this.#member = member;
    this.#identity = identity;
  }

  #call(operation: Call['operation'], fields: object, signal: AbortSignal, more: Partial<Call> = {}): Call {
    const body = JSON.stringify({ handle: this.#identity.handle, ...fields });
    return { method: 'POST', operation, body, signal, timeoutMs: ANSWER_MS, ...more };
  }

  /**
   * Claim the next message that an agent has to handle. Own messages, payloads, duplicates and messages that cannot be
   * decrypted are acked and skipped.
   * @returns null after the timeout.
   */
  async claim(options: ClaimOptions, signal: AbortSignal): Promise<Claim | null> {
    const { timeoutMs = TIMINGS.wait_default_ms } = options;
    const until = performance.now() + timeoutMs;
    const pause = (ms: number) => sleep(Math.max(0, Math.min(ms, until - performance.now())), signal);
    for (let unknown = 0; ;) {
      const left = until - performance.now();
      const timeout = Math.min(TIMINGS.wait_default_ms / 1000, Math.max(1, Math.round(left / 1000)));
      const asked = performance.now();
      const { answer, sentAt } = await this.#ask(timeout, options, signal);
      const told = this.#reportLosses(answer, options);
      if (!('message' in answer)) {
        if (performance.now() >= until) return null;
        if (answer.exists === false) await pause(missingRoomDelayMs(unknown++));
        else if (performance.now() - asked < timeout * 1000 - EARLY_MS) await pause(EARLY_MS);
        continue;
      }
      unknown = 0;
      const event = await this.#toEvent(answer, signal);
      if (event?.type === 'message') {
        return new Claim({
          claimId: answer.claim_id,
          seq: answer.message.seq,
          event,
          cursor: answer.cursor,
          delivery: answer.delivery ?? null,
          resumed: answer.resumed ?? false,
          ...told,
          deadline: this.#deadline(answer, sentAt, options.leaseMs),
        });
      }
      if (event !== null) {
        const { onUnopened } = options;
        if (onUnopened !== undefined) onUnopened(event);
        else
          this.#member.warn(
            `bot2bot: message ${event.seq} cannot be decrypted (${event.reason}); it was acked and skipped`,
          );
      }
      await this.ack({ claimId: answer.claim_id, seq: answer.message.seq }, signal).catch(
        (error: unknown) => {
          // The lease expired in the meantime: the message will be delivered again.
          if (!(error instanceof Bot2BotError) || error.code !== 'claim-gone') throw error;
        },
      );
    }
  }

  async #ask(
    timeout: number,
    { leaseMs, excludeSenders = [] }: ClaimOptions,
    signal: AbortSignal,
  ): Promise<{ answer: Granted | ClaimEmpty; sentAt: number }> {
    const { name } = this.#member;
    const { handle } = this.#identity;
    const labels = [...new Set([name, ...excludeSenders])].filter(
      (label) => excludeSenders.includes(label) || (label !== handle && label !== `@${handle}`),
    );
    if (labels.length > LIMITS.exclude_senders)
      throw new RangeError(`at most ${LIMITS.exclude_senders} senders can be excluded`);
    const query = { timeout, lease_ms: leaseMs, ttl_ms: leaseMs, epoch: this.#epoch };
    const fields = { exclude_senders: labels, exclude_self: 'verified' };
    const timeoutMs = ANSWER_MS + timeout * 1000;
    const call = this.#call('claimMessage', fields, signal, { query, timeoutMs });
    let sentAt = 0;
    const once = () => {
      sentAt = performance.now();
      return this.#member.relay.signed(this.#identity, call, isAnswer);
    };
    const answer = await retrying(once, { forMs: RETRY_FOR_MS, signal });
    return { answer, sentAt };
  }

  /** @returns null for a message that is acked silently. @see CLAIM-31 */
  async #toEvent({ message }: Granted, signal: AbortSignal): Promise<MessageEvent | UnopenedEvent | null> {
    if (!Message(message)) return malformed(message);
    const { seq, nonce } = message;
    this.#current = { seq, nonce };
    // Relays at level compat may store a message twice when its sender retried.
    if (this.#acked.has(nonce)) return null;
    const event = await openMessage(this.#member, message, signal);
    if (event.type === 'unopened') return event;
    if (event.own) return null;
    const text = readable(event.text);
    return text === null ? null : { ...event, text };
  }

  #reportLosses(
    { epoch, reset, gap }: { epoch?: string; reset?: boolean; gap?: unknown },
    { onReset, onGap }: ClaimListeners,
  ): { reset: boolean; gap: GapEvent | null } {
    const changed = reset === true || (this.#epoch !== null && epoch !== undefined && epoch !== this.#epoch);
    if (epoch !== undefined || changed) this.#epoch = epoch ?? null;
    if (changed) {
      if (onReset !== undefined) onReset({ type: 'reset', epoch: this.#epoch });
      else this.#member.warn('bot2bot: the room was recreated; messages may be missing');
    }
    if (gap === undefined || !Gap(gap)) return { reset: changed, gap: null };
    const event: GapEvent = { type: 'gap', from: gap.from, to: gap.to };
    const key = `${this.#epoch}:${gap.from}-${gap.to}`;
    if (key !== this.#reportedGap) {
      this.#reportedGap = key;
      if (onGap !== undefined) onGap(event);
      else
        this.#member.warn(
          `bot2bot: messages ${gap.from} to ${gap.to} were evicted before they could be claimed`,
        );
    }
    return { reset: changed, gap: event };
  }

  #deadline({ claim_id, lease_remaining_ms }: Granted, sentAt: number, leaseMs: number | undefined): number {
    if (lease_remaining_ms !== undefined) return sentAt + lease_remaining_ms;
    const lease = leaseMs ?? TIMINGS.lease_default_ms;
    const { claim_ttl_min_ms: least, claim_ttl_max_ms: most } = TIMINGS;
    if (this.#estimate.claimId !== claim_id)
      this.#estimate = { claimId: claim_id, deadline: sentAt + Math.min(most, Math.max(least, lease)) };
    return this.#estimate.deadline;
  }

  /** Acknowledge a claimed message. @throws {Bot2BotError} claim-gone. @see CLAIM-15 CLAIM-16 CLAIM-5 */
  async ack({ claimId, seq }: ClaimRef, signal: AbortSignal): Promise<{ advanced: boolean; cursor: number }> {
    const call = this.#call('ackMessage', { claim_id: claimId, seq }, signal);
    const once = () => this.#member.relay.signed(this.#identity, call, AckAnswer);
    try {
      const { advanced, cursor } = await retrying(once, { forMs: RETRY_FOR_MS, signal });
      if (seq === this.#current.seq) this.#acked.add(this.#current.nonce);
      return { advanced, cursor };
    } catch (error) {
      throw asClaimGone(error);
    }
  }

  /** Extend the lease; one attempt. @throws {Bot2BotError} claim-gone; status 404 or 401 from relays without renew. @see CLAIM-21 */
  async renew(claim: Claim, leaseMs: number | undefined, signal: AbortSignal): Promise<void> {
    const query = { lease_ms: leaseMs };
    const call = this.#call('renewClaim', { claim_id: claim.claimId }, signal, { query });
    const sentAt = performance.now();
    try {
      const answer = await this.#member.relay.signed(this.#identity, call, RenewAnswer);
      claim.deadline = sentAt + answer.lease_remaining_ms;
    } catch (error) {
      throw asClaimGone(error);
    }
  }

  /** Give the message back. @returns false when the claim was already over, or the relay does not support release. @see CLAIM-22 */
  async release({ claimId }: Pick<Claim, 'claimId'>, signal: AbortSignal): Promise<boolean> {
    const call = this.#call('releaseClaim', { claim_id: claimId }, signal);
    const once = () => this.#member.relay.signed(this.#identity, call, ReleaseAnswer);
    try {
      return (await retrying(once, { forMs: RETRY_FOR_MS, signal })).released;
    } catch (error) {
      if (error instanceof Bot2BotError && (error.status === 404 || error.status === 405)) return false;
      throw error;
    }
  }
}
