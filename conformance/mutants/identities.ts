/** Chapter 06: identities, signed requests, signed messages. */
import type { Mutant } from './mutant.ts';

export const IDENTITY_MUTANTS: readonly Mutant[] = [
  {
    id: 'ID-1/no-time',
    file: 'routes/agents.ts',
    from: '.send({ ok: true, handle, registered_at });',
    to: '.send({ ok: true, handle });',
    alsoBreaks: ['ID-6'],
  },
  {
    id: 'ID-2/any-handle',
    file: 'validate.ts',
    from: '...RegisterBody.properties, register_sig',
    to: '...RegisterBody.properties, handle: Type.String(), register_sig',
    alsoBreaks: ['ID-1'],
  },
  {
    id: 'ID-2/any-key',
    file: 'validate.ts',
    from: '...RegisterBody.properties, register_sig',
    to: '...RegisterBody.properties, box_pub: Type.String(), register_sig',
  },
  {
    id: 'ID-3/anyone',
    file: 'identities.ts',
    from: 'owner !== undefined && !bytesOf(owner.sign_pub).equals(bytesOf(sign_pub))',
    to: 'owner !== undefined && sign_pub === ""',
  },
  {
    id: 'ID-3/reserved',
    file: 'identities.ts',
    from: "if (RESERVED_HANDLES.includes(handle)) throw new RequestProblem('handle-reserved');",
    to: '',
  },
  {
    id: 'ID-3/race',
    file: 'identities.ts',
    from: '    admit();\n',
    to: '    admit();\n    await new Promise((resolve) => setTimeout(resolve, 30));\n',
  },
  {
    id: 'ID-4/box-pub-changes',
    file: 'identities.ts',
    from: 'await this.#store.settled(handle);\n      return owner;',
    to: 'this.#held.set(handle, { ...owner, box_pub });\n      return owner;',
  },
  {
    id: 'ID-4/registered-anew',
    file: 'identities.ts',
    from: 'await this.#store.settled(handle);\n      return owner;',
    to: 'return { ...owner, registered_at: this.#clock.wall() };',
  },
  {
    id: 'ID-5/any-time',
    file: 'routes/agents.ts',
    from: "if (!auth.replays.isTimely(ts)) throw new RequestProblem('clock-skew');\n",
    to: '',
  },
  {
    id: 'ID-5/any-signature',
    file: 'routes/agents.ts',
    from: 'if (!verifies(registerText(',
    to: 'if (ts < 0 && !verifies(registerText(',
  },
  { id: 'ID-6/strict', file: 'identities.ts', from: '.toLowerCase();', to: ';' },
  {
    id: 'ID-7/small-order',
    file: 'ed25519.ts',
    from: "if (SMALL_ORDER.has(bytes.toString('hex'))) return false;",
    to: '',
  },
  {
    id: 'ID-7/not-canonical',
    file: 'ed25519.ts',
    from: 'return y < P && isOnCurve(y);',
    to: 'return isOnCurve(y % P);',
  },
  {
    id: 'ID-8/malleable',
    file: 'ed25519.ts',
    from: 'if (bytes.length !== 64 || !below(bytes.subarray(32), ORDER)) return false;',
    to: `if (bytes.length !== 64) return false;
  if (!below(bytes.subarray(32), ORDER)) {
    let borrow = 0;
    for (let i = 0; i < 32; i++) {
      const left = (bytes[32 + i] ?? 0) - (ORDER[i] ?? 0) - borrow;
      borrow = left < 0 ? 1 : 0;
      bytes[32 + i] = left & 255;
    }
  }`,
  },
  {
    id: 'REQ-1/second-form-only',
    file: 'auth.ts',
    from: 'given.form < least ||',
    to: 'given.form < 2 ||',
  },
  {
    id: 'REQ-1/encoded-again',
    file: 'auth.ts',
    from: "const [method, sent] = [raw.method ?? '', raw.url ?? ''];",
    to: "const [method, sent] = [raw.method ?? '', encodeURI(decodeURI(raw.url ?? ''))];",
  },
  {
    id: 'REQ-1/path-decoded',
    file: 'auth.ts',
    from: "const [method, sent] = [raw.method ?? '', raw.url ?? ''];",
    to: "const [method, sent] = [raw.method ?? '', (raw.url ?? '').replace('%40', '@')];",
  },
  {
    id: 'REQ-1/nonces-of-all',
    file: 'auth.ts',
    from: 'this.replays.use({ key: `r ${handle} ${n}`, ts, handle, client });',
    to: 'this.replays.use({ key: `r ${n}`, ts, handle, client });',
    seenBy: 'REQ-4/replay',
  },
  {
    id: 'REQ-2/open-directory',
    file: 'routes/agents.ts',
    from: 'auth.verifyRequest({ raw: request.raw, body: request.body, handle, least: 1, client });',
    to: '',
  },
  {
    id: 'REQ-2/short-n',
    file: 'authorization.ts',
    from: '!isNonce.Check(n) || ',
    to: '',
  },
  {
    id: 'REQ-2/any-signature',
    file: 'auth.ts',
    from: 'if (!this.#prefixes.some((prefix) => verifies(textOf(prefix + sent), sig, key)))',
    to: 'if (!verifies(textOf(sent), sig, key) && sig.length < 80)',
  },
  {
    id: 'REQ-3/any-time',
    file: 'auth.ts',
    from: 'given.form < least || !this.replays.isTimely(given.ts)',
    to: 'given.form < least',
  },
  {
    id: 'REQ-4/replayed',
    file: 'auth.ts',
    from: 'this.replays.use({ key: `r ${handle} ${n}`, ts, handle, client });',
    to: '',
  },
  {
    id: 'REQ-4/with-its-time',
    file: 'auth.ts',
    from: 'this.replays.use({ key: `r ${handle} ${n}`, ts, handle, client });',
    to: 'this.replays.use({ key: `r ${handle} ${n} ${ts}`, ts, handle, client });',
  },
  {
    id: 'REQ-4/by-method',
    file: 'auth.ts',
    from: 'this.replays.use({ key: `r ${handle} ${n}`, ts, handle, client });',
    to: 'this.replays.use({ key: `r ${handle} ${method} ${n}`, ts, handle, client });',
  },
  {
    id: 'REQ-5/401',
    file: 'auth.ts',
    from: "throw new RequestProblem('unknown-handle');",
    to: "throw new RequestProblem('signature-invalid');",
  },
  {
    id: 'REQ-6/first-form-only',
    file: 'auth.ts',
    from: 'form === 1\n',
    to: 'form > 0\n',
  },
  {
    id: 'REQ-6/either',
    file: 'auth.ts',
    from: 'if (!this.#prefixes.some((prefix) => verifies(textOf(prefix + sent), sig, key)))',
    to: 'if (!verifies(textOf(sent), sig, key) && !verifies(requestText(method, sent, ts, n), sig, key))',
  },
  {
    id: 'SIGN-1/label',
    file: 'validate.ts',
    from: 'signature === undefined ? (valid.sender ?? POSTER) : `@${signature.handle}`',
    to: 'valid.sender ?? POSTER',
  },
  {
    id: 'SIGN-1/key-as-registered',
    file: 'auth.ts',
    from: "signPub: bytesOf(identity.sign_pub).toString('base64'),",
    to: 'signPub: identity.sign_pub,',
  },
  {
    id: 'SIGN-1/strict-clock',
    file: 'auth.ts',
    from: 'identity === undefined || !this.replays.isTimely(given.ts)',
    to: 'identity === undefined || Math.abs(Date.now() - given.ts) > 30_000',
  },
  {
    id: 'SIGN-1/nonces-of-all',
    file: 'auth.ts',
    from: 'this.replays.use({ key: `m ${handle} ${nonce}`, ts, handle, client });',
    to: 'this.replays.use({ key: `m ${nonce}`, ts, handle, client });',
    seenBy: 'SIGN-3/nonce',
    alsoBreaks: ['SIGN-3'],
  },
  {
    id: 'SIGN-2/any-signature',
    file: 'auth.ts',
    from: "if (!verifies(text, given.sig, key)) throw new RequestProblem('signature-invalid');",
    to: '',
  },
  {
    id: 'SIGN-2/any-time',
    file: 'auth.ts',
    from: 'identity === undefined || !this.replays.isTimely(given.ts)',
    to: 'identity === undefined',
  },
  {
    id: 'SIGN-2/half-is-none',
    file: 'validate.ts',
    from: "if (!signatureFields.Check(body)) throw new RequestProblem('signature-invalid');",
    to: 'if (!signatureFields.Check(body)) return undefined;',
    alsoBreaks: ['SIGN-1', 'SIGN-5'],
  },
  {
    id: 'SIGN-3/again',
    file: 'auth.ts',
    from: 'this.replays.use({ key: `m ${handle} ${nonce}`, ts, handle, client });',
    to: 'void 0;',
  },
  {
    id: 'SIGN-4/replay-first',
    file: 'relay.ts',
    from: 'this.auth.verifyMessage(id, draft);',
    to: 'this.auth.verifyMessage(id, draft);\n      if (draft.signature !== undefined) this.auth.replays.use({ key: `v ${draft.signature.nonce}`, ts: draft.signature.ts, handle: draft.signature.handle, client });',
  },
  {
    id: 'SIGN-5/left-behind',
    file: 'message.ts',
    from: "(signature === undefined ? '}' : signatureFields(signature, signedOnly))",
    to: "'}'",
  },
  {
    id: 'SIGN-5/no-flag',
    file: 'message.ts',
    from: "(signedOnly ? ',\"signed_only\":true}' : '}')",
    to: "'}'",
  },
  {
    id: 'SIGN-6/unchecked',
    file: 'auth.ts',
    from: 'if (!verifies(bound, given.sig2, key))',
    to: "if (bound === '')",
  },
  { id: 'SIGN-7/not-locked', file: 'log.ts', from: 'if (signedOnly) this.locked = true;', to: '' },
  {
    id: 'SIGN-7/silent',
    file: 'relay.ts',
    from: 'if (log.locked && !wasLocked) room.notices.push(',
    to: 'if (wasLocked && !log.locked) room.notices.push(',
  },
  {
    id: 'SIGN-8/open',
    file: 'auth.ts',
    from: "else if (locked) throw new RequestProblem('signed-only');",
    to: '',
  },
  {
    id: 'SIGN-8/while-buffered',
    file: 'log.ts',
    from: 'if (signedOnly) this.locked = true;',
    to: 'if (signedOnly) {\n      this.locked = true;\n      if (ttlMs > 0) setTimeout(() => (this.locked = false), ttlMs);\n    }',
  },
  {
    id: 'SIGN-9/anyone-locks',
    file: 'validate.ts',
    from: "if (signedOnly && signature === undefined) throw new RequestProblem('signature-required');",
    to: '',
  },
];
