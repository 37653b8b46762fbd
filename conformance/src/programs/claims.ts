/** Claim operations of programs; used only if the target serves the profile `claims`. */
import type { Identity } from '../script/keys.ts';
import type { RelayScript } from '../script/claims.ts';
import { claimIdOf, Consumer, seqOf } from '../script/consumer.ts';

/** Two leases; the shorter one expires within a program. */
export const LEASES_MS = [1_000, 20_000] as const;
/** This long after its end, a lease has certainly expired; in ms. */
const PAST_MS = 100;
const CUT_MS = 2;

/** `shared`: use the handle of the whole program, not that of the branch. `of` is the index of a grant, the newest is 0. */
export type ClaimStep = { readonly shared: boolean } & (
  | { readonly op: 'claim'; readonly lease: number; readonly excludes: boolean; readonly cut: boolean }
  | { readonly op: 'ack'; readonly of: number; readonly cut: boolean }
  | { readonly op: 'ack-late'; readonly of: number }
  | { readonly op: 'renew'; readonly of: number; readonly lease: number }
  | { readonly op: 'release'; readonly of: number }
);

export function isClaimStep(given: { readonly op: string }): given is ClaimStep {
  return ['claim', 'ack', 'ack-late', 'renew', 'release'].includes(given.op);
}

/** The handles of a branch, and their grants. */
export class ClaimActor {
  readonly #shared: Identity;
  #own: Identity | undefined;
  readonly #grants = new Map<string, { id: string; seq: number }[]>();

  constructor(shared: Identity) {
    this.#shared = shared;
  }

  /** An actor for another branch, which knows the grants so far. */
  branch(): ClaimActor {
    const actor = new ClaimActor(this.#shared);
    for (const [handle, grants] of this.#grants) actor.#grants.set(handle, [...grants]);
    return actor;
  }

  async step(script: RelayScript, room: string, given: ClaimStep): Promise<void> {
    const identity = given.shared ? this.#shared : (this.#own ??= await script.agent());
    const who = new Consumer(script, room, identity);
    const grants = this.#grants.get(who.handle) ?? [];
    this.#grants.set(who.handle, grants);
    const named = ('of' in given ? grants.at(-1 - given.of) : undefined) ?? { id: 'c_never_granted', seq: 1 };
    const cut = 'cut' in given && given.cut ? CUT_MS : undefined;
    switch (given.op) {
      case 'claim': {
        const exclude_senders = given.excludes ? ['suite'] : [];
        const timed = script.hardened ? { lease_ms: given.lease } : {};
        const reply = await who.claim({
          ...timed,
          exclude_senders,
          ...(cut === undefined ? {} : { cutMs: cut }),
        });
        if (!Number.isNaN(seqOf(reply))) grants.push({ id: claimIdOf(reply), seq: seqOf(reply) });
        return;
      }
      case 'ack':
        await who.ack(named, cut);
        return;
      case 'ack-late':
        if (script.hardened) await script.sleep(LEASES_MS[0] + PAST_MS);
        await who.ack(named);
        return;
      case 'renew':
        if (script.hardened) await who.renew(named.id, given.lease);
        return;
      case 'release':
        if (script.hardened) await who.release(named.id);
    }
  }
}
