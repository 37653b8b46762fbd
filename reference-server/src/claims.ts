import type { Clock } from './clock.ts';
import type { Engine } from './engine/engine.ts';
import type { Hub } from './hub.ts';
import type { Grant, ClaimRequest } from './leases.ts';
import type { Claimant, Room } from './room.ts';

/** Answers claims: at once, or after parking the request until a message arrives or its time is over. */
export class Claims {
  /** First deliveries, redeliveries and re-claims of a live lease, since start. */
  readonly counts = { first: 0, again: 0, resumed: 0 };
  readonly #hub: Hub;
  readonly #engine: Engine;
  readonly #clock: Clock;

  constructor(hub: Hub, engine: Engine, clock: Clock) {
    this.#hub = hub;
    this.#engine = engine;
    this.#clock = clock;
  }

  /** @returns the answer; null when there is nothing to grant now. */
  async now(room: Room, request: ClaimRequest, reset: boolean): Promise<Buffer | null> {
    const grant = await this.#engine.claim(room.log, request);
    if (grant === null) return null;
    this.#hub.touch(room);
    this.counts[grant.resumed ? 'resumed' : grant.delivery === 1 ? 'first' : 'again']++;
    return this.#granted(room, grant, reset);
  }

  park(room: Room, request: ClaimRequest, more: Pick<Claimant, 'reset' | 'deadline' | 'response'>): void {
    const claimant: Claimant = { request, ...more, writtenAt: this.#clock.mono() };
    this.#hub.park(room, claimant);
    // A message accepted between the look-up (which may be asynchronous) and the parking has woken nobody.
    void this.offer(room, claimant, false);
  }

  /**
   * Answer a parked claim if there is something for it.
   * @param last its time is over: answer it even if there is no message.
   */
  async offer(room: Room, claimant: Claimant, last: boolean): Promise<void> {
    const { request, reset, response } = claimant;
    // The client is gone: leave the message for another claim.
    if (response.destroyed) return;
    try {
      const answer = await this.now(room, request, reset);
      if (answer === null && !last) return;
      const body = answer ?? (await this.empty(room, request.handle, reset));
      if (this.#hub.unpark(room, claimant)) response.end(body);
    } catch {
      // The status line has been sent already; break the connection, so that the client retries.
      response.destroy();
    }
  }

  #standing({ log }: Room, cursor: number, reset: boolean): string {
    const gap = log.gap(cursor);
    return JSON.stringify({
      cursor,
      last_seq: log.lastSeq(this.#clock.wall()),
      epoch: log.epoch,
      oldest_seq: log.oldestSeq,
      ...(gap === null ? {} : { gap }),
      ...(reset ? { reset: true } : {}),
    }).slice(1, -1);
  }

  /** @see CLAIM-8 CLAIM-19 CLAIM-20 CLAIM-24 */
  #granted(room: Room, grant: Grant, reset: boolean): Buffer {
    const { claimId, message, cursor, remainingMs, delivery, resumed } = grant;
    return Buffer.concat([
      Buffer.from(`{"ok":true,"claim_id":"${claimId}","message":`),
      message,
      Buffer.from(
        `,${this.#standing(room, cursor, reset)},"lease_remaining_ms":${remainingMs},"delivery":${delivery}` +
          (resumed ? ',"resumed":true}' : '}'),
      ),
    ]);
  }

  /** @see CLAIM-9 */
  async empty(room: Room, handle: string, reset: boolean): Promise<Buffer> {
    const cursor = await this.#engine.cursor(room.log, handle);
    return Buffer.from(`{"ok":true,"empty":true,${this.#standing(room, cursor, reset)}}`);
  }
}
