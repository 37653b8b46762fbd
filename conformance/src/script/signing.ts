/** Steps that an identity signs. */
import {
  messageText,
  messageText2,
  pathOf,
  requestText,
  requestText2,
  ROUTES,
  type OperationId,
  type Route,
} from '@bot2bot/schemas';
import { madeIdentity, registrationOf, sha256, sharedAgent, type Identity } from './keys.ts';
import type { Reply } from './reply.ts';
import {
  ANSWER_MS,
  parkMs,
  queryString,
  RoomScript,
  type CallOptions,
  type Query,
  type Sealed,
} from './rooms.ts';
import { Interrupted } from './steps.ts';

/** More than the clocks of the suite and the target usually differ, in ms. */
export const CLEARLY_MS = 15_000;

/** How a request is signed, with deliberate errors. */
export interface SignedOptions extends CallOptions {
  readonly query?: Query;
  /** An object is sent as JSON, a string unchanged. */
  readonly body?: unknown;
  /** Form of the signature; default 2, or 1 for a target at compat. */
  readonly form?: 1 | 2;
  /** Timestamp in Unix ms; default: now. */
  readonly ts?: number;
  /** The signing nonce; default: a fresh one. */
  readonly n?: string;
  /** An identity that signs instead. */
  readonly by?: Identity;
  /** Replaces the text that is signed. */
  readonly text?: (text: string) => string;
  /** Replaces the signature that is sent. */
  readonly sig?: (sig: string) => string;
}

/** How a message is signed, with deliberate errors. */
export interface SignedPostOptions extends CallOptions {
  /** Whether to add `sender_sig2`; default: true at level hardened. */
  readonly form2?: boolean;
  readonly ts?: number;
  readonly senderNonce?: string;
  readonly by?: Identity;
  /** The room in the signed text, if not that of the post. */
  readonly signedRoom?: string;
  /** Fields to change after signing. */
  readonly after?: Readonly<Record<string, unknown>>;
}

export abstract class SigningScript extends RoomScript {
  #identities = 0;
  #agents = 0;

  /** An identity with a unique handle, not yet registered. Like room ids, it is derived only from the seed and the salt. */
  identity(handle?: string): Identity {
    const { salt, seed } = this.run;
    return madeIdentity([salt, seed, this.case, this.branch, 'i', this.#identities++], handle);
  }

  /** The body of a registration. @param ts Unix ms. */
  registration(identity: Identity, ts = Date.now()): Record<string, unknown> {
    return registrationOf(identity, ts);
  }

  register(body: Readonly<Record<string, unknown>>, options: CallOptions = {}): Promise<Reply> {
    return this.write('registerIdentity', [], body, options);
  }

  /** Register an identity; if that fails the check cannot continue. */
  async registered(identity = this.identity()): Promise<Identity> {
    const reply = await this.register(this.registration(identity));
    this.require('ID-1', reply.status === 201, 'a valid registration is answered 201', reply);
    if (reply.status !== 201) throw new Interrupted('a registration that the check needs was not accepted');
    return identity;
  }

  /**
   * A registered agent that cases share, so that a run needs few registrations. Its rooms are separate for each case, but its
   * inbox and its profile are shared. Branches register their own agents.
   */
  async agent(): Promise<Identity> {
    const index = this.#agents++;
    const isShared = this.branch === '' && index < (this.target.agents ?? 0);
    return isShared ? sharedAgent(this.run, index) : this.registered();
  }

  /** Send JSON, or any text, to an operation that counts against the rate of the address, but not of a room. */
  write(
    operation: OperationId,
    params: readonly string[],
    body: unknown,
    options: CallOptions & { query?: Query; parks?: true } = {},
  ): Promise<Reply> {
    const { query = {}, ...rest } = options;
    const { method } = ROUTES[operation];
    const text = typeof body === 'string' || body === undefined ? body : JSON.stringify(body);
    return this.request(method, pathOf(operation, ...params) + queryString(query), {
      ...rest,
      headers: { ...(text === undefined ? {} : { 'Content-Type': 'application/json' }), ...options.headers },
      ...(text === undefined ? {} : { body: text }),
      writes: '',
    });
  }

  /** The `Authorization` header of a request. @param target path and query. @param body the body's text; empty without one. */
  authorization(
    method: string,
    target: string,
    body: string,
    identity: Identity,
    options: Omit<SignedOptions, 'query' | 'body'> = {},
  ): string {
    const { form = this.hardened ? 2 : 1, ts = Date.now(), by = identity } = options;
    const n = options.n ?? this.bytes(18).toString('base64url');
    const plain =
      form === 1 ? requestText(method, target, ts, n) : requestText2(method, target, ts, n, sha256(body));
    const sig = by.sign(options.text?.(plain) ?? plain);
    return `Bot2Bot ${form === 1 ? '' : 'v=2,'}ts=${ts},n=${n},sig=${options.sig?.(sig) ?? sig}`;
  }

  /** Send a signed request. @param params path parameters, such as a room. */
  signedRequest(
    operation: OperationId,
    params: string | readonly string[],
    identity: Identity,
    options: SignedOptions = {},
  ): Promise<Reply> {
    const { query = {}, body, headers, ...rest } = options;
    const values = typeof params === 'string' ? [params] : params;
    const { method, query: known }: Route = ROUTES[operation];
    const text = body === undefined || typeof body === 'string' ? (body ?? '') : JSON.stringify(body);
    const target = pathOf(operation, ...values) + queryString(query);
    const Authorization = this.authorization(method, target, text, identity, rest);
    return this.write(operation, values, body === undefined ? undefined : text, {
      query,
      headers: { Authorization, ...headers },
      timeoutMs: (known?.['timeout'] === undefined ? 0 : parkMs(query['timeout'])) + ANSWER_MS,
      ...(known?.['timeout'] === undefined ? {} : { parks: true }),
      ...(rest.timeoutMs === undefined ? {} : { timeoutMs: rest.timeoutMs }),
      ...(rest.flood === undefined ? {} : { flood: rest.flood }),
    });
  }

  /** The body of a signed message for a room. */
  signedBody(
    room: string,
    identity: Identity,
    body: Readonly<Record<string, unknown>> = {},
    options: SignedPostOptions = {},
  ): Record<string, unknown> {
    const { ts = Date.now(), by = identity, form2 = this.hardened, signedRoom = room } = options;
    const senderNonce = options.senderNonce ?? this.bytes(18).toString('base64url');
    const full: Sealed & Record<string, unknown> = { ...this.sealed(), ...body };
    const { ttl_ms: ttl, reply_to: replyTo, ext } = full;
    const ciphertextSha256 = sha256(full.ciphertext);
    const bound = messageText2({
      room: signedRoom,
      handle: identity.handle,
      signPub: identity.signPub,
      ts,
      senderNonce,
      ciphertextSha256,
      nonce: full.nonce,
      ttlMs: typeof ttl === 'number' ? ttl : 0,
      replyTo: typeof replyTo === 'string' ? replyTo : undefined,
      signedOnly: full['signed_only'] === true,
      extSha256: sha256(typeof ext === 'string' ? ext : ''),
    });
    return {
      ...full,
      sender_handle: identity.handle,
      sender_ts: ts,
      sender_nonce: senderNonce,
      sender_sig: by.sign(messageText(signedRoom, ts, senderNonce, ciphertextSha256)),
      ...(form2 ? { sender_sig2: by.sign(bound) } : {}),
      ...options.after,
    };
  }

  /** Post a signed message. */
  signedPost(
    room: string,
    identity: Identity,
    body: Readonly<Record<string, unknown>> = {},
    options: SignedPostOptions = {},
  ): Promise<Reply> {
    return this.send('postMessage', room, this.signedBody(room, identity, body, options), options);
  }
}
