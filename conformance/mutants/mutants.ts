/**
 * Broken relays: each is the reference relay with one passage of its source replaced, and breaks one rule.
 * `from` occurs exactly once in the file.
 */
export interface Mutant {
  /** The rule that it breaks, and a word: `MSG-3/seq-twice`. */
  readonly id: `${string}/${string}`;
  /** In `reference-server/src`. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** Flags beyond those of the lab. */
  readonly flags?: readonly string[];
}

/** Timings of the lab, in which every mutant runs: nothing takes longer than a few seconds. */
export const LAB: readonly string[] = [
  '--room-idle-ms',
  '1500',
  '--ttl-min-ms',
  '300',
  '--keepalive-ms',
  '400',
  '--retention-ms',
  '6000',
  '--listening-ms',
  '2000',
  '--presence-ms',
  '200',
  '--dedup-ms',
  '3000',
  '--buffer-messages',
  '60',
];

export const MUTANTS: readonly Mutant[] = [
  // Chapter 00
  {
    id: 'CORE-1/no-error',
    file: 'problem.ts',
    from: 'return problemBody(this.slug, this.detail, this.fields);',
    to: 'return { ...problemBody(this.slug, this.detail, this.fields), error: undefined };',
  },
  {
    id: 'CORE-2/plain-json',
    file: 'problem.ts',
    from: "'Content-Type': PROBLEM_MEDIA_TYPE,",
    to: "'Content-Type': 'application/json',",
  },
  {
    id: 'CORE-2/wrong-status',
    file: 'problem.ts',
    from: 'return problemBody(this.slug, this.detail, this.fields);',
    to: 'return { ...problemBody(this.slug, this.detail, this.fields), status: 200 };',
  },
  {
    id: 'CORE-3/no-retry-after',
    file: 'problem.ts',
    from: "...(this.retryAfter === undefined ? {} : { 'Retry-After': String(this.retryAfter) }),",
    to: '',
  },
  {
    id: 'CORE-3/fraction',
    file: 'problem.ts',
    from: 'String(this.retryAfter)',
    to: 'String(this.retryAfter / 7)',
  },
  {
    id: 'CORE-4/null-reply-to',
    file: 'validate.ts',
    from: 'const valid = check(body);',
    to: "if (body['reply_to'] === null) throw new TypeError('reply_to');\n    const valid = check(body);",
  },
  {
    id: 'CORE-4/bad-encoding',
    file: 'server.ts',
    from: 'const problem = problemOf(error);\n      reply.hijack();',
    to: "const problem = new RequestProblem('internal');\n      reply.hijack();",
  },
  {
    id: 'CORE-5/strict',
    file: 'validate.ts',
    from: 'Type.Object({\n      nonce,',
    to: 'Type.Object({\n      x_unknown: Type.Optional(Type.Null()),\n      nonce,',
  },
  {
    id: 'CORE-6/refused',
    file: 'routes/reads.ts',
    from: 'fallback: TRANSCRIPT_LIMIT,\n    });',
    to: "fallback: TRANSCRIPT_LIMIT,\n    });\n    if (Number(query.get('limit')) < 0) throw new RequestProblem('bad-request');",
  },
  { id: 'CORE-6/nan', file: 'routes/reads.ts', from: 'fallback: TRANSCRIPT_LIMIT,', to: 'fallback: 1,' },
  {
    id: 'CORE-7/lenient',
    file: 'validate.ts',
    from: "throw new RequestProblem('bad-json');\n  return value",
    to: "return { ciphertext: 'AAAA', nonce: 'A'.repeat(32) };\n  return value",
  },
  {
    id: 'CORE-8/400',
    file: 'server.ts',
    from: "return new RequestProblem('too-large');",
    to: "return new RequestProblem('bad-request');",
  },
  {
    id: 'CORE-9/one-origin',
    file: 'problem.ts',
    from: "'Access-Control-Allow-Origin': '*',",
    to: "'Access-Control-Allow-Origin': 'https://bot2bot.example',",
  },
  {
    id: 'CORE-9/no-last-event-id',
    file: 'server.ts',
    from: 'Content-Type, Authorization, Last-Event-ID',
    to: 'Content-Type, Authorization',
  },
  {
    id: 'CORE-9/credentials',
    file: 'problem.ts',
    from: "'Access-Control-Expose-Headers': 'Retry-After',",
    to: "'Access-Control-Allow-Credentials': 'true',",
  },
  {
    id: 'CORE-10/cacheable',
    file: 'problem.ts',
    from: "'Cache-Control': 'no-store'",
    to: "'Cache-Control': 'max-age=60'",
  },
  {
    id: 'CORE-11/no-timings',
    file: 'routes/meta.ts',
    from: 'timings: config.timings,',
    to: 'timings: { ...config.timings, dedup_ms: undefined },',
  },
  {
    id: 'CORE-12/seconds',
    file: 'routes/meta.ts',
    from: 'rooms: hub.rooms.size, ts: clock.wall() }',
    to: 'rooms: hub.rooms.size, ts: Math.floor(clock.wall() / 1000) }',
  },
  {
    id: 'CORE-13/operation-missing',
    file: 'routes/meta.ts',
    from: 'JSON.stringify(openapiDocument())',
    to: "JSON.stringify(openapiDocument()).replace('/api/rooms/{room}/wait', '/api/rooms/{room}/poll')",
  },
  {
    id: 'CORE-14/cdn',
    file: 'routes/meta.ts',
    from: '<script src="${ROUTES.docs.path}/swagger-ui-bundle.js"></script>',
    to: '<script src="https://cdn.example/swagger-ui-bundle.js"></script>',
  },
  { id: 'CORE-15/no-hashes', file: 'routes/meta.ts', from: '      source_hashes: hashes,\n', to: '' },
  {
    id: 'CORE-16/200',
    file: 'server.ts',
    from: "const problem = new RequestProblem('not-found');\n    return reply.code(problem.status)",
    to: "const problem = new RequestProblem('not-found');\n    return reply.code(200)",
  },
  // Chapter 01
  {
    id: 'ROOM-1/lax',
    file: 'relay.ts',
    from: 'if (!roomId.Check(id)) throw',
    to: 'if (!roomId.Check(id) && id.length < 60) throw',
  },
  {
    id: 'ROOM-1/strict',
    file: 'relay.ts',
    from: 'if (!roomId.Check(id)) throw',
    to: 'if (!roomId.Check(id) || id.length === 4) throw',
  },
  {
    id: 'ROOM-2/reads-make-rooms',
    file: 'routes/reads.ts',
    from: 'const room = hub.rooms.get(relay.checkRoomId(id));',
    to: 'const room = hub.enter(relay.checkRoomId(id));',
  },
  {
    id: 'ROOM-3/parks',
    file: 'routes/reads.ts',
    from: 'if (room === undefined) return reply.send(noRoom(position.reset));\n    if (room.log',
    to: 'if (room === undefined) return new Promise((resolve) => setTimeout(() => resolve(reply.send(noRoom(position.reset))), 4000));\n    if (room.log',
  },
  {
    id: 'ROOM-3/listening-200',
    file: 'hub.ts',
    from: "if (room === undefined) throw new RequestProblem('unknown-room');\n    return room;",
    to: 'return room ?? new Room(id, this.#engine.open(), 0);',
  },
  {
    id: 'ROOM-4/case',
    file: 'hub.ts',
    from: 'let room = this.rooms.get(id);\n    if (room === undefined) {',
    to: 'let room = this.rooms.get(id) ?? [...this.rooms.values()].find((other) => other.id.toLowerCase() === id.toLowerCase());\n    if (room === undefined) {',
  },
  {
    id: 'ROOM-5/count',
    file: 'routes/reads.ts',
    from: 'recent_count: room.log.count(clock.wall()),',
    to: 'recent_count: room.log.count(clock.wall()) + 1,',
  },
  {
    id: 'ROOM-6/early',
    file: 'hub.ts',
    from: 'room.activeAt < this.#timings.room_idle_ms)',
    to: 'room.activeAt < this.#timings.room_idle_ms / 2)',
  },
  {
    id: 'ROOM-6/streams-do-not-count',
    file: 'room.ts',
    from: 'this.subscribers.size > 0 ||\n      this.waiters',
    to: 'this.waiters',
  },
  {
    id: 'ROOM-6/waits-do-not-count',
    file: 'room.ts',
    from: '      this.waiters.size > 0 ||\n',
    to: '',
    flags: ['--room-idle-ms', '800'],
  },
  {
    id: 'ROOM-7/never',
    file: 'hub.ts',
    from: 'room.log.close();\n      this.rooms.delete(room.id);',
    to: ';',
  },
  {
    id: 'ROOM-8/looking-keeps',
    file: 'routes/reads.ts',
    from: 'if (room === undefined) return reply.send({ exists: false, roomId });',
    to: 'if (room === undefined) return reply.send({ exists: false, roomId });\n    hub.touch(room);',
  },
  {
    id: 'ROOM-9/same-epoch',
    file: 'log.ts',
    from: "readonly epoch = randomBytes(9).toString('base64url');",
    to: "readonly epoch = 'always-the-same';",
  },
  // Chapter 02
  {
    id: 'MSG-1/no-id',
    file: 'routes/messages.ts',
    from: 'reply.send({ ok: true, ...place,',
    to: 'reply.send({ ok: true, seq: place.seq,',
  },
  {
    id: 'MSG-2/alphabet',
    file: 'log.ts',
    from: '`"ciphertext":"${ciphertext}",',
    to: "`\"ciphertext\":\"${ciphertext.replaceAll('-', '+').replaceAll('_', '/')}\",",
  },
  {
    id: 'MSG-2/trimmed-sender',
    file: 'log.ts',
    from: 'JSON.stringify(sender)',
    to: 'JSON.stringify(sender.trim())',
  },
  {
    id: 'MSG-3/seq-twice',
    file: 'log.ts',
    from: 'const seq = this.#nextSeq++;',
    to: 'const seq = this.#nextSeq++;\n    if (seq % 5 === 0) this.#nextSeq--;',
  },
  {
    id: 'MSG-4/one-less',
    file: 'validate.ts',
    from: 'text.length > limits.ciphertext_chars',
    to: 'text.length >= limits.ciphertext_chars',
  },
  {
    id: 'MSG-5/unpadded',
    file: 'validate.ts',
    from: 'const ciphertextHere = { ...ciphertext, maxLength: limits.ciphertext_chars };',
    to: "const ciphertextHere = Type.String({ pattern: '^[A-Za-z0-9+/_-]+={0,2}$' });",
  },
  {
    id: 'MSG-5/short-nonce',
    file: 'validate.ts',
    from: '      sender: Type.Optional(Type.String({',
    to: "      nonce: Type.String({ pattern: '^[A-Za-z0-9+/_-]{31,33}=?$' }),\n      sender: Type.Optional(Type.String({",
  },
  {
    id: 'MSG-5/one-alphabet',
    file: 'validate.ts',
    from: 'const valid = check(body);',
    to: "if (/[-_]/.test(String(text))) throw new RequestProblem('bad-request');\n    const valid = check(body);",
  },
  {
    id: 'MSG-6/65',
    file: 'validate.ts',
    from: 'maxLength: limits.sender_chars',
    to: 'maxLength: limits.sender_chars + 1',
  },
  {
    id: 'MSG-7/any',
    file: 'validate.ts',
    from: '      sender: Type.Optional(Type.String({',
    to: '      reply_to: Type.Optional(Type.Any()),\n      sender: Type.Optional(Type.String({',
  },
  { id: 'MSG-8/no-floor', file: 'validate.ts', from: 'ttl >= timings.ttl_min_ms', to: 'ttl > 0' },
  {
    id: 'MSG-8/not-delivered',
    file: 'log.ts',
    from: '(ttlMs === 0 ? \'\' : `,"ttl_ms":${ttlMs}`)',
    to: "''",
  },
  {
    id: 'MSG-9/immortal',
    file: 'log.ts',
    from: 'const expiresAt = ttlMs === 0 ? Infinity : now + ttlMs;',
    to: 'const expiresAt = Infinity;',
  },
  {
    id: 'MSG-10/swept',
    file: 'log.ts',
    from: 'const expiresAt = ttlMs === 0 ? Infinity : now + ttlMs;',
    to: 'const expiresAt = ttlMs === 0 ? Infinity : now + ttlMs + 700;',
  },
  {
    id: 'MSG-11/seconds',
    file: 'engine/memory.ts',
    from: 'log.append(draft, this.#clock.wall())',
    to: 'log.append(draft, Math.floor(this.#clock.wall() / 1000) * 1000)',
  },
  {
    id: 'MSG-12/gaps',
    file: 'log.ts',
    from: 'const seq = this.#nextSeq++;',
    to: 'const seq = this.#nextSeq++;\n    if (seq % 4 === 0) this.#entries.push({ seq: this.#nextSeq++, id: "", ts: now, expiresAt: 0, nonce: "", json: null, sse: null, ws: null });',
  },
  {
    id: 'MSG-13/from-one',
    file: 'engine/memory.ts',
    from: 'Math.max(SEQS_PER_MS * this.#clock.wall(), this.#highest + 1)',
    to: '1',
  },
  {
    id: 'MSG-13/clock-alone',
    file: 'engine/memory.ts',
    from: 'Math.max(SEQS_PER_MS * this.#clock.wall(), this.#highest + 1)',
    to: 'SEQS_PER_MS * (this.#clock.wall() + 60_000 - (this.#highest === 0 ? 0 : 59_000))',
  },
  {
    id: 'MSG-14/second-message',
    file: 'engine/memory.ts',
    from: 'if (before !== null)\n',
    to: 'if (before !== null && !before.same)\n',
  },
  {
    id: 'MSG-14/no-mark',
    file: 'routes/messages.ts',
    from: "...(kind === 'duplicate' ? { duplicate: true } : {})",
    to: '',
  },
  {
    id: 'MSG-15/accepted',
    file: 'engine/memory.ts',
    from: 'if (before !== null)\n',
    to: 'if (before?.same)\n',
  },
  {
    id: 'MSG-16/forgotten',
    file: 'log.ts',
    from: 'if (first !== undefined) first.digest = digestOf(ciphertextOf(entry.json));',
    to: 'this.#nonces.delete(entry.nonce);',
  },
  {
    id: 'MSG-17/global',
    file: 'engine/memory.ts',
    from: 'const before = log.remembered(draft.nonce, draft.ciphertext);',
    to: "const all = ((globalThis as { all?: Map<string, { id: string; seq: number; same: boolean }> }).all ??= new Map());\n    const before = log.remembered(draft.nonce, draft.ciphertext) ?? all.get(draft.nonce) ?? null;\n    all.set(draft.nonce, { id: 'another-room', seq: 1, same: true });",
  },
  {
    id: 'MSG-18/dropped',
    file: 'log.ts',
    from: '(ext === undefined ? \'\' : `,"ext":"${ext}"`)',
    to: "''",
  },
  {
    id: 'MSG-18/any',
    file: 'validate.ts',
    from: '      sender: Type.Optional(Type.String({',
    to: '      ext: Type.Optional(Type.String()),\n      sender: Type.Optional(Type.String({',
  },
  {
    id: 'MSG-19/half',
    file: 'rate-limit.ts',
    from: 'this.#rooms = new Buckets(limits.room_rate, limits.room_burst);',
    to: 'this.#rooms = new Buckets(1, 10);',
  },
  {
    id: 'MSG-20/unlimited',
    file: 'rate-limit.ts',
    from: 'if (retryAfter > 0) throw',
    to: 'if (retryAfter > 1e9) throw',
  },
  {
    id: 'MSG-21/kept',
    file: 'routes/messages.ts',
    from: 'const posted = await relay.post(',
    to: "const body = parseObject(request.body);\n    if (typeof body['ciphertext'] === 'string' && typeof body['nonce'] === 'string') await relay.post(id, 'x', () => ({ sender: 'x', ciphertext: body['ciphertext'], nonce: body['nonce'] })).catch(() => null);\n    const posted = await relay.post(",
  },
  {
    id: 'MSG-22/verified',
    file: 'log.ts',
    from: '"sender_verified":${signature !== undefined},',
    to: '"sender_verified":true,',
  },
  // Chapter 04, streams
  {
    id: 'STREAM-1/type',
    file: 'routes/stream.ts',
    from: "'Content-Type: text/event-stream; charset=utf-8',",
    to: "'Content-Type: text/plain',",
  },
  {
    id: 'STREAM-2/ready-first',
    file: 'hub.ts',
    from: '    while (!sub.blocked) {\n      if (this.#overtaken',
    to: '    if (sub.joining !== null) this.#ready(sub, sub.joining);\n    while (!sub.blocked) {\n      if (this.#overtaken',
  },
  {
    id: 'STREAM-3/twice',
    file: 'hub.ts',
    from: 'sub.cursor = upTo;\n        if (messages !== null && tail',
    to: 'sub.cursor = upTo % 2 === 0 && sub.format === "ws" ? upTo - 1 : upTo;\n        if (messages !== null && tail',
  },
  {
    id: 'STREAM-3/lost',
    file: 'hub.ts',
    from: 'sub.cursor = upTo;\n        if (messages !== null && tail',
    to: 'sub.cursor = upTo;\n        if (upTo % 2 === 0 && sub.format === "sse") continue;\n        if (messages !== null && tail',
  },
  {
    id: 'STREAM-4/no-participants',
    file: 'hub.ts',
    from: 'participants: room.participants(this.#clock.mono()),\n      epoch',
    to: 'participants: [],\n      epoch',
  },
  {
    id: 'STREAM-5/floor-of-the-room',
    file: 'hub.ts',
    from: 'const lastSeq = Math.min(sub.cursor, room.log.lastSeq(this.#clock.wall()));',
    to: 'const lastSeq = room.log.lastAssigned + 1;',
  },
  { id: 'STREAM-6/silent', file: 'hub.ts', from: 'this.#write(sub, KEEPALIVE);', to: ';' },
  { id: 'STREAM-7/no-epoch', file: 'log.ts', from: 'id: ${this.epoch}:${entry.seq}', to: 'id: ${entry.seq}' },
  {
    id: 'STREAM-8/query-wins',
    file: 'routes/stream.ts',
    from: "resumed === null ? place.query.get('after') : resumed[2]",
    to: "place.query.get('after') ?? resumed?.[2]",
  },
  {
    id: 'STREAM-8/epoch-ignored',
    file: 'routes/stream.ts',
    from: "resumed === null ? place.query.get('epoch') : (resumed[1] ?? null)",
    to: "resumed === null ? place.query.get('epoch') : null",
  },
  { id: 'STREAM-9/binary', file: 'log.ts', from: 'header[0] = 0x81;', to: 'header[0] = 0x82;' },
  {
    id: 'STREAM-10/ws-after-ignored',
    file: 'routes/stream.ts',
    from: 'const number = queryNumber(after,',
    to: "const number = format === 'ws' ? 0 : queryNumber(after,",
  },
  {
    id: 'STREAM-11/no-leave',
    file: 'hub.ts',
    from: 'this.touch(sub.room);\n    this.markPresence(sub.room);\n  }\n\n  /** It took',
    to: 'this.touch(sub.room);\n  }\n\n  /** It took',
  },
  {
    id: 'STREAM-12/heartbeats-named',
    file: 'room.ts',
    from: '.filter((name) => name !== undefined))];',
    to: '.filter((name) => name !== undefined)), ...this.heartbeats.keys()];',
  },
  {
    id: 'STREAM-13/normalised',
    file: 'routes/stream.ts',
    from: 'else if (isBoxPub.Check(boxPub)) sub.boxPub = boxPub;',
    to: "else if (isBoxPub.Check(boxPub)) sub.boxPub = Buffer.from(boxPub, 'base64').toString('base64');",
  },
  {
    id: 'STREAM-13/absent-clears',
    file: 'routes/stream.ts',
    from: 'if (boxPub === null) sub.boxPub = undefined;',
    to: 'if (boxPub === null || boxPub === undefined) sub.boxPub = undefined;',
  },
  {
    id: 'STREAM-14/deaf',
    file: 'routes/stream.ts',
    from: "if (Object.hasOwn(given, 'type')) return;",
    to: 'return;',
  },
  { id: 'STREAM-15/no-code', file: 'routes/stream.ts', from: '        code: problem.status,\n', to: '' },
  {
    id: 'STREAM-16/no-ack',
    file: 'routes/stream.ts',
    from: "hub.tell(sub, {\n        type: 'sent',",
    to: "void ({\n        type: 'sent',",
  },
  {
    id: 'STREAM-17/no-nonce',
    file: 'routes/stream.ts',
    from: '...(nonce === undefined ? {} : { nonce }),',
    to: '',
  },
  {
    id: 'STREAM-18/hangs-up',
    file: 'routes/stream.ts',
    from: "} catch (error) {\n      const problem = error instanceof RequestProblem ? error : new RequestProblem('internal');\n      const nonce",
    to: "} catch (error) {\n      if (body === undefined) sub.end(1008);\n      const problem = error instanceof RequestProblem ? error : new RequestProblem('internal');\n      const nonce",
  },
  {
    id: 'STREAM-19/unbounded',
    file: 'routes/stream.ts',
    from: 'maxPayload: config.limits.frame_bytes,',
    to: 'maxPayload: config.limits.frame_bytes * 4,',
  },
  {
    id: 'STREAM-20/404',
    file: 'routes/stream.ts',
    from: "relay.checkRoomId(request.params.room);\n    throw new RequestProblem('upgrade-required');",
    to: "relay.checkRoomId(request.params.room);\n    throw new RequestProblem('not-found');",
  },
  {
    id: 'STREAM-21/forever',
    file: 'room.ts',
    from: 'if (now - at < listeningMs) continue;',
    to: 'if (now - at < listeningMs * 100) continue;',
  },
  {
    id: 'STREAM-21/any-name',
    file: 'validate.ts',
    from: 'listeningOf: checker(ListeningBody)',
    to: 'listeningOf: checker(Type.Object({ ...ListeningBody.properties, name: Type.String() }))',
  },
  {
    id: 'STREAM-22/silent-rename',
    file: 'routes/stream.ts',
    from: 'sub.name !== undefined && sub.name !== name',
    to: "sub.name === 'nobody'",
  },
  {
    id: 'STREAM-23/every-change',
    file: 'hub.ts',
    from: 'now - room.presenceAt >= this.#timings.presence_ms',
    to: 'now >= 0',
  },
  {
    id: 'STREAM-24/hole',
    file: 'hub.ts',
    from: 'sub.blocked = false;\n      this.#feed(sub);',
    to: 'sub.blocked = false;\n      sub.cursor = sub.room.log.lastAssigned;\n      this.#feed(sub);',
    flags: ['--subscriber-bytes', '65536'],
  },
  // Chapter 04, reads
  {
    id: 'READ-1/late',
    file: 'routes/reads.ts',
    from: 'if (room.log.hasAbove(position.after, clock.wall())) {',
    to: 'if (room.log.hasAbove(position.after, clock.wall()) && position.after > 0) {',
  },
  {
    id: 'READ-2/sleeps',
    file: 'hub.ts',
    from: 'if (room.waiters.size > 0) this.#answerWaiters(room, now);',
    to: '',
  },
  {
    id: 'READ-2/one-waiter',
    file: 'hub.ts',
    from: 'this.#answer(room, waiter, body);\n    }\n  }',
    to: 'this.#answer(room, waiter, body);\n      return;\n    }\n  }',
  },
  {
    id: 'READ-3/early',
    file: 'routes/reads.ts',
    from: 'deadline: clock.mono() + ms,',
    to: 'deadline: clock.mono() + ms / 2,',
  },
  {
    id: 'READ-4/newest',
    file: 'log.ts',
    from: 'let i = this.#placeAfter(after);\n    for (; i < this.#entries.length && count < most',
    to: 'let i = Math.max(this.#placeAfter(after), this.#entries.length - most);\n    for (; i < this.#entries.length && count < most',
  },
  {
    id: 'READ-4/count',
    file: 'relay.ts',
    from: 'count: page.count, exists: true',
    to: 'count: log.count(now), exists: true',
  },
  {
    id: 'READ-5/assigned',
    file: 'relay.ts',
    from: 'last_seq: log.lastSeq(now),',
    to: 'last_seq: log.lastAssigned,',
  },
  {
    id: 'READ-6/stream-only',
    file: 'log.ts',
    from: 'const TYPE = Buffer.from(\'{"type":"message",\');',
    to: 'const TYPE = Buffer.from(\'{"type":"message","reply_to":"CCCCCCCC",\');',
  },
  {
    id: 'READ-7/inclusive',
    file: 'log.ts',
    from: 'Math.max(0, after + 1 - first.seq)',
    to: 'Math.max(0, after - first.seq)',
  },
  {
    id: 'READ-8/skips',
    file: 'log.ts',
    from: 'nextAfter = entry.seq;\n      if (entry.json === null) continue;',
    to: 'nextAfter = entry.seq;\n      if (entry.json === null || entry.seq % 6 === 0) continue;',
  },
  {
    id: 'READ-9/last-seq',
    file: 'log.ts',
    from: 'nextAfter: hasMore ? nextAfter : Math.max(after, this.lastAssigned),',
    to: 'nextAfter: this.lastAssigned,',
  },
  { id: 'READ-9/no-more', file: 'log.ts', from: '      hasMore,\n', to: '      hasMore: false,\n' },
  {
    id: 'READ-10/silent',
    file: 'log.ts',
    from: 'return after > 0 && after < to ?',
    to: 'return after > to ?',
  },
  { id: 'READ-10/off-by-one', file: 'log.ts', from: '{ from: after + 1, to }', to: '{ from: after, to }' },
  {
    id: 'READ-11/per-answer',
    file: 'relay.ts',
    from: 'epoch: log.epoch,',
    to: 'epoch: `${log.epoch}-${Math.random().toString(36).slice(2, 8)}`,',
  },
  {
    id: 'READ-12/no-reset',
    file: 'relay.ts',
    from: 'epoch !== null && epoch !== room?.log.epoch',
    to: 'epoch !== null && room !== undefined && epoch === ""',
  },
  {
    id: 'READ-12/always',
    file: 'relay.ts',
    from: 'epoch !== null && epoch !== room?.log.epoch',
    to: 'epoch !== null',
  },
  { id: 'READ-13/one-less', file: 'log.ts', from: 'if (held <= most &&', to: 'if (held < most &&' },
  { id: 'READ-13/one-more', file: 'log.ts', from: 'if (held <= most &&', to: 'if (held <= most + 1 &&' },
  {
    id: 'READ-14/for-ever',
    file: 'log.ts',
    from: 'const oldest = now - this.#timings.retention_ms;',
    to: 'const oldest = -1;',
  },
];

/** The mutants of each rule. That each is killed by it is what the test of the mutants proves. */
export function killMatrix(): Record<string, string[]> {
  const matrix: Record<string, string[]> = {};
  for (const { id } of MUTANTS) (matrix[id.split('/')[0] ?? ''] ??= []).push(id);
  return matrix;
}
