/** The steps of a relay's checks that an identity signs. */
import {
  AUTH_SCHEME,
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

/** How a request is signed, and what of it is broken on purpose. */
export interface SignedOptions extends CallOptions {
  readonly query?: Query;
  /** An object is sent as JSON, a text as it is. */
  readonly body?: unknown;
  /** 2 when absent; 1 for a target at compat. */
  readonly form?: 1 | 2;
  /** Unix ms; now when absent. */
  readonly ts?: number;
  /** The signing nonce; fresh when absent. */
  readonly n?: string;
  /** Signs in place of the identity. */
  readonly by?: Identity;
  /** What is signed in place of the request. */
  readonly text?: (text: string) => string;
  /** What is sent in place of the signature. */
  readonly sig?: (sig: string) => string;
}

/** How a message is signed, and what of it is broken on purpose. */
export interface SignedPostOptions extends CallOptions {
  /** With `sender_sig2`; true when absent, at hardened. */
  readonly form2?: boolean;
  readonly ts?: number;
  readonly senderNonce?: string;
  readonly by?: Identity;
  /** The room that is signed for. */
  readonly signedRoom?: string;
  /** Fields that are changed after the signatures were made. */
  readonly after?: Readonly<Record<string, unknown>>;
}

export abstract class SigningScript extends RoomScript {
  #identities = 0;
  #agents = 0;

  /** A handle that no one else has, not yet registered: like room ids it depends on the seed and the salt alone. */
  identity(handle?: string): Identity {
    const { salt, seed } = this.run;
    return madeIdentity([salt, seed, this.case, this.branch, 'i', this.#identities++], handle);
  }

  /** The body that registers an identity. @param ts Unix ms. */
  registration(identity: Identity, ts = Date.now()): Record<string, unknown> {
    return registrationOf(identity, ts);
  }

  register(body: Readonly<Record<string, unknown>>, options: CallOptions = {}): Promise<Reply> {
    return this.write('registerIdentity', [], body, options);
  }

  /** A handle that the check depends on, registered. */
  async registered(identity = this.identity()): Promise<Identity> {
    const reply = await this.register(this.registration(identity));
    this.require('ID-1', reply.status === 201, 'a valid registration is answered 201', reply);
    if (reply.status !== 201) throw new Interrupted('a registration that the check needs was not accepted');
    return identity;
  }

  /**
   * A registered agent that other cases share, so that a run registers few. What it does in rooms of the case is its
   * own; its inbox and its profile are not. A branch gets one of its own.
   */
  async agent(): Promise<Identity> {
    const index = this.#agents++;
    const isShared = this.branch === '' && index < (this.target.agents ?? 0);
    return isShared ? sharedAgent(this.run, index) : this.registered();
  }

  /** Send JSON, or any text, to an operation that draws from the address's rate and from no room's. */
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

  /** The `Authorization` of a request. @param target path and query. @param body its text; empty without one. */
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
    return `${AUTH_SCHEME} ${form === 1 ? '' : 'v=2,'}ts=${ts},n=${n},sig=${options.sig?.(sig) ?? sig}`;
  }

  /** A request that an identity signs. @param params what stands in the path, such as a room. */
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

  /** A body that an identity has signed for a room. */
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

  /** Post a message that an identity signs. */
  signedPost(
    room: string,
    identity: Identity,
    body: Readonly<Record<string, unknown>> = {},
    options: SignedPostOptions = {},
  ): Promise<Reply> {
    return this.send('postMessage', room, this.signedBody(room, identity, body, options), options);
  }
}
