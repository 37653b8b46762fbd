/** The texts that are signed: Ed25519 signs their UTF-8 bytes. Nothing is hashed here; callers pass SHA-256 hashes as hexadecimal. */

/** Scheme of the `Authorization` header of a signed request. @see REQ-1 */
export const AUTH_SCHEME = 'Bot2Bot';

/** Text of a registration. @param boxPub base64, as in the request. @param signPub likewise. @see ID-1 */
export function registerText(handle: string, ts: number, boxPub: string, signPub: string): string {
  return `register ${handle} ${ts} ${boxPub} ${signPub}`;
}

/**
 * Text of a signed request, form 1.
 * @param target path and query, exactly as sent.
 * @param n the signing nonce.
 * @see REQ-1
 */
export function requestText(method: string, target: string, ts: number, n: string): string {
  return `${method} ${target} ${ts} ${n}`;
}

/** Text of a signed request, form 2, which covers the body. @param bodySha256 hash of the body's bytes; of the empty string without a body. @see REQ-6 */
export function requestText2(
  method: string,
  target: string,
  ts: number,
  n: string,
  bodySha256: string,
): string {
  return `${requestText(method, target, ts, n)} ${bodySha256}`;
}

/** Text of `sender_sig`. @param ciphertextSha256 hash of the ciphertext's base64 text. @see SIGN-1 */
export function messageText(room: string, ts: number, senderNonce: string, ciphertextSha256: string): string {
  return `room-msg ${room} ${ts} ${senderNonce} ${ciphertextSha256}`;
}

/** The fields that `sender_sig2` covers. */
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
  /** 0 when the message does not expire. */
  readonly ttlMs: number;
  readonly replyTo: string | undefined;
  readonly signedOnly: boolean;
  /** Hash of `ext`; of the empty string without one. */
  readonly extSha256: string;
}

/** Text of `sender_sig2`, which covers every field that the sender chose. @see SIGN-6 */
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

/** The sealed fields of a direct message as one text; `dmText` takes its hash. @see DM-3 */
export function dmSealedText(ciphertext: string, nonce: string, senderEphPub: string): string {
  return `${ciphertext}|${nonce}|${senderEphPub}`;
}

/** Text of a direct message's `from_sig`. @param sealedSha256 hash of `dmSealedText`. @see DM-3 */
export function dmText(to: string, from: string, ts: number, sealedSha256: string): string {
  return `dm ${to} ${from} ${ts} ${sealedSha256}`;
}

/** The fields of a profile. */
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
 * Normalise a profile: all 13 fields, an absent one as `""` or `[]`, sorted by name. `JSON.stringify` of the result is the
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

/** Text of a profile's `profile_sig`. @param profileSha256 hash of the canonical JSON. @see DIR-4 */
export function profileText(handle: string, updatedAt: number, profileSha256: string): string {
  return `bot2bot-agent-profile-v1\n${handle}\n${updatedAt}\n${profileSha256}`;
}
