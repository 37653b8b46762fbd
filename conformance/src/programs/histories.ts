/** Random plans for several concurrent processes of one handle in one room. The claim model judges the resulting history. */
import type { Check } from '../checks/check.ts';
import type { RelayScript } from '../script/claims.ts';
import { claimIdOf, consumer, seqOf, type Consumer } from '../script/consumer.ts';

/** The minimum lease, and a longer one, in ms. */
export const PLAN_LEASES_MS = [1_000, 1_300] as const;
/** Times after which a request is aborted, to simulate a crash, in ms. */
export const CRASH_MS = [1, 3, 8] as const;

export type Act =
  | {
      readonly act: 'claim';
      readonly excludes: boolean;
      readonly lease: number;
      readonly crash: number | null;
    }
  | { readonly act: 'ack'; readonly back: number; readonly by: 0 | 1; readonly crash: number | null }
  | { readonly act: 'renew'; readonly back: number; readonly lease: number; readonly crash: number | null }
  | { readonly act: 'release'; readonly back: number; readonly crash: number | null }
  | { readonly act: 'pause'; readonly ms: number };

/** Kinds of messages: `own` and `at` have the handle as their label; `brief` has the shortest time to live. */
export const SENDERS = ['noise', 'call', 'call', 'own', 'at', 'brief'] as const;
type Sender = (typeof SENDERS)[number];

export interface Plan {
  readonly posts: readonly Sender[];
  readonly processes: readonly (readonly Act[])[];
}

async function live(who: Consumer, acts: readonly Act[]): Promise<void> {
  const grants: { id: string; seq: number }[] = [];
  for (const given of acts) {
    const cutMs = 'crash' in given ? (given.crash ?? undefined) : undefined;
    const named = ('back' in given ? grants.at(-1 - given.back) : undefined) ?? {
      id: 'c_never_granted',
      seq: 1,
    };
    switch (given.act) {
      case 'claim': {
        const exclude_senders = given.excludes ? ['noise'] : [];
        const asking = { lease_ms: given.lease, exclude_senders, ...(cutMs === undefined ? {} : { cutMs }) };
        const reply = await who.claim(asking);
        if (!Number.isNaN(seqOf(reply))) grants.push({ id: claimIdOf(reply), seq: seqOf(reply) });
        break;
      }
      case 'ack':
        await who.ack({ ...named, seq: named.seq + given.by }, cutMs);
        break;
      case 'renew':
        await who.renew(named.id, given.lease, cutMs);
        break;
      case 'release':
        await who.release(named.id, cutMs);
        break;
      case 'pause':
        await who.script.sleep(given.ms);
    }
  }
}

async function post(script: RelayScript, { room, handle }: Consumer, sender: Sender): Promise<void> {
  const label = sender === 'own' ? handle : sender === 'at' ? `@${handle}` : sender;
  const ttl_ms = sender === 'brief' ? script.target.timings.ttl_min_ms : 0;
  await script.posted(room, { sender: label, ttl_ms });
}

/** Run a plan in a new room. */
async function drive(script: RelayScript, { posts, processes }: Plan): Promise<void> {
  const who = await consumer(script);
  const [early, late] = [posts.slice(0, 6), posts.slice(6)];
  for (const sender of early) await post(script, who, sender);
  await script.all(...processes.map((acts) => (b: RelayScript) => live(who.in(b), acts)), async (b) => {
    for (const sender of late) {
      await b.posted(who.room, { sender });
      await b.sleep(150);
    }
  });
}

/** Its program is a list of plans that run concurrently. */
export const HISTORIES_CHECK: Check<RelayScript> = {
  id: 'CLAIM-3/histories',
  title: 'the answers to several processes of one handle are linearizable',
  lane: 'quick',
  run: async (t, plans) => {
    if (t.hardened) await t.all(...(plans as Plan[]).map((plan) => (b: RelayScript) => drive(b, plan)));
  },
};
