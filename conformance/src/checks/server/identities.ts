/** Chapter 06: identities. */
import { dmSealedText, dmText, pathOf, registerText } from '@bot2bot/schemas';
import type { Check } from '../check.ts';
import { sha256, type Identity } from '../../script/keys.ts';
import { isForged, malleated, NEUTRAL_SIG } from '../../script/malleate.ts';
import type { Reply } from '../../script/reply.ts';
import type { RelayScript } from '../../script/claims.ts';
import { CLEARLY_MS } from '../../script/signing.ts';

const RESERVED = ['anon', 'admin', 'bot2bot', 'system', 'root', 'support', 'help', 'demo', 'echo'];
/** Encodings of the points whose order divides 8: y, little-endian; the last two are not canonical. */
const SMALL_ORDER = [
  `01${'00'.repeat(31)}`,
  '00'.repeat(32),
  `ec${'ff'.repeat(30)}7f`,
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
];
/** Encodings that are not points, and non-canonical ones of points of large order. */
const UNSOUND = [
  `02${'00'.repeat(31)}`,
  `ef${'ff'.repeat(30)}7f`,
  `f0${'ff'.repeat(30)}7f`,
  `f1${'ff'.repeat(30)}7f`,
  `f3${'ff'.repeat(30)}7f`,
  'ff'.repeat(32),
];

async function lookUp(t: RelayScript, handle: string): Promise<Reply> {
  return t.request('GET', pathOf('lookUpIdentity', handle));
}

function tells(reply: Reply, { handle, boxPub, signPub }: Identity): boolean {
  const { json } = reply;
  return (
    reply.status === 200 &&
    json.get('handle').raw === handle &&
    json.get('box_pub').raw === boxPub &&
    json.get('sign_pub').raw === signPub
  );
}

export const IDENTITY_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'ID-1/registration',
    title: 'a handle is registered with its keys',
    lane: 'quick',
    also: ['ID-6'],
    run: async (t) => {
      const plain = t.identity();
      const inUrlAlphabet = t.identity();
      const url = (key: string) => key.replaceAll('+', '-').replaceAll('/', '_');
      const other: Identity = {
        ...inUrlAlphabet,
        boxPub: url(inUrlAlphabet.boxPub),
        signPub: url(inUrlAlphabet.signPub),
      };
      for (const identity of [plain, other]) {
        const reply = await t.register({ ...t.registration(identity), meta: { bio: 'of the suite' } });
        const { json } = reply;
        const ok = json.get('ok').raw === true && json.get('handle').raw === identity.handle;
        const want = '201 with {ok: true, handle, registered_at}';
        t.require(
          'ID-1',
          reply.status === 201 && ok && json.get('registered_at').number > 1.6e12,
          want,
          reply,
        );
        for (const name of [
          identity.handle,
          `@${identity.handle}`,
          identity.handle.toUpperCase(),
          `@${identity.handle.toUpperCase()}`,
        ]) {
          const told = await lookUp(t, name);
          t.require(
            'ID-6',
            tells(told, identity),
            `the keys of ${identity.handle} as they were registered`,
            told,
          );
          const same = told.json.get('registered_at').raw === json.get('registered_at').raw;
          t.require('ID-6', same, 'the same registered_at', reply, told);
        }
      }
      const unknown = await lookUp(t, t.identity().handle);
      t.require('ID-6', unknown.status === 404, '404 for a handle that is not registered', unknown);
    },
  },
  {
    id: 'ID-2/malformed',
    title: 'a registration that is malformed is answered 400',
    lane: 'quick',
    run: async (t) => {
      // A relay may accept upper case and `@` here, as in paths.
      const handles = ['x', '-ab', 'a b', 'a'.repeat(33), 'zoë', 'a.b', ''];
      for (const handle of handles) {
        const reply = await t.register(t.registration(t.identity(handle)));
        t.require('ID-2', reply.status === 400, `400 to the handle '${handle}'`, reply);
      }
      // A relay may convert to lower case: then the signature must cover the converted text.
      const upper = await t.register(t.registration(t.identity('X-Y')));
      t.require('ID-2', [400, 401].includes(upper.status), "400 or 401 to the handle 'X-Y'", upper);
      const identity = t.identity();
      const whole = identity.signPub;
      const keys = [
        t.bytes(31).toString('base64'),
        t.bytes(33).toString('base64'),
        whole.slice(0, -1),
        `${whole.slice(0, -2)}${whole.at(-2) === 'B' ? 'C' : 'B'}=`,
        `!${whole.slice(1)}`,
        '',
      ];
      for (const key of keys) {
        for (const wrong of [{ boxPub: key }, { signPub: key }]) {
          const reply = await t.register(t.registration({ ...identity, ...wrong }));
          t.require('ID-2', reply.status === 400, `400 to the key ${JSON.stringify(wrong)}`, reply);
        }
      }
      for (const field of ['handle', 'box_pub', 'sign_pub', 'register_ts', 'register_sig']) {
        const { [field]: _, ...rest } = t.registration(identity);
        const reply = await t.register(rest);
        t.require('ID-2', reply.status === 400, `400 without ${field}`, reply);
      }
      const { handle } = identity;
      for (const allowed of [`${handle}_-`, handle.padEnd(32, '0')]) {
        const reply = await t.register(t.registration(t.identity(allowed)));
        t.require('ID-1', reply.status === 201, `201 to the handle ${allowed}`, reply);
      }
    },
  },
  {
    id: 'ID-3/taken',
    title: 'a handle belongs to the first key, and reserved handles are refused',
    lane: 'quick',
    run: async (t) => {
      const owner = await t.registered();
      const thief = t.identity(owner.handle);
      const taken = await t.register(t.registration(thief));
      t.require('ID-3', taken.status === 409, '409 to another key', taken);
      const told = await lookUp(t, owner.handle);
      t.require('ID-3', tells(told, owner), 'the keys of the first owner', taken, told);
      for (const handle of RESERVED) {
        const reply = await t.register(t.registration(t.identity(handle)));
        t.require('ID-3', reply.status === 409, `409 to the reserved handle ${handle}`, reply);
      }
    },
  },
  {
    id: 'ID-3/race',
    title: 'of several concurrent registrations of a handle one succeeds',
    lane: 'quick',
    run: async (t) => {
      const { handle } = t.identity();
      const rivals = Array.from({ length: 8 }, () => t.identity(handle));
      const replies = await t.all(
        ...rivals.map((rival) => (branch: RelayScript) => branch.register(branch.registration(rival))),
      );
      const winners = rivals.filter((_, i) => replies[i]?.status === 201);
      const [winner] = winners;
      const lost = replies.filter(({ status }) => status === 409).length;
      t.require('ID-3', winners.length === 1 && lost === 7, 'one 201 and seven 409', ...replies);
      const told = await lookUp(t, handle);
      t.require(
        'ID-3',
        winner !== undefined && tells(told, winner),
        'the keys of the winner',
        ...replies,
        told,
      );
    },
  },
  {
    id: 'ID-4/again',
    title: 'a repeated registration by the owner succeeds and changes nothing',
    lane: 'quick',
    run: async (t) => {
      const owner = await t.registered();
      const before = await lookUp(t, owner.handle);
      await t.sleep(20);
      const changed = { ...owner, boxPub: t.bytes(32).toString('base64') };
      for (const identity of [owner, changed]) {
        const again = await t.register(t.registration(identity));
        const same = again.json.get('registered_at').raw === before.json.get('registered_at').raw;
        t.require('ID-4', again.status === 201 && same, '201 with the first registered_at', before, again);
      }
      const after = await lookUp(t, owner.handle);
      t.require('ID-4', tells(after, owner), 'the box_pub of the first registration', before, after);
    },
  },
  {
    id: 'ID-5/clock-and-signature',
    title: 'a registration needs a current timestamp and a signature by its own key',
    lane: 'quick',
    run: async (t) => {
      const { clock_tolerance_ms: tolerance } = t.target.timings;
      for (const off of [-1, 1]) {
        const reply = await t.register(
          t.registration(t.identity(), Date.now() + off * (tolerance + CLEARLY_MS)),
        );
        t.require('ID-5', reply.status === 400, '400 to a register_ts beyond the tolerance', reply);
        const within = await t.register(
          t.registration(t.identity(), Date.now() + off * Math.max(0, tolerance - CLEARLY_MS)),
        );
        t.require('ID-1', within.status === 201, '201 to a register_ts within the tolerance', within);
      }
      const [identity, other] = [t.identity(), t.identity()];
      const body = t.registration(identity);
      const wrong = {
        'of another key': t.registration({ ...identity, sign: other.sign })['register_sig'],
        'of another handle': t.registration({ ...identity, handle: other.handle })['register_sig'],
        'of another box_pub': t.registration({ ...identity, boxPub: other.boxPub })['register_sig'],
      };
      for (const [what, register_sig] of Object.entries(wrong)) {
        const reply = await t.register({ ...body, register_sig });
        t.require('ID-5', reply.status === 401, `401 to a signature ${what}`, reply);
      }
      const told = await lookUp(t, identity.handle);
      t.require('ID-5', told.status === 404, 'nothing registered by what was refused', told);
    },
  },
  {
    id: 'ID-7/unsound-keys',
    title: 'keys of small order and keys that are not canonical are refused',
    lane: 'quick',
    run: async (t) => {
      for (const hex of SMALL_ORDER) {
        for (const sign of [0, 0x80]) {
          const key = Buffer.from(hex, 'hex');
          key[31] = (key[31] ?? 0) | sign;
          const signPub = key.toString('base64');
          const identity = { ...t.identity(), signPub, sign: () => NEUTRAL_SIG };
          const { handle, boxPub } = identity;
          let ts = Date.now();
          while (!isForged(key, registerText(handle, ts, boxPub, signPub))) ts--;
          const reply = await t.register(t.registration(identity, ts));
          t.require('ID-7', reply.status === 400, `400 to the sign_pub ${key.toString('hex')}`, reply);
        }
      }
      for (const hex of UNSOUND) {
        const signPub = Buffer.from(hex, 'hex').toString('base64');
        const identity = { ...t.identity(), signPub, sign: () => NEUTRAL_SIG };
        const reply = await t.register(t.registration(identity));
        // Its signature is invalid too, and no rule says which error comes first.
        const refused = reply.status === 400 || reply.status === 401;
        t.require('ID-7', refused, `a refusal of the sign_pub ${hex}`, reply);
      }
    },
  },
  {
    id: 'ID-8/malleated',
    title: 'a signature whose S is not below L is refused',
    lane: 'quick',
    run: async (t) => {
      const identity = t.identity();
      const body = t.registration(identity);
      const registration = await t.register({
        ...body,
        register_sig: malleated(String(body['register_sig'])),
      });
      const want = '401 to a signature with S + L';
      t.require('ID-8', registration.status === 401, want, registration);
      await t.registered(identity);
      const room = t.room();
      const signed = t.signedBody(room, identity);
      for (const field of t.hardened ? ['sender_sig', 'sender_sig2'] : ['sender_sig']) {
        const message = await t.post(room, { ...signed, [field]: malleated(String(signed[field])) });
        t.require('ID-8', message.status === 401, want, message);
      }
      if (t.target.profiles.includes('claims')) {
        for (const form of [1, 2] as const) {
          const claim = await t.claim(room, identity, {}, { form, sig: malleated });
          t.require('ID-8', claim.status === 401, want, claim);
        }
      }
      if (t.target.profiles.includes('dm')) {
        const { handle, boxPub: sender_eph_pub } = identity;
        const { ciphertext, nonce } = t.sealed();
        const ts = Date.now();
        const sealed = sha256(dmSealedText(ciphertext, nonce, sender_eph_pub));
        const from_sig = malleated(identity.sign(dmText(handle, handle, ts, sealed)));
        const signedBy = { from_handle: handle, from_ts: ts, from_sig };
        const dm = await t.write('sendDm', [handle], { ciphertext, nonce, sender_eph_pub, ...signedBy });
        t.require('ID-8', dm.status === 401, want, dm);
      }
    },
  },
];
