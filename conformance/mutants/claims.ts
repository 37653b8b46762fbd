import type { Mutant } from './mutant.ts';

const RESUME = 'if (message !== null) return this.#grant(known, held, message, true);';
const FROM = 'const from = Math.max(known?.cursor ?? 0, request.searched);';
const ACKED =
  "if (mine === null || mine.claim.seq !== seq) return { kind: 'gone', cursor };\n    const { state } = mine;";
const RENEWED = 'const mine = this.#mine(handle, claimId);\n    if (mine === null) return null;';
const OWN =
  "const own = self === 'verified' ? signer === handle : sender === handle || sender === `@${handle}`;";
const UNKNOWN_ACK = 'if (!this.#handles.has(handle) || seq <= cursor)';

/** Chapter 05. */
export const CLAIM_MUTANTS: readonly Mutant[] = [
  {
    id: 'CLAIM-1/skips-one',
    file: 'leases.ts',
    from: FROM,
    to: FROM.replace('?? 0,', '? known.cursor + 1 : 0,'),
  },
  { id: 'CLAIM-2/cursor-stays', file: 'leases.ts', from: 'state.cursor = seq;', to: '' },
  { id: 'CLAIM-3/double-grant', file: 'leases.ts', from: RESUME, to: '' },
  {
    id: 'CLAIM-3/next-message',
    file: 'leases.ts',
    from: RESUME,
    to: 'if (message !== null) request.searched = Math.max(request.searched, held.seq);',
  },
  { id: 'CLAIM-3/nothing', file: 'leases.ts', from: RESUME, to: 'if (message !== null) return null;' },
  {
    id: 'CLAIM-4/lost-redelivery',
    file: 'leases.ts',
    from: FROM,
    to: 'const from = Math.max(known?.cursor ?? 0, request.searched, ...(known?.deliveries.keys() ?? []));',
  },
  {
    id: 'CLAIM-4/same-claim-id',
    file: 'leases.ts',
    from: 'const id = `c_',
    to: 'const id = known?.claim?.seq === entry.seq ? known.claim.id : `c_',
  },
  {
    id: 'CLAIM-5/late-ack',
    file: 'leases.ts',
    from: ACKED,
    to: "const state = this.#handles.get(handle);\n    if (state?.claim?.id !== claimId || state.claim.seq !== seq) return { kind: 'gone', cursor };",
  },
  {
    id: 'CLAIM-5/without-claim',
    file: 'leases.ts',
    from: ACKED,
    to: "const state = this.#handles.get(handle);\n    if (state === undefined) return { kind: 'gone', cursor };",
  },
  {
    id: 'CLAIM-5/any-seq',
    file: 'leases.ts',
    from: 'if (mine === null || mine.claim.seq !== seq)',
    to: 'if (mine === null)',
  },
  {
    id: 'CLAIM-5/moves-all-the-same',
    file: 'leases.ts',
    from: ACKED,
    to: ACKED.replace(
      "return { kind: 'gone', cursor };",
      "{\n      const late = this.#handles.get(handle);\n      if (late?.claim?.id === claimId) late.cursor = seq;\n      return { kind: 'gone', cursor };\n    }",
    ),
  },
  {
    id: 'CLAIM-5/no-cursor',
    file: 'routes/claims.ts',
    from: "if (acked.kind === 'gone') throw new RequestProblem('claim-gone', { fields: { cursor } });",
    to: "if (acked.kind === 'gone') throw new RequestProblem('claim-gone');",
  },
  {
    id: 'CLAIM-6/newest-first',
    file: 'log.ts',
    from: 'if (entry?.live === true && admits(entry)) return entry;',
    to: 'if (entry?.live === true && admits(entry) && !this.#entries.slice(i + 1).some((later) => later.live && admits(later))) return entry;',
  },
  {
    id: 'CLAIM-7/another-id',
    file: 'leases.ts',
    from: RESUME,
    to: `if (message !== null) known.claim = { ...held, id: \`c_\${randomBytes(12).toString('base64url')}\` };\n      ${RESUME.replace('held', 'known.claim ?? held')}`,
  },
  {
    id: 'CLAIM-7/half-the-lease',
    file: 'leases.ts',
    from: 'deadline: this.#clock.mono() + leaseMs }',
    to: 'deadline: this.#clock.mono() + leaseMs / 2 }',
  },
  { id: 'CLAIM-8/short-id', file: 'leases.ts', from: 'randomBytes(12)', to: 'randomBytes(3)' },
  {
    id: 'CLAIM-8/last-seq',
    file: 'claims.ts',
    from: 'last_seq: log.lastSeq(this.#clock.wall()),',
    to: 'last_seq: cursor,',
  },
  {
    id: 'CLAIM-8/less-of-the-message',
    file: 'claims.ts',
    from: '      message,\n',
    to: '      Buffer.from(message.toString().replace(/,"ext":"[^"]*"/, \'\')),\n',
  },
  {
    id: 'CLAIM-9/not-woken',
    file: 'hub.ts',
    from: 'if (upTo !== from) for (const claimant',
    to: 'if (upTo < from) for (const claimant',
  },
  {
    id: 'CLAIM-10/woken-empty',
    file: 'claims.ts',
    from: 'if (answer === null && !last) return;',
    to: '',
  },
  {
    id: 'CLAIM-11/parks',
    file: 'routes/claims.ts',
    from: 'if (room === undefined)\n      return reply.send({\n        ok: true,\n        empty: true,',
    to: 'if (room === undefined)\n      return reply.send({\n        ok: true,\n        empty: false,',
  },
  {
    id: 'CLAIM-11/claim-makes',
    file: 'routes/claims.ts',
    from: 'const room = hub.rooms.get(id);\n    const { reset }',
    to: "const room = hub.enter(id, ['x']);\n    const { reset }",
  },
  {
    id: 'CLAIM-11/ack-makes',
    file: 'routes/claims.ts',
    from: 'const room = hub.rooms.get(id);\n    if (room === undefined) return reply.send({ ok: true, advanced',
    to: "const room = hub.enter(id, ['x']);\n    if (room === undefined) return reply.send({ ok: true, advanced",
  },
  {
    id: 'CLAIM-12/shared',
    file: 'leases.ts',
    from: 'readonly #handles = new Map<string, HandleState>();',
    to: "readonly #handles = new (class extends Map<string, HandleState> {\n    get() { return super.get('all'); }\n    has() { return super.has('all'); }\n    set(_: string, state: HandleState) { return super.set('all', state); }\n  })();",
  },
  {
    id: 'CLAIM-12/from-now-on',
    file: 'leases.ts',
    from: FROM,
    to: 'const from = Math.max(known?.cursor ?? this.#log.lastAssigned - 1, request.searched);',
  },
  {
    id: 'CLAIM-13/own-with-at',
    file: 'leases.ts',
    from: OWN,
    to: OWN.replace(' || sender === `@${handle}`', ''),
  },
  {
    id: 'CLAIM-13/own-prefix',
    file: 'leases.ts',
    from: OWN,
    to: OWN.replace('sender === handle', 'sender.startsWith(handle)'),
  },
  {
    id: 'CLAIM-13/list-ignored',
    file: 'leases.ts',
    from: 'return !own && !exclude.has(sender);',
    to: 'return !own;',
  },
  {
    id: 'CLAIM-14/label-counts',
    file: 'leases.ts',
    from: OWN,
    to: OWN.replace("self === 'verified' ?", "self === 'signed' ?"),
  },
  { id: 'CLAIM-14/own-granted', file: 'leases.ts', from: OWN, to: OWN.replace('signer === handle', 'false') },
  {
    id: 'CLAIM-15/no-cursor',
    file: 'routes/claims.ts',
    from: 'advanced: acked.advanced, cursor }',
    to: 'advanced: acked.advanced, cursor: 0 }',
  },
  { id: 'CLAIM-16/409', file: 'leases.ts', from: UNKNOWN_ACK, to: 'if (!this.#handles.has(handle))' },
  { id: 'CLAIM-16/stranger-409', file: 'leases.ts', from: UNKNOWN_ACK, to: 'if (seq <= cursor)' },
  {
    id: 'CLAIM-17/not-clamped',
    file: 'routes/claims.ts',
    from: 'min: timings.claim_ttl_min_ms',
    to: 'min: 1',
  },
  {
    id: 'CLAIM-17/ttl-ignored',
    file: 'routes/claims.ts',
    from: "if (!query.has('ttl_ms')) return",
    to: 'if (query !== null) return',
  },
  {
    id: 'CLAIM-18/ttl-wins',
    file: 'routes/claims.ts',
    from: 'if (lease !== null) {',
    to: "if (lease !== null && !query.has('ttl_ms')) {",
  },
  {
    id: 'CLAIM-18/clamped',
    file: 'routes/claims.ts',
    from: "throw new RequestProblem('bad-lease');",
    to: 'return timings.lease_min_ms;',
  },
  {
    id: 'CLAIM-19/always-the-first',
    file: 'leases.ts',
    from: 'delivery: state.deliveries.get(claim.seq) ?? 1,',
    to: 'delivery: 1,',
  },
  {
    id: 'CLAIM-19/whole-lease',
    file: 'leases.ts',
    from: 'remainingMs: Math.max(0, Math.floor(claim.deadline - this.#clock.mono())),',
    to: 'remainingMs: 5_000,',
  },
  { id: 'CLAIM-20/no-mark', file: 'claims.ts', from: `(resumed ? ',"resumed":true}' : '}')`, to: "'}'" },
  {
    id: 'CLAIM-20/deadline-moved',
    file: 'leases.ts',
    from: RESUME,
    to: `if (message !== null) held.deadline = this.#clock.mono() + leaseMs;\n      ${RESUME}`,
  },
  {
    id: 'CLAIM-21/revives',
    file: 'leases.ts',
    from: RENEWED,
    to: 'const stale = this.#handles.get(handle)?.claim;\n    const mine = stale?.id === claimId ? { claim: stale } : null;\n    if (mine === null) return null;',
  },
  {
    id: 'CLAIM-21/no-effect',
    file: 'leases.ts',
    from: 'mine.claim.deadline = this.#clock.mono() + leaseMs;',
    to: '',
  },
  {
    id: 'CLAIM-21/never-shorter',
    file: 'leases.ts',
    from: 'mine.claim.deadline = this.#clock.mono() + leaseMs;',
    to: 'mine.claim.deadline = Math.max(mine.claim.deadline, this.#clock.mono() + leaseMs);',
    flags: ['--lease-default-ms', '5000'],
  },
  {
    id: 'CLAIM-22/no-effect',
    file: 'leases.ts',
    from: 'if (mine !== null) mine.state.claim = null;',
    to: '',
  },
  {
    id: 'CLAIM-22/any-claim',
    file: 'leases.ts',
    from: 'if (mine !== null) mine.state.claim = null;',
    to: 'const state = this.#handles.get(handle);\n    if (state !== undefined) state.claim = null;',
  },
  { id: 'CLAIM-22/always-true', file: 'leases.ts', from: 'return mine !== null;', to: 'return true;' },
  {
    id: 'CLAIM-23/renew',
    file: 'routes/claims.ts',
    from: 'bodies.claimRefOf, 2);\n    const leaseMs',
    to: 'bodies.claimRefOf, 1);\n    const leaseMs',
  },
  {
    id: 'CLAIM-23/release',
    file: 'routes/claims.ts',
    from: 'bodies.claimRefOf, 2);\n    const room',
    to: 'bodies.claimRefOf, 1);\n    const room',
  },
  {
    id: 'CLAIM-24/silent',
    file: 'claims.ts',
    from: 'const gap = log.gap(cursor);',
    to: 'const gap = log.gap(0);',
  },
  {
    id: 'CLAIM-24/told-once',
    file: 'claims.ts',
    from: 'const gap = log.gap(cursor);',
    to: 'const told = ((log as unknown as { told?: Set<number> }).told ??= new Set());\n    const gap = told.has(cursor) ? null : log.gap(cursor);\n    if (gap !== null) told.add(cursor);',
  },
  {
    id: 'CLAIM-24/new-handle',
    file: 'claims.ts',
    from: 'log.gap(cursor)',
    to: 'log.gap(Math.max(1, cursor))',
  },
  {
    id: 'CLAIM-25/refused',
    file: 'leases.ts',
    from: 'if (mine === null || mine.claim.seq !== seq)',
    to: 'if (mine === null || mine.claim.seq !== seq || this.#log.deliverable(seq, this.#clock.wall()) === null)',
  },
  {
    id: 'CLAIM-26/blocked',
    file: 'leases.ts',
    from: RESUME,
    to: `if (message === null) return null;\n      ${RESUME}`,
  },
  {
    id: 'CLAIM-26/expired-granted',
    file: 'log.ts',
    from: 'const expiresAt = ttlMs === 0 ? Infinity : now + ttlMs;',
    to: 'const expiresAt = Infinity;',
  },
  {
    id: 'CLAIM-27/never',
    file: 'routes/claims.ts',
    from: "const { reset } = positionOf(room, 0, query.get('epoch'));",
    to: 'const reset = false;',
  },
  {
    id: 'CLAIM-27/always',
    file: 'routes/claims.ts',
    from: "const { reset } = positionOf(room, 0, query.get('epoch'));",
    to: "const reset = query.has('epoch');",
  },
  {
    id: 'CLAIM-28/parked-do-not-count',
    file: 'room.ts',
    from: ' ||\n      this.claimants.size > 0',
    to: '',
    flags: ['--room-idle-ms', '800'],
  },
  {
    id: 'CLAIM-28/live-do-not-count',
    file: 'hub.ts',
    from: 'if (this.#engine.leased(room.log)) this.touch(room);',
    to: '',
  },
  {
    id: 'CLAIM-29/ack-without-seq',
    file: 'validate.ts',
    from: 'ackOf: checker(AckBody, {',
    to: 'ackOf: checker(Type.Partial(AckBody), {',
  },
];
