/** What each delivered message of a room is: one that was posted, as it was posted, the same everywhere. */
import type { Post } from './history.ts';
import type { Room } from './known.ts';
import type { Value } from '../../trace/value.ts';

const SIGNATURE_FIELDS = [
  'sender_handle',
  'sender_ts',
  'sender_nonce',
  'sender_sig',
  'sender_sig2',
  'signed_only',
] as const;
const FIELDS = [
  'id',
  'sender',
  'sender_verified',
  'ciphertext',
  'nonce',
  'ts',
  'ttl_ms',
  'reply_to',
  'ext',
  ...SIGNATURE_FIELDS,
] as const;

function fingerprint(message: Value): string {
  return JSON.stringify(FIELDS.map((field) => message.get(field).raw ?? null));
}

export function judgeDeliveries(room: Room): void {
  const byNonce = new Map<string, Post[]>();
  for (const post of room.posts) byNonce.set(post.nonce, [...(byNonce.get(post.nonce) ?? []), post]);
  const prints = new Map<number, { print: string; key: string }>();
  for (const { message, key } of room.delivered()) {
    const seq = message.get('seq').number;
    const nonce = message.get('nonce').string;
    const posts = byNonce.get(nonce) ?? [];
    const ciphertext = message.get('ciphertext').string;
    const origin =
      posts.find((p) => p.outcome === 'accepted' && p.seq === seq) ??
      posts.find((p) => p.outcome === 'unknown');
    if (posts.length === 0) {
      const stray = room.elsewhere(nonce);
      room.judge(
        stray ? 'ROOM-4' : 'MSG-2',
        false,
        stray ? 'only messages of this room' : 'only what was posted',
        `a message with nonce ${nonce}`,
        key,
      );
    } else if (origin === undefined) {
      const taken = posts.find((p) => p.outcome === 'accepted');
      if (taken === undefined)
        room.judge(
          'MSG-21',
          false,
          'nothing of a post that was refused',
          `its message under seq ${seq}`,
          posts[0]?.key ?? key,
          key,
        );
      else
        room.judge(
          room.hardened ? 'MSG-14' : 'MSG-2',
          false,
          `nonce of seq ${taken.seq} under that seq alone`,
          `seq ${seq}`,
          taken.key,
          key,
        );
    } else {
      room.judge('MSG-21', true, 'nothing of a refused post', '');
      room.judge('ROOM-4', true, 'only messages of this room', '');
      const wrong = altered(message, origin, ciphertext);
      room.judge(
        'MSG-2',
        wrong === null,
        'the message as it was posted',
        `another ${wrong ?? ''}`,
        origin.key,
        key,
      );
      if (isSigned(origin.body)) signed(room, message, origin, key);
      else
        room.judge(
          'MSG-22',
          message.get('sender_verified').raw === false,
          'sender_verified: false',
          JSON.stringify(message.get('sender_verified').raw ?? null),
          key,
        );
    }
    const print = fingerprint(message);
    const before = prints.get(seq);
    if (before === undefined) prints.set(seq, { print, key });
    else
      room.judge(
        'READ-6',
        before.print === print,
        `seq ${seq} as it was delivered before: ${before.print.slice(0, 160)}`,
        print.slice(0, 160),
        before.key,
        key,
      );
  }
}

/** A handle alone is no signature: a relay may take the message for unsigned. */
function isSigned(body: Value): boolean {
  return body.get('sender_handle').string !== '' && body.get('sender_sig').string !== '';
}

/** What a message that was accepted with a signature is delivered with. */
function signed(room: Room, message: Value, { body, key: post }: Post, key: string): void {
  const handle = body.get('sender_handle').string;
  const stamped = message.get('sender').raw === `@${handle}` && message.get('sender_verified').raw === true;
  const got = JSON.stringify([message.get('sender').raw ?? null, message.get('sender_verified').raw ?? null]);
  room.judge('SIGN-1', stamped, `sender @${handle} and sender_verified: true`, got, post, key);
  if (!room.hardened) return;
  const wrong = SIGNATURE_FIELDS.find(
    (field) => (message.get(field).raw ?? null) !== (body.get(field).raw ?? null),
  );
  room.judge(
    'SIGN-5',
    wrong === undefined,
    'the signature as it was posted',
    `another ${wrong ?? ''}`,
    post,
    key,
  );
}

function altered(message: Value, post: Post, ciphertext: string): string | null {
  const { body } = post;
  if (ciphertext !== body.get('ciphertext').string) return 'ciphertext';
  // Where there is no label, the relay chooses one.
  const sender = body.get('sender').string;
  if (sender !== '' && !isSigned(body) && message.get('sender').raw !== sender) return 'sender';
  if ((message.get('reply_to').raw ?? null) !== (body.get('reply_to').raw ?? null)) return 'reply_to';
  if (post.outcome === 'accepted' && message.get('id').string !== post.id) return 'id';
  return null;
}
