/** Chapter 04, streams. */
import type { Mutant } from './mutant.ts';

/** Each loses, of what a frame says, what a post keeps; or takes of a frame what it refuses of a post. */
const FRAME_FAULTS: Readonly<Record<string, string>> = {
  'STREAM-14/no-ttl': "delete given['ttl_ms'];",
  'STREAM-14/no-reply-to': "delete given['reply_to'];",
  'STREAM-14/no-ext': "delete given['ext'];",
  'STREAM-14/sender-in-bytes':
    "if (Buffer.byteLength(String(given['sender'] ?? '')) > 64) throw new RequestProblem('bad-request');",
  'STREAM-14/short-frames': "if (text.length > 100_000) throw new RequestProblem('too-large');",
  'STREAM-14/strict': "if ('x_unknown' in given) throw new RequestProblem('bad-request');",
  'STREAM-15/any-ttl':
    "if (Number(given['ttl_ms']) > 0) given['ttl_ms'] = Math.min(31_622_400_000, Math.max(30_000, Math.floor(Number(given['ttl_ms']))));",
  'STREAM-15/any-reply-to':
    "if (!/^[A-Za-z0-9_-]{8,64}$/.test(String(given['reply_to']))) delete given['reply_to'];",
  'STREAM-15/long-sender': "if (String(given['sender'] ?? '').length > 64) given['sender'] = 'long';",
  'STREAM-15/lock': "if (given['sender_handle'] === undefined) delete given['signed_only'];",
  'SIGN-5/frame-without-second': "delete given['sender_sig2'];",
};
const frameMutants: readonly Mutant[] = Object.entries(FRAME_FAULTS).map(([id, fault]) => ({
  id: id as Mutant['id'],
  file: 'routes/stream.ts',
  from: "if (Object.hasOwn(given, 'type')) return;",
  to: `if (Object.hasOwn(given, 'type')) return;\n      ${fault}`,
}));

export const STREAM_MUTANTS: readonly Mutant[] = [
  {
    id: 'STREAM-1/type',
    file: 'routes/stream.ts',
    from: "const headers = { 'Content-Type': 'text/event-stream; charset=utf-8',",
    to: "const headers = { 'Content-Type': 'text/plain',",
    alsoBreaks: ['STREAM-2'],
  },
  {
    id: 'STREAM-2/ready-first',
    file: 'hub.ts',
    from: '    while (!sub.blocked) {\n      if (this.#overtaken',
    to: '    if (sub.joining !== null) this.#ready(sub, sub.joining);\n    while (!sub.blocked) {\n      if (this.#overtaken',
    alsoBreaks: ['READ-8', 'STREAM-5'],
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
    file: 'presence.ts',
    from: 'participants: room.participants(mono),\n    epoch',
    to: 'participants: [],\n    epoch',
  },
  {
    id: 'STREAM-5/floor-of-the-room',
    file: 'hub.ts',
    from: 'const lastSeq = Math.min(sub.cursor, room.log.lastSeq(this.#clock.wall()));',
    to: 'const lastSeq = room.log.lastAssigned + 1;',
  },
  {
    id: 'STREAM-6/silent',
    file: 'hub.ts',
    from: 'this.#write(sub, KEEPALIVE[sub.format]);',
    to: ';',
  },
  {
    id: 'STREAM-7/no-epoch',
    file: 'log.ts',
    from: '`${this.epoch}:${entry.seq}`',
    to: '`${entry.seq}`',
  },
  {
    id: 'STREAM-8/query-wins',
    file: 'routes/stream.ts',
    from: "resumed === null ? join.query.get('after') : resumed[2]",
    to: "join.query.get('after') ?? resumed?.[2]",
    alsoBreaks: ['READ-8', 'STREAM-5'],
  },
  {
    id: 'STREAM-8/epoch-ignored',
    file: 'routes/stream.ts',
    from: "resumed === null ? join.query.get('epoch') : (resumed[1] ?? null)",
    to: "resumed === null ? join.query.get('epoch') : null",
    alsoBreaks: ['READ-8', 'READ-12'],
  },
  {
    id: 'STREAM-9/binary',
    file: 'encoding.ts',
    from: 'frame[0] = 0x81;',
    to: 'frame[0] = 0x82;',
    alsoBreaks: ['STREAM-2'],
  },
  {
    id: 'STREAM-10/ws-after-ignored',
    file: 'routes/stream.ts',
    from: 'const number = queryNumber(after,',
    to: "const number = format === 'ws' ? 0 : queryNumber(after,",
    alsoBreaks: ['READ-7'],
  },
  {
    id: 'STREAM-11/no-leave',
    file: 'hub.ts',
    from: 'this.touch(sub.room);\n    this.markPresence(sub.room);\n  }\n\n  /** Close a',
    to: 'this.touch(sub.room);\n  }\n\n  /** Close a',
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
  ...frameMutants,
  {
    id: 'STREAM-16/no-duplicate',
    file: 'routes/stream.ts',
    from: "...(kind === 'duplicate' ? { duplicate: true } : {}),",
    to: '',
  },
  {
    id: 'CORE-10/bare-handshake',
    file: 'routes/stream.ts',
    from: 'headers.push(`${name}: ${value}`);',
    to: 'void headers.length, void name, void value;',
  },
  {
    id: 'CORE-9/bare-handshake',
    file: 'routes/stream.ts',
    from: 'headers.push(`${name}: ${value}`);',
    to: "if (name === 'Cache-Control') headers.push(`${name}: ${value}`);",
  },
  { id: 'STREAM-15/no-code', file: 'routes/stream.ts', from: '        code: problem.status,\n', to: '' },
  {
    id: 'STREAM-16/no-ack',
    file: 'routes/stream.ts',
    from: "hub.send(sub, {\n        type: 'sent',",
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
    from: 'listeningOf: checker(ListeningBody, {',
    to: 'listeningOf: checker(Type.Object({ ...ListeningBody.properties, name: Type.String() }), {',
  },
  {
    id: 'STREAM-21/first-counts',
    file: 'routes/messages.ts',
    from: '{ boxPub, at: clock.mono(), release }',
    to: '{ boxPub, at: before?.at ?? clock.mono(), release }',
  },
  {
    id: 'STREAM-13/first-key',
    file: 'routes/messages.ts',
    from: '{ boxPub, at: clock.mono(), release }',
    to: '{ boxPub: before?.boxPub ?? boxPub, at: clock.mono(), release }',
  },
  {
    id: 'STREAM-22/once',
    file: 'routes/stream.ts',
    from: 'sub.name !== undefined && sub.name !== name',
    to: "(sub.name === 'before' || sub.name === 'first') && sub.name !== name",
  },
  {
    id: 'STREAM-3/lost-while-replaying',
    file: 'hub.ts',
    from: 'this.touch(sub.room);\n    this.#feed(sub);\n    this.markPresence(sub.room);',
    to: 'this.touch(sub.room);\n    const isLong = sub.room.log.lastAssigned - sub.cursor > 100;\n    this.#feed(sub);\n    if (isLong) {\n      sub.room.subscribers.delete(sub);\n      setTimeout(() => {\n        sub.cursor = sub.room.log.lastAssigned;\n        sub.room.subscribers.add(sub);\n      }, 15);\n    }\n    this.markPresence(sub.room);',
    flags: ['--buffer-messages', '2000'],
  },
  {
    id: 'STREAM-22/silent-rename',
    file: 'routes/stream.ts',
    from: 'sub.name !== undefined && sub.name !== name',
    to: "sub.name === 'nobody'",
  },
  {
    id: 'STREAM-23/every-change',
    file: 'presence.ts',
    from: 'now - room.presenceAt >= room.presenceWait',
    to: 'now >= 0',
  },
  {
    id: 'STREAM-24/hole',
    file: 'hub.ts',
    from: 'sub.heardAt = this.#clock.mono();\n      this.#feed(sub);',
    to: 'sub.heardAt = this.#clock.mono();\n      sub.cursor = sub.room.log.lastAssigned;\n      this.#feed(sub);',
    flags: ['--subscriber-bytes', '65536'],
    alsoBreaks: ['STREAM-3'],
  },
];
