/** A handle that claims messages in a room, for checks. */
import type { Identity } from './keys.ts';
import type { Reply } from './reply.ts';
import type { RelayScript } from './claims.ts';
import { Interrupted } from './steps.ts';

/** The parameters of a claim; `timeout` is in seconds, default 1. */
export interface Asking {
  readonly timeout?: number;
  readonly lease_ms?: number | string;
  readonly ttl_ms?: number;
  readonly epoch?: string;
  readonly exclude_senders?: readonly string[];
  readonly exclude_self?: 'label' | 'verified';
  /** Close the connection after this time, in ms. */
  readonly cutMs?: number;
}

/** The shortest lease of level hardened, in ms. */
export const LEASE_MS = 1_000;
/** This long after its end, a lease has certainly expired, whatever the clocks; in ms. */
export const PAST_MS = 100;
export const SHORT: Asking = { lease_ms: LEASE_MS };

export interface Granted {
  readonly reply: Reply;
  readonly id: string;
  readonly seq: number;
}

export class Consumer {
  readonly script: RelayScript;
  readonly room: string;
  readonly identity: Identity;

  constructor(script: RelayScript, room: string, identity: Identity) {
    this.script = script;
    this.room = room;
    this.identity = identity;
  }

  get handle(): string {
    return this.identity.handle;
  }

  /** The same handle in another process: in another branch, and possibly in another room. */
  in(script: RelayScript, room = this.room): Consumer {
    return new Consumer(script, room, this.identity);
  }

  claim({ exclude_senders, exclude_self, cutMs, ...query }: Asking = {}): Promise<Reply> {
    return this.script.claim(
      this.room,
      this.identity,
      { timeout: 1, ...query },
      {
        body: {
          ...(exclude_senders === undefined ? {} : { exclude_senders }),
          ...(exclude_self === undefined ? {} : { exclude_self }),
        },
        ...(cutMs === undefined ? {} : { timeoutMs: cutMs }),
      },
    );
  }

  /** Claim a message; without one the check cannot continue. @param rule the rule that requires a message. */
  async granted(asking: Asking = {}, rule = 'CLAIM-8'): Promise<Granted> {
    const reply = await this.claim(asking);
    const granted = { reply, id: reply.json.get('claim_id').string, seq: seqOf(reply) };
    const ok = reply.status === 200 && granted.id !== '' && !Number.isNaN(granted.seq);
    this.script.require(rule, ok, 'a grant with claim_id and message', reply);
    if (!ok) throw new Interrupted('a claim that the check needs was not granted');
    return granted;
  }

  ack({ id, seq }: Pick<Granted, 'id' | 'seq'>, cutMs?: number): Promise<Reply> {
    const options = cutMs === undefined ? {} : { timeoutMs: cutMs };
    return this.script.ack(this.room, this.identity, id, seq, options);
  }

  /** Ack a live claim; if that fails the check cannot continue. */
  async acked(granted: Pick<Granted, 'id' | 'seq'>): Promise<Reply> {
    const reply = await this.ack(granted);
    const ok = reply.json.get('advanced').raw === true && reply.json.get('cursor').number === granted.seq;
    this.script.require('CLAIM-15', ok, `{ok, advanced: true, cursor: ${granted.seq}}`, reply);
    return reply;
  }

  renew(id: string, leaseMs?: number | string, cutMs?: number): Promise<Reply> {
    const options = cutMs === undefined ? {} : { timeoutMs: cutMs };
    return this.script.renew(this.room, this.identity, id, { lease_ms: leaseMs }, options);
  }

  release(id: string, cutMs?: number): Promise<Reply> {
    const options = cutMs === undefined ? {} : { timeoutMs: cutMs };
    return this.script.release(this.room, this.identity, id, options);
  }
}

/** A registered handle that consumes a new room. */
export async function consumer(script: RelayScript, room = script.room()): Promise<Consumer> {
  return new Consumer(script, room, await script.agent());
}

export function seqOf(reply: Reply): number {
  return reply.json.get('message').get('seq').number;
}

export function claimIdOf(reply: Reply): string {
  return reply.json.get('claim_id').string;
}

export function isEmpty(reply: Reply): boolean {
  return reply.status === 200 && reply.json.get('empty').raw === true;
}

export function cursorOf(reply: Reply): number {
  return reply.json.get('cursor').number;
}

/** Whether the answer says that the claim is gone, and reports this cursor. */
export function isGone(reply: Reply, cursor: number): boolean {
  return reply.status === 409 && reply.json.get('error').string !== '' && cursorOf(reply) === cursor;
}

/** A handle that consumes a new room with messages from the senders s0, s1, and so on. */
export async function consumerWithMessages(t: RelayScript, messages = 2): Promise<Consumer> {
  const who = await consumer(t);
  for (let i = 0; i < messages; i++) await t.posted(who.room, { sender: `s${i}` });
  return who;
}
