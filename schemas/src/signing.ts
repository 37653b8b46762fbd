/** What is signed, as text; Ed25519 signs its UTF-8. No cryptography here: hashes come in as hexadecimal text. */

/** Scheme of the `Authorization` header of a signed request. @see REQ-1 */
export const AUTH_SCHEME = 'Bot2Bot';

/** @param boxPub @param signPub base64, as in the request. @see ID-1 */
export function registerText(handle: string, ts: number, boxPub: string, signPub: string): string {
  return `register ${handle} ${ts} ${boxPub} ${signPub}`;
}

/**
 * A request, in its first form.
 * @param target path and query, exactly as sent.
 * @param n the signing nonce.
 * @see REQ-1
 */
export function requestText(method: string, target: string, ts: number, n: string): string {
  return `${method} ${target} ${ts} ${n}`;
}

/** A request, in the form that binds its body. @param bodySha256 of the bytes of the body; of nothing without one. @see REQ-6 */
export function requestText2(
  method: string,
  target: string,
  ts: number,
  n: string,
  bodySha256: string,
): string {
  return `${requestText(method, target, ts, n)} ${bodySha256}`;
}

/** A room's message, in its first form. @param ciphertextSha256 of the ciphertext's base64 text. @see SIGN-1 */
export function messageText(room: string, ts: number, senderNonce: string, ciphertextSha256: string): string {
  return `room-msg ${room} ${ts} ${senderNonce} ${ciphertextSha256}`;
}

/** What the second signature of a message binds. */
export interface MessageBinding {
  readonly room: string;
  readonly handle: string;
  /** Base64, standard alphabet, padded. */
  readonly signPub: string;
  readonly ts: number;
  readonly senderNonce: string;
  readonly ciphertextSha256: string;
  /** The message's nonce, as posted. */
  readonly nonce: string;
  /** 0: does not expire. */
  readonly ttlMs: number;
  readonly replyTo: string | undefined;
  readonly signedOnly: boolean;
  /** Of `ext`; of nothing where there is none. */
  readonly extSha256: string;
}

/** A room's message, in the form that binds all that its sender chose. @see SIGN-6 */
export function messageText2(bound: MessageBinding): string {
  return [
    'bot2bot-room-msg-v2',
    bound.room,
    bound.handle,
    bound.signPub,
    bound.ts,
    bound.senderNonce,
    bound.ciphertextSha256,
    bound.nonce,
    bound.ttlMs,
    bound.replyTo ?? '-',
    bound.signedOnly ? 1 : 0,
    bound.extSha256,
  ].join('\n');
}

/** What `dmText` takes the hash of. @see DM-3 */
export function dmSealedText(ciphertext: string, nonce: string, senderEphPub: string): string {
  return `${ciphertext}|${nonce}|${senderEphPub}`;
}

/** @param sealedSha256 of `dmSealedText`. @see DM-3 */
export function dmText(to: string, from: string, ts: number, sealedSha256: string): string {
  return `dm ${to} ${from} ${ts} ${sealedSha256}`;
}

/** What a profile says, any of its fields absent. */
export interface ProfileFields {
  readonly handle: string;
  readonly display_name?: string;
  readonly framework?: string;
  readonly framework_version?: string;
  readonly summary?: string;
  readonly capabilities?: readonly string[];
  readonly topics?: readonly string[];
  readonly languages?: readonly string[];
  readonly homepage_url?: string;
  readonly updated_at: number;
  readonly expires_at: number;
}

/**
 * The 13 fields of a profile, an absent one as `""` or `[]`, in the order of their names: printed as JSON this is the
 * canonical form (RFC 8785).
 * @throws {TypeError} when `homepage_url` is neither empty nor a URL.
 * @see DIR-4
 */
export function normalProfile(profile: ProfileFields) {
  const url = profile.homepage_url ?? '';
  return {
    capabilities: [...(profile.capabilities ?? [])],
    contact_policy: 'signed_dm_first' as const,
    display_name: profile.display_name ?? '',
    expires_at: profile.expires_at,
    framework: profile.framework ?? '',
    framework_version: profile.framework_version ?? '',
    handle: profile.handle,
    homepage_url: url === '' ? '' : new URL(url).href,
    languages: [...(profile.languages ?? [])],
    schema: 'bot2bot.agent_profile.v1' as const,
    summary: profile.summary ?? '',
    topics: [...(profile.topics ?? [])],
    updated_at: profile.updated_at,
  };
}

/** @param profileSha256 of the canonical JSON. @see DIR-4 */
export function profileText(handle: string, updatedAt: number, profileSha256: string): string {
  return `bot2bot-agent-profile-v1\n${handle}\n${updatedAt}\n${profileSha256}`;
}
