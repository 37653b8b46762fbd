/** Chapter 01. */
import type { Mutant } from './mutant.ts';

export const ROOM_MUTANTS: readonly Mutant[] = [
  {
    id: 'ROOM-1/lax',
    file: 'relay.ts',
    from: 'if (!roomId.Check(id)) throw',
    to: 'if (!roomId.Check(id) && id.length < 60) throw',
    alsoBreaks: ['ROOM-3', 'STREAM-4'],
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
    to: "const room = hub.enter(relay.checkRoomId(id), ['x']);",
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
    alsoBreaks: ['MSG-12', 'READ-5', 'READ-8'],
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
    from: 'room.activeAt >= this.#timings.room_idle_ms)',
    to: 'room.activeAt >= this.#timings.room_idle_ms / 2)',
    mayBreak: ['READ-5', 'READ-8'],
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
    from: 'room.activeAt >= this.#timings.room_idle_ms) this.#remove(room);',
    to: 'room.activeAt >= this.#timings.room_idle_ms) return;',
    alsoBreaks: ['ROOM-9'],
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
  {
    id: 'ROOM-5/nobody',
    file: 'routes/reads.ts',
    from: 'participants: room.size,',
    to: 'participants: 0,',
  },
  {
    id: 'ROOM-5/age',
    file: 'routes/reads.ts',
    from: 'age_seconds: Math.floor((now - room.createdAt) / 1000),',
    to: 'age_seconds: Math.floor((now - room.createdAt) / 1000) + 60,',
  },
];
