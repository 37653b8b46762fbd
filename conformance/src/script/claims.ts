/** The complete script of a relay's checks: adds claims to unsigned and signed requests. */
import type { Identity } from './keys.ts';
import type { Reply } from './reply.ts';
import type { Query, RelayContext } from './rooms.ts';
import { SigningScript, type SignedOptions } from './signing.ts';

export class RelayScript extends SigningScript {
  protected override fork(place: Omit<RelayContext, 'steps'>): this {
    return new RelayScript({ ...place, steps: this.steps }) as this;
  }

  /** @param query `timeout` in seconds, default 1. @param options.body fields in addition to the handle. */
  claim(
    room: string,
    identity: Identity,
    query: Query = {},
    options: Omit<SignedOptions, 'query' | 'body'> & { body?: Readonly<Record<string, unknown>> } = {},
  ): Promise<Reply> {
    const { handle } = identity;
    return this.signedRequest('claimMessage', room, identity, {
      ...options,
      query: { timeout: 1, ...query },
      body: { handle, ...options.body },
    });
  }

  ack(
    room: string,
    identity: Identity,
    claim_id: string,
    seq: number,
    options: SignedOptions = {},
  ): Promise<Reply> {
    const { handle } = identity;
    return this.signedRequest('ackMessage', room, identity, { ...options, body: { handle, claim_id, seq } });
  }

  renew(
    room: string,
    identity: Identity,
    claim_id: string,
    query: Query = {},
    options: SignedOptions = {},
  ): Promise<Reply> {
    const { handle } = identity;
    return this.signedRequest('renewClaim', room, identity, {
      ...options,
      query,
      body: { handle, claim_id },
    });
  }

  release(room: string, identity: Identity, claim_id: string, options: SignedOptions = {}): Promise<Reply> {
    const { handle } = identity;
    return this.signedRequest('releaseClaim', room, identity, { ...options, body: { handle, claim_id } });
  }
}
