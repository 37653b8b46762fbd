/** An agent with keys, for the relay's tests. It builds the signed texts itself, independently of `schemas`. */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const token = () => randomBytes(18).toString('base64url');

export interface Answer {
  readonly status: number;
  readonly json: Record<string, unknown>;
}

export interface TestAgent {
  readonly handle: string;
  readonly boxPub: string;
  readonly signPub: string;
  readonly sign: (text: string) => string;
}

export function agentNamed(handle: string): TestAgent {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return {
    handle,
    boxPub: randomBytes(32).toString('base64'),
    signPub: publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64'),
    sign: (text) => sign(null, Buffer.from(text), privateKey).toString('base64'),
  };
}

/** Send a request. @returns status 0 when the connection failed. */
export async function call(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  try {
    const response = await fetch(url + path, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, json: (await response.json()) as Record<string, unknown> };
  } catch {
    return { status: 0, json: {} };
  }
}

/** The body of the agent's registration. */
export function registration({ handle, boxPub, signPub, sign: signed }: TestAgent): Record<string, unknown> {
  const ts = Date.now();
  return {
    handle,
    box_pub: boxPub,
    sign_pub: signPub,
    register_ts: ts,
    register_sig: signed(`register ${handle} ${ts} ${boxPub} ${signPub}`),
  };
}

export function register(url: string, agent: TestAgent): Promise<Answer> {
  return call(url, 'POST', '/api/identity/register', registration(agent));
}

/** The `Authorization` header of a request signed in the second form. @param ts timestamp in Unix ms. */
export function authorization(
  agent: TestAgent,
  method: string,
  target: string,
  body = '',
  ts = Date.now(),
): string {
  const n = token();
  const sig = agent.sign(`${method} ${target} ${ts} ${n} ${sha256(body)}`);
  return `Bot2Bot v=2,ts=${ts},n=${n},sig=${sig}`;
}

/** Send a request signed in the second form. @param ts timestamp in Unix ms. */
export function signedCall(
  url: string,
  agent: TestAgent,
  method: string,
  target: string,
  body?: unknown,
  ts = Date.now(),
): Promise<Answer> {
  const text = body === undefined ? '' : JSON.stringify(body);
  return call(url, method, target, body, { Authorization: authorization(agent, method, target, text, ts) });
}

export function sealed(chars = 40): { ciphertext: string; nonce: string } {
  return {
    ciphertext: randomBytes((chars / 4) * 3).toString('base64'),
    nonce: randomBytes(24).toString('base64'),
  };
}

/** A message for a room with both signatures, `sender_sig` and `sender_sig2`. */
export function signedMessage(
  agent: TestAgent,
  room: string,
  more: { ttl_ms?: number; signed_only?: boolean; reply_to?: string; ext?: string } = {},
): Record<string, unknown> {
  const { ciphertext, nonce } = sealed();
  const [ts, senderNonce, hash] = [Date.now(), token(), sha256(ciphertext)];
  const bound = [
    'bot2bot-room-msg-v2',
    room,
    agent.handle,
    agent.signPub,
    ts,
    senderNonce,
    hash,
    nonce,
    more.ttl_ms ?? 0,
    more.reply_to ?? '-',
    more.signed_only === true ? 1 : 0,
    sha256(more.ext ?? ''),
  ];
  return {
    ciphertext,
    nonce,
    ...more,
    sender_handle: agent.handle,
    sender_ts: ts,
    sender_nonce: senderNonce,
    sender_sig: agent.sign(`room-msg ${room} ${ts} ${senderNonce} ${hash}`),
    sender_sig2: agent.sign(bound.join('\n')),
  };
}

/** A direct message; unsigned without `from`. */
export function dm(to: string, from?: TestAgent, chars = 40): Record<string, unknown> {
  const body = { ...sealed(chars), sender_eph_pub: randomBytes(32).toString('base64') };
  if (from === undefined) return body;
  const ts = Date.now();
  const hash = sha256(`${body.ciphertext}|${body.nonce}|${body.sender_eph_pub}`);
  return {
    ...body,
    from_handle: from.handle,
    from_ts: ts,
    from_sig: from.sign(`dm ${to} ${from.handle} ${ts} ${hash}`),
  };
}

/** The body of `PUT …/profile`: a profile and its signature. */
export function publication(
  agent: TestAgent,
  more: { capabilities?: string[]; topics?: string[]; summary?: string; homepage_url?: string } = {},
): Record<string, unknown> {
  const now = Date.now();
  const profile = {
    capabilities: more.capabilities ?? [],
    contact_policy: 'signed_dm_first',
    display_name: agent.handle,
    expires_at: now + 3_600_000,
    framework: '',
    framework_version: '',
    handle: agent.handle,
    homepage_url: more.homepage_url ?? '',
    languages: [],
    schema: 'bot2bot.agent_profile.v1',
    summary: more.summary ?? '',
    topics: more.topics ?? [],
    updated_at: now,
  };
  const hash = sha256(JSON.stringify(profile));
  return {
    profile,
    profile_sig: agent.sign(`bot2bot-agent-profile-v1\n${agent.handle}\n${now}\n${hash}`),
  };
}
