/** Conformant relays that differ from the reference relay: a run must not report a failure of any of them. */
import type { Patch } from './broken.ts';
import type { Alteration, Transport } from './proxy.ts';
import { REWRITTEN } from './rewritten.ts';

/** A proxy in front of a relay. */
export interface Through extends Transport {
  readonly alteration?: Alteration;
}

export interface Benign {
  readonly name: string;
  /** Chapters that the difference may affect; empty: all. */
  readonly only: readonly string[];
  /** A relay at compat declares nothing, and has the timings of the specification. */
  readonly level: 'compat' | 'hardened';
  readonly patches: readonly Patch[];
  /** The proxy in front of it, if any. */
  readonly through?: Through;
}

const WAIT = 'await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));';
const CLAIM_ID = "`c_${randomBytes(12).toString('base64url')}`";
const ROOMS = ['MSG', 'READ', 'STREAM', 'CORE'];
/** Source text: the JSON of a message, with an additional field, in parts. */
const ON_STREAM = (frame: string) => `[Buffer.from('{"via":"stream",'), payloadOf(${frame}).subarray(1)]`;
/** Source text: the same with its fields in reverse order. */
const REVERSED = (frame: string) =>
  `JSON.stringify(Object.fromEntries(Object.entries({ ...JSON.parse(payloadOf(${frame}).toString()), via: 'stream' }).reverse()))`;
const DELIVERY = ['MSG', 'READ', 'STREAM'];
const CLAIMS = ['CLAIM'];
export const AGENTS: readonly string[] = ['ID', 'REQ', 'SIGN', 'DM', 'DIR'];

/** Variations of transport or formatting, which a proxy applies; each name describes the relay as clients see it. */
export const THROUGH: readonly (readonly [string, Through])[] = [
  ['that closes connections that are idle for a second', { idleMs: 1_000 }],
  ['behind a proxy that pipelines', { pipelined: true }],
  ['with header names in upper and lower case', { mixedCase: true }],
  ['that formats JSON differently, and sends it in small pieces', { alteration: REWRITTEN, inPieces: true }],
  ['whose answers begin late', { slowMs: 100 }],
];

export const BENIGN: readonly Benign[] = [
  ...THROUGH.map(([name, through]): Benign => ({ name, only: [], level: 'hardened', patches: [], through })),
  {
    name: 'with extra fields on streams only, and another order on WebSockets',
    only: DELIVERY,
    level: 'hardened',
    patches: [
      { file: 'log.ts', from: 'eventChunk, payloadOf,', to: 'eventChunk, payloadOf, textFrame,' },
      {
        file: 'log.ts',
        from: "format === 'ws' ? entry.frame",
        to: `format === 'ws' ? textFrame(${REVERSED('entry.frame')})`,
      },
      { file: 'log.ts', from: 'eventChunk([payloadOf(frame)]', to: `eventChunk(${ON_STREAM('frame')}` },
    ],
  },
  {
    name: 'with the longest ids and the largest seqs',
    only: [...ROOMS, ...CLAIMS],
    level: 'hardened',
    patches: [
      {
        file: 'log.ts',
        from: "`m_${randomBytes(9).toString('base64url')}`",
        to: "randomBytes(48).toString('base64url')",
      },
      { file: 'log.ts', from: 'epoch = randomBytes(9)', to: 'epoch = randomBytes(24)' },
      { file: 'leases.ts', from: CLAIM_ID, to: "randomBytes(48).toString('base64url')" },
      // About 7 × 10^12 below the largest safe integer.
      {
        file: 'engine/memory.ts',
        from: 'Math.max(SEQS_PER_MS * this.#clock.wall(), this.#highest + 1)',
        to: 'Math.max(9_000_000_000_000_000, this.#highest + 1)',
      },
    ],
  },
  {
    name: 'with extra fields everywhere',
    only: ROOMS,
    level: 'hardened',
    patches: [
      {
        file: 'message.ts',
        from: '"sender_verified":${signature !== undefined},',
        to: '"sender_verified":${signature !== undefined},"_bytes":7,"x":{"seq":1},',
      },
      {
        file: 'routes/messages.ts',
        from: 'reply.send({ ok: true, ...accepted,',
        to: "reply.send({ ok: true, _more: ['x'], ...accepted,",
      },
      { file: 'presence.ts', from: "type: 'ready',", to: "type: 'ready',\n    hint: 'x'," },
    ],
  },
  {
    name: 'with frames of an unknown type',
    only: ROOMS,
    level: 'hardened',
    patches: [
      {
        file: 'presence.ts',
        from: 'const frames = notices.presence === null ? notices.renames : [...notices.renames, notices.presence];',
        to: 'const frames = notices.presence === null ? notices.renames : [...notices.renames, \'{"type":"weather"}\', notices.presence];',
      },
      // As keep-alives too.
      {
        file: 'encoding.ts',
        from: "sse: Buffer.from('3\\r\\n:\\n\\n\\r\\n'),",
        to: `sse: Buffer.from('17\\r\\ndata: {"type":"beat"}\\n\\n\\r\\n'),`,
      },
    ],
  },
  {
    name: 'that is slow, and removes rooms late',
    only: [...ROOMS, 'ROOM-7', 'ROOM-8'],
    level: 'hardened',
    patches: [
      {
        file: 'hub.ts',
        from: 'const { room_idle_ms: idle } = this.#timings;',
        to: 'const idle = this.#timings.room_idle_ms * 1.9;',
      },
      {
        file: 'routes/messages.ts',
        from: 'const posted = await',
        to: 'await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));\n    const posted = await',
      },
    ],
  },
  {
    name: 'with header names in other cases, and other documents',
    only: ROOMS,
    level: 'hardened',
    patches: [
      {
        file: 'routes/docs.ts',
        from: '<div id="page"></div>',
        to: '<div id="page"></div><a href="https://docs.example/">More</a>',
      },
      {
        file: 'routes/meta.ts',
        from: 'const text = JSON.stringify(openapiDocument());',
        to: 'const text = JSON.stringify(openapiDocument()).replaceAll(\'{room}\', \'{roomId}\').replaceAll(\'"name":"room"\', \'"name":"roomId"\');',
      },
      { file: 'problem.ts', from: "'Cache-Control': 'no-store'", to: "'CACHE-control': 'no-store, private'" },
    ],
  },
  {
    name: 'with extra fields, and the longest claim_ids',
    only: CLAIMS,
    level: 'hardened',
    patches: [
      { file: 'claims.ts', from: 'last_seq: log.lastSeq(', to: '_shard: 3,\n      last_seq: log.lastSeq(' },
      {
        file: 'routes/claims.ts',
        from: 'advanced: acked.advanced,',
        to: "advanced: acked.advanced, by: 'x',",
      },
      { file: 'leases.ts', from: CLAIM_ID, to: "randomBytes(48).toString('base64url')" },
      // A field of the message that reads do not have.
      {
        file: 'claims.ts',
        from: '      message,\n',
        to: '      Buffer.from(\'{"_claimed":true,\'),\n      message.subarray(1),\n',
      },
    ],
  },
  {
    name: 'that is slow, with the shortest claim_ids',
    only: CLAIMS,
    level: 'hardened',
    patches: [
      { file: 'routes/claims.ts', from: 'const answer = await', to: `${WAIT}\n    const answer = await` },
      {
        file: 'routes/claims.ts',
        from: 'if (acked.advanced) hub',
        to: `${WAIT}\n    if (acked.advanced) hub`,
      },
      { file: 'routes/claims.ts', from: 'if (released) hub', to: `${WAIT}\n    if (released) hub` },
      { file: 'leases.ts', from: CLAIM_ID, to: "randomBytes(6).toString('base64url')" },
    ],
  },
  {
    name: 'with extra fields, and ids of another form',
    only: AGENTS,
    level: 'hardened',
    patches: [
      {
        file: 'routes/agents.ts',
        from: '.send({ ok: true, handle, registered_at });',
        to: '.send({ ok: true, handle, registered_at, fee: 0 });',
      },
      {
        file: 'routes/agents.ts',
        from: 'return reply.send(identity);',
        to: 'return reply.send({ ...identity, _n: 1 });',
      },
      {
        file: 'dms.ts',
        from: "`d_${randomBytes(9).toString('base64url')}`",
        to: "randomBytes(32).toString('hex')",
      },
      {
        file: 'message.ts',
        from: `(signedOnly ? ',"signed_only":true}' : '}')`,
        to: '`,"signed_only":${signedOnly}}`',
      },
      { file: 'dms.ts', from: 'from_verified: signed,', to: "from_verified: signed,\n      _box: 'x'," },
      { file: 'directory.ts', from: 'profile_sig: sig,', to: 'profile_sig: sig,\n      rank: 7,' },
      // As with a clock that is 2 s slow.
      { file: 'profile.ts', from: 'ahead > most', to: 'ahead + 2_000 > most' },
    ],
  },
  {
    name: 'that verifies signatures before it checks keys',
    only: AGENTS,
    level: 'hardened',
    patches: [
      {
        file: 'routes/agents.ts',
        from: "if (!isSoundKey(key)) throw new RequestProblem('bad-key');\n",
        to: '',
      },
      {
        file: 'routes/agents.ts',
        from: 'const { registered_at } = await',
        to: "if (!isSoundKey(key)) throw new RequestProblem('bad-key');\n    const { registered_at } = await",
      },
    ],
  },
  {
    name: 'that checks for a signature before the handle',
    only: AGENTS,
    level: 'hardened',
    patches: [
      {
        file: 'auth.ts',
        from: 'const identity = this.#identities.get(handle);\n    if (identity === undefined) throw',
        to: "if (raw.headers.authorization === undefined) throw new RequestProblem('signature-invalid');\n    const identity = this.#identities.get(handle);\n    if (identity === undefined) throw",
      },
    ],
  },
  {
    name: 'that accepts heartbeats without a profile',
    only: AGENTS,
    level: 'hardened',
    patches: [
      {
        file: 'directory.ts',
        from: "if (entry === undefined) throw new RequestProblem('unknown-agent');\n    const now",
        to: 'if (entry === undefined) return { ok: true, last_seen_at: this.#clock.wall() };\n    const now',
      },
    ],
  },
  {
    name: 'that is slow, and numbers inboxes 1, 4, 7, …',
    only: AGENTS,
    level: 'hardened',
    patches: [
      {
        file: 'routes/agents.ts',
        from: 'const { registered_at } = await',
        to: `${WAIT}\n    const { registered_at } = await`,
      },
      {
        file: 'routes/agents.ts',
        from: 'await directory.publish(',
        to: `${WAIT}\n    await directory.publish(`,
      },
      { file: 'dms.ts', from: 'Math.max(SEQS_PER_MS * ts, inbox.lastSeq + 1)', to: 'inbox.lastSeq + 3' },
      {
        file: 'dms.ts',
        from: 'if (ahead) this.#idle.add(inbox);',
        to: 'if (inbox.lastSeq > 0) this.#idle.add(inbox);',
      },
    ],
  },
  {
    name: 'at compat that declares nothing',
    only: AGENTS,
    level: 'compat',
    patches: [
      { file: 'routes/meta.ts', from: 'app.get(fastifyPath(ROUTES.discovery.path)', to: "app.get('/moved'" },
    ],
  },
  {
    name: 'at compat whose seqs have gaps, and begin at 1 in a room that is made again',
    only: ['MSG-1', 'MSG-3', 'READ-1', 'READ-4', 'READ-6', 'READ-8', 'ROOM-7', 'STREAM-3'],
    level: 'compat',
    patches: [
      {
        file: 'engine/memory.ts',
        from: 'Math.max(SEQS_PER_MS * this.#clock.wall(), this.#highest + 1)',
        to: '1',
      },
      {
        file: 'log.ts',
        from: 'const seq = this.#nextSeq++;',
        to: 'const seq = this.#nextSeq;\n    this.#nextSeq += 3;',
      },
      {
        file: 'log.ts',
        from: 'return first === undefined ? undefined : this.#entries[this.#head + seq - first.seq];',
        to: 'return first === undefined ? undefined : this.#entries[this.#head + (seq - first.seq) / 3];',
      },
      {
        file: 'log.ts',
        from: 'return this.#head + Math.max(0, after + 1 - first.seq);',
        to: 'return this.#head + Math.max(0, Math.ceil((after + 1 - first.seq) / 3));',
      },
      { file: 'log.ts', from: 'return this.#nextSeq - 1;', to: 'return this.#nextSeq - 3;' },
      { file: 'routes/meta.ts', from: 'app.get(fastifyPath(ROUTES.discovery.path)', to: "app.get('/moved'" },
    ],
  },
];
