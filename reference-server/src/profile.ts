import type { Limits, Timings } from '@bot2bot/schemas';
import { RequestProblem } from './problem.ts';
import type { Published } from './store.ts';

/** Strings that must not occur in the canonical form of a profile, in any case. @see DIR-3 */
const FORBIDDEN = [
  '#k=',
  '/room/',
  'private_key',
  'privatekey',
  'secret_key',
  'secretkey',
  'sign_sk',
  'box_sk',
  'ciphertext',
  'sender_eph_pub',
];
const HOMEPAGE_SCHEMES: readonly string[] = ['http:', 'https:'];

/**
 * Check the rules for a profile that its schema does not express.
 * @param canonical canonical JSON of the profile.
 * @param now the relay's clock, in Unix ms.
 * @throws {RequestProblem} bad-profile, clock-skew.
 * @see DIR-3
 */
export function checkProfile(
  profile: Published['profile'],
  canonical: string,
  { limits, timings, now }: { limits: Limits; timings: Timings; now: number },
): void {
  const { profile_tolerance_ms: tolerance, profile_min_ms: least, profile_max_ms: most } = timings;
  const refuse = (detail: string) => new RequestProblem('bad-profile', { detail });
  const { homepage_url: url } = profile;
  if (url !== '' && !HOMEPAGE_SCHEMES.includes(new URL(url).protocol))
    throw refuse('homepage_url is neither http nor https');
  if (Buffer.byteLength(canonical) > limits.profile_bytes)
    throw refuse(`the profile is longer than ${limits.profile_bytes} bytes`);
  const lower = canonical.toLowerCase();
  if (FORBIDDEN.some((word) => lower.includes(word)))
    throw refuse('the profile contains what looks like a room URL or a secret');
  if (Math.abs(now - profile.updated_at) > tolerance) throw new RequestProblem('clock-skew');
  const ahead = profile.expires_at - now;
  if (ahead > most || ahead < least) throw refuse(`expires_at is not ${least} to ${most} ms ahead`);
}
