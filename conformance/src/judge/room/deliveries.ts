/** Judges each delivered message: it was posted to this room, it is unchanged, and every delivery has the same values. */
import type { Post } from './history.ts';
import type { Room } from './room.ts';
import { alteredSignatureField, comparedIn } from '../../trace/message.ts';
import type { Value } from '../../trace/value.ts';

/** Maximum length of a value that is shown. */
const SHOWN_CHARS = 160;

export function judgeDeliveries(room: Room): void {
  const byNonce = new Map<string, Post[]>();
  for (const post of room.posts) byNonce.set(post.nonce, [...(byNonce.get(post.nonce) ?? []), post]);
  const first = new Map<number, { values: Record<string, unknown>; key: string }>();
  for (const { message, key, claimed } of room.delivered()) {
    // A claim must deliver a message as reads do: if it does not, it breaks CLAIM-8.
    const ruled = (rule: string) => (claimed ? 'CLAIM-8' : rule);
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
        stray ? 'ROOM-4' : ruled('MSG-2'),
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
          ruled(room.hardened ? 'MSG-14' : 'MSG-2'),
          false,
          `nonce of seq ${taken.seq} under that seq alone`,
          `seq ${seq}`,
          taken.key,
          key,
        );
    } else {
      if (room.posts.some((post) => post.outcome === 'refused' && post.t1 < origin.t0))
        room.judge('MSG-21', true, 'nothing of a refused post', '', key);
      if (room.hasNeighbours) room.judge('ROOM-4', true, 'only messages of this room', '', key);
      const wrong = altered(message, origin, ciphertext);
      room.judge(
        ruled('MSG-2'),
        wrong === null,
        'the message as it was posted',
        `another ${wrong ?? ''}`,
        origin.key,
        key,
      );
      if (isSigned(origin.body)) signed(room, message, origin, key, ruled);
      else
        room.judge(
          ruled('MSG-22'),
          message.get('sender_verified').raw === false,
          'sender_verified: false',
          JSON.stringify(message.get('sender_verified').raw ?? null),
          key,
        );
    }
    const values = comparedIn(message, room.hardened);
    const before = first.get(seq);
    if (before === undefined) {
      first.set(seq, { values, key });
      continue;
    }
    const other = Object.keys({ ...before.values, ...values }).find((f) => values[f] !== before.values[f]);
    const told = (of: Record<string, unknown>) =>
      `${other ?? ''} ${JSON.stringify(of[other ?? ''] ?? null).slice(0, SHOWN_CHARS)}`;
    room.judge(
      ruled('READ-6'),
      other === undefined,
      other === undefined ? 'the values of before' : `seq ${seq} with ${told(before.values)}, as before`,
      told(values),
      before.key,
      key,
    );
  }
}

/** A relay may treat a message with a handle but no signature as unsigned. */
function isSigned(body: Value): boolean {
  return body.get('sender_handle').string !== '' && body.get('sender_sig').string !== '';
}

/** Judge the sender of a message that was accepted as signed and, at hardened, its signature fields. */
function signed(
  room: Room,
  message: Value,
  { body, key: post }: Post,
  key: string,
  ruled: (rule: string) => string,
): void {
  const handle = body.get('sender_handle').string;
  const stamped = message.get('sender').raw === `@${handle}` && message.get('sender_verified').raw === true;
  const got = JSON.stringify([message.get('sender').raw ?? null, message.get('sender_verified').raw ?? null]);
  room.judge(ruled('SIGN-1'), stamped, `sender @${handle} and sender_verified: true`, got, post, key);
  if (!room.hardened) return;
  const wrong = alteredSignatureField(body, message);
  room.judge(
    ruled('SIGN-5'),
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
  // If the post has no label, the relay chooses one.
  const sender = body.get('sender').string;
  if (sender !== '' && !isSigned(body) && message.get('sender').raw !== sender) return 'sender';
  if ((message.get('reply_to').raw ?? null) !== (body.get('reply_to').raw ?? null)) return 'reply_to';
  if (post.outcome === 'accepted' && message.get('id').string !== post.id) return 'id';
  return null;
}
