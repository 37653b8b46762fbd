import { profiles } from './profile-vectors.ts';
import {
  dm,
  inUrlAlphabet,
  message,
  message2,
  profile,
  register,
  request,
  request2,
  SAMPLE,
  valid,
} from './signed-vector.ts';
import { urlSafe } from './vector-bytes.ts';

const body = '{"handle":"alice","lease_ms":30000}';
const get = { ...SAMPLE.request, method: 'GET', target: '/api/dm/alice/inbox/wait?after=0&timeout=25' };
const bound = { ...SAMPLE.message, ...SAMPLE.bound };
const reply_to = 'm_8f3kQ2aVxw0';
const safe = urlSafe(SAMPLE.register.sign_pub);

/** Valid signatures. @see ID-1 REQ-1 REQ-6 SIGN-1 SIGN-6 DM-3 DIR-4 */
export const signatures = [
  valid('a handle', register(SAMPLE.register)),
  valid('the shortest handle', register({ ...SAMPLE.register, handle: '0_' })),
  inUrlAlphabet('keys as in the request', register({ ...SAMPLE.register, sign_pub: safe })),

  valid('a POST with a query', request(SAMPLE.request)),
  valid('a GET with a query', request(get)),
  valid('a path as sent', request({ ...get, target: '/api/dm/%40Alice/inbox/wait?timeout=%32%35&after=' })),
  valid('n of 64 characters', request({ ...SAMPLE.request, n: 'aZ09+/=_-'.repeat(8).slice(0, 64) })),
  inUrlAlphabet('the URL alphabet', request(SAMPLE.request)),

  valid('without a body', request2({ ...get, body: '' })),
  valid('with a body', request2({ ...SAMPLE.request, body })),
  valid(
    'a body with spaces and a line end',
    request2({ ...SAMPLE.request, body: '{ "handle": "alice" }\n' }),
  ),
  valid('a body beyond ASCII', request2({ ...SAMPLE.request, body: '{"note":"é \u{1F916} \\u00e9"}' })),

  valid('a message', message(SAMPLE.message)),
  valid(
    'a ciphertext in the URL alphabet',
    message({ ...SAMPLE.message, ciphertext: urlSafe(SAMPLE.message.ciphertext) }),
  ),
  inUrlAlphabet('the URL alphabet', message(SAMPLE.message)),

  valid('what must be there', message2(bound)),
  valid('ttl_ms', message2({ ...bound, ttl_ms: 60_000 })),
  valid('a ttl_ms of 0', message2({ ...bound, ttl_ms: 0 })),
  valid('reply_to', message2({ ...bound, reply_to })),
  valid('signed_only', message2({ ...bound, signed_only: true })),
  valid('signed_only: false', message2({ ...bound, signed_only: false })),
  valid('ext', message2({ ...bound, ext: 'eyJraW5kIjoidGFzayJ9' })),
  valid('all fields', message2({ ...bound, ttl_ms: 31_622_400_000, reply_to, signed_only: true, ext: '-_' })),
  inUrlAlphabet('sign_pub in the URL alphabet, in the text in the standard one', message2(bound)),

  valid('a direct message', dm(SAMPLE.dm)),
  valid('to a handle with marks', dm({ ...SAMPLE.dm, to: 'b-o_b' })),

  ...Object.entries(profiles).map(([name, { profile: given, canonical }]) =>
    valid(name, profile(given, canonical)),
  ),
];
