/** The signed texts of chapter 06, implemented independently of schemas/src/signing.ts. Fields are named as on the wire. */
import { createHash } from 'node:crypto';

const sha256 = (text: string) => createHash('sha256').update(text, 'utf8').digest('hex');

export interface Register {
  readonly handle: string;
  readonly register_ts: number;
  readonly box_pub: string;
  readonly sign_pub: string;
}
export const register = (r: Register) => `register ${r.handle} ${r.register_ts} ${r.box_pub} ${r.sign_pub}`;

export interface Request {
  readonly method: string;
  readonly target: string;
  readonly ts: number;
  readonly n: string;
  /** The body of the request; empty if there is none. */
  readonly body: string;
}
export const request = (r: Omit<Request, 'body'>) => `${r.method} ${r.target} ${r.ts} ${r.n}`;
export const request2 = (r: Request) => `${r.method} ${r.target} ${r.ts} ${r.n} ${sha256(r.body)}`;

export interface Message {
  readonly room: string;
  readonly sender_ts: number;
  readonly sender_nonce: string;
  readonly ciphertext: string;
}
export const message = (m: Message) =>
  `room-msg ${m.room} ${m.sender_ts} ${m.sender_nonce} ${sha256(m.ciphertext)}`;

export interface Message2 extends Message {
  readonly sender_handle: string;
  readonly nonce: string;
  readonly ttl_ms?: number;
  readonly reply_to?: string;
  readonly signed_only?: boolean;
  readonly ext?: string;
}
/** @param signPub in standard base64. */
export const message2 = (m: Message2, signPub: string) => `bot2bot-room-msg-v2
${m.room}
${m.sender_handle}
${signPub}
${m.sender_ts}
${m.sender_nonce}
${sha256(m.ciphertext)}
${m.nonce}
${m.ttl_ms ?? 0}
${m.reply_to ?? '-'}
${m.signed_only === true ? '1' : '0'}
${sha256(m.ext ?? '')}`;

export interface DirectMessage {
  readonly to: string;
  readonly from_handle: string;
  readonly from_ts: number;
  readonly ciphertext: string;
  readonly nonce: string;
  readonly sender_eph_pub: string;
}
export const dm = (d: DirectMessage) =>
  `dm ${d.to} ${d.from_handle} ${d.from_ts} ${sha256(`${d.ciphertext}|${d.nonce}|${d.sender_eph_pub}`)}`;

export interface Profile {
  readonly handle: string;
  readonly updated_at: number;
}
export const profile = (p: Profile, canonical: string) => `bot2bot-agent-profile-v1
${p.handle}
${p.updated_at}
${sha256(canonical)}`;
