// A relay at level compat, without dependencies, written from the text of spec/ alone.
import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';

const env = (name, fallback) => Number(process.env[name] ?? fallback);
const ROOM_IDLE = env('ROOM_IDLE_MS', 30_000),
  TTL_MIN = env('TTL_MIN_MS', 30_000),
  TTL_MAX = 31_622_400_000;
const KEEPALIVE = env('KEEPALIVE_MS', 15_000),
  LISTENING = env('LISTENING_MS', 60_000),
  BUFFER = env('BUFFER_MESSAGES', 2_000);
const RETENTION = 86_400_000,
  BODY = 196_608,
  FRAME = 262_144,
  BURST = 300,
  RATE = 100;
const ID = /^[A-Za-z0-9_-]{4,64}$/,
  MESSAGE_ID = /^[A-Za-z0-9_-]{8,64}$/,
  NAME = /^[A-Za-z0-9@._\-\u00A0-\uFFFF]{1,64}$/;
const rooms = new Map(),
  buckets = new Map();

const fail = (code, error, retry) => Object.assign(new Error(error), { code, retry });

// MSG-5: base64 in one alphabet, padded, canonical. Encoding the decoded bytes must give the text again.
function bytesOf(text) {
  if (typeof text !== 'string' || text === '' || text.length % 4 !== 0) return null;
  const url = /[-_]/.test(text);
  const bytes = Buffer.from(text, url ? 'base64url' : 'base64');
  const again = url
    ? bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_')
    : bytes.toString('base64');
  return again === text ? bytes : null;
}
function keyOf(text) {
  if (typeof text !== 'string') return undefined;
  const bare = text.replace(/=$/, '').replaceAll('-', '+').replaceAll('_', '/');
  const bytes = Buffer.from(bare, 'base64');
  return bytes.length === 32 && bytes.toString('base64').replace(/=$/, '') === bare ? text : undefined;
}

// ROOM: a room is made by its first post or stream.
function enter(id) {
  if (!rooms.has(id))
    rooms.set(id, {
      id,
      log: [],
      seq: 1000 * Date.now(),
      made: Date.now(),
      active: Date.now(),
      streams: new Set(),
      waits: new Set(),
      beats: new Map(),
    });
  return rooms.get(id);
}
const inUse = (room) => room.streams.size + room.waits.size + room.beats.size > 0;
function buffered(room) {
  const now = Date.now();
  room.log = room.log.filter((m) => m.ts > now - RETENTION && !(m.ttl_ms && m.ts + m.ttl_ms <= now));
  return room.log;
}
const lastSeq = (room) => buffered(room).at(-1)?.seq ?? 0;

// MSG: acceptance.
function admit(id, address) {
  const key = `${id} ${address}`,
    now = Date.now();
  const bucket = buckets.get(key) ?? { tokens: BURST, at: now };
  bucket.tokens = Math.min(BURST, bucket.tokens + ((now - bucket.at) / 1000) * RATE);
  bucket.at = now;
  buckets.set(key, bucket);
  if (bucket.tokens < 1) throw fail(429, 'too many messages', 1);
  bucket.tokens--;
}
function object(text) {
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    throw fail(400, 'the body is not JSON');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw fail(400, 'the body is not an object');
  return body;
}
function post(id, body) {
  const { ciphertext, nonce, sender = 'anon', ttl_ms = 0, reply_to } = body;
  if (typeof ciphertext === 'string' && ciphertext.length > 131_072)
    throw fail(413, 'ciphertext is too long');
  if (bytesOf(ciphertext) === null) throw fail(400, 'ciphertext is not canonical base64');
  if (bytesOf(nonce)?.length !== 24) throw fail(400, 'nonce is not 24 bytes of base64');
  if (typeof sender !== 'string' || Array.from(sender).length > 64)
    throw fail(400, 'sender is not a string of at most 64 characters');
  if (reply_to !== undefined && !(typeof reply_to === 'string' && MESSAGE_ID.test(reply_to)))
    throw fail(400, 'reply_to is not an id');
  if (!(ttl_ms === 0 || (Number.isInteger(ttl_ms) && ttl_ms >= TTL_MIN && ttl_ms <= TTL_MAX)))
    throw fail(400, 'ttl_ms is out of range');
  if (body.sender_handle !== undefined) throw fail(401, 'no such identity');
  if (body.signed_only === true) throw fail(400, 'signed_only needs a signature');
  const room = enter(id);
  const message = {
    seq: ++room.seq,
    id: `m_${randomBytes(9).toString('base64url')}`,
    sender,
    sender_verified: false,
    ciphertext,
    nonce,
    ts: Date.now(),
  };
  if (ttl_ms > 0) message.ttl_ms = ttl_ms;
  if (reply_to !== undefined) message.reply_to = reply_to;
  room.log.push(message);
  if (room.log.length > BUFFER) room.log.shift();
  room.active = Date.now();
  tell(room, { type: 'message', ...message });
  for (const wait of room.waits) if (message.seq > wait.after) wait.answer();
  return { ok: true, id: message.id, seq: message.seq };
}

// STREAM: presence and frames.
const people = (room) => [
  ...[...room.streams]
    .filter((s) => s.name)
    .map(({ name, box_pub, seen }) => ({ name, box_pub, last_seen_ms_ago: Date.now() - seen })),
  ...[...room.beats].map(([name, { box_pub, seen }]) => ({
    name,
    box_pub,
    last_seen_ms_ago: Date.now() - seen,
  })),
];
const size = (room) => room.streams.size + room.beats.size;
function tell(room, frame) {
  for (const stream of room.streams) stream.send(frame);
}
function presence(room) {
  room.active = Date.now();
  const names = [...new Set([...room.streams].map((s) => s.name).filter(Boolean))];
  tell(room, { type: 'presence', size: size(room), names, participants: people(room) });
}
function join(room, stream, after) {
  for (const message of buffered(room)) if (message.seq > after) stream.send({ type: 'message', ...message });
  room.streams.add(stream);
  const last_seq = lastSeq(room);
  stream.send({ type: 'ready', roomId: room.id, size: size(room), last_seq, participants: people(room) });
  presence(room);
}
function leave(room, stream) {
  if (room.streams.delete(stream)) presence(room);
}

// READ
const clamp = (text, least, most, fallback) => {
  const value = text === null || text.trim() === '' ? NaN : Number(text);
  return Number.isNaN(value) ? fallback : Math.min(most, Math.max(least, Math.trunc(value)));
};
const page = (room, after, limit) => ({
  messages: buffered(room)
    .filter((m) => m.seq > after)
    .slice(0, limit),
  last_seq: lastSeq(room),
});

function wait(room, query, answer, onGone) {
  const after = clamp(query.get('after'), 0, Number.MAX_SAFE_INTEGER, 0);
  const first = page(room, after, 500);
  if (first.messages.length > 0) return answer(first);
  const parked = {
    after,
    answer: () => {
      clearTimeout(timer);
      room.waits.delete(parked);
      room.active = Date.now();
      answer(page(room, after, 500));
    },
  };
  const timer = setTimeout(parked.answer, clamp(query.get('timeout'), 1, 90, 30) * 1000);
  room.waits.add(parked);
  onGone(() => {
    clearTimeout(timer);
    if (room.waits.delete(parked)) room.active = Date.now();
  });
}

// CORE: HTTP.
function reply(res, code, body, headers = {}) {
  if (res.destroyed || res.headersSent) return;
  res.writeHead(code, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...headers });
  res.end(JSON.stringify(body));
}
const refuse = (res, { code = 400, message, retry }) =>
  reply(res, code, { error: message }, retry ? { 'Retry-After': String(retry) } : {});
function bodyOf(req) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    let length = 0;
    req.on('data', (chunk) => {
      length += chunk.length;
      if (length <= BODY) chunks.push(chunk);
    });
    req.on('end', () =>
      length > BODY ? reject(fail(413, 'the body is too long')) : resolve(Buffer.concat(chunks).toString()),
    );
    req.on('error', () => reject(fail(400, 'the body broke off')));
  });
}
function roomId(raw) {
  let id;
  try {
    id = decodeURIComponent(raw);
  } catch {
    id = '';
  }
  if (!ID.test(id)) throw fail(400, 'a room id is 4 to 64 characters of A-Z a-z 0-9 _ -');
  return id;
}
async function handle(req, res) {
  const [path, search = ''] = req.url.split('?', 2);
  const query = new URLSearchParams(search);
  if (req.method === 'GET' && path === '/api/health')
    return reply(res, 200, { ok: true, rooms: rooms.size, ts: Date.now() });
  const match = /^\/api\/rooms\/([^/]*)\/(messages|listening|events|wait|transcript|status|ws)$/.exec(path);
  const method = match && (match[2] === 'messages' || match[2] === 'listening') ? 'POST' : 'GET';
  if (!match || req.method !== method) throw fail(404, 'there is nothing at this path');
  const id = roomId(match[1]),
    room = rooms.get(id),
    nothing = { messages: [], last_seq: 0, exists: false };
  switch (match[2]) {
    case 'messages': {
      const body = object(await bodyOf(req));
      admit(id, req.socket.remoteAddress);
      return reply(res, 200, post(id, body));
    }
    case 'listening': {
      const { name, box_pub } = object(await bodyOf(req));
      if (typeof name !== 'string' || !NAME.test(name)) throw fail(400, 'name is missing or malformed');
      if (!room) throw fail(404, 'there is no such room');
      room.beats.set(name, { box_pub: keyOf(box_pub), seen: Date.now() });
      presence(room);
      return reply(res, 200, { ok: true });
    }
    case 'status':
      if (!room) return reply(res, 200, { exists: false, roomId: id });
      return reply(res, 200, {
        exists: true,
        roomId: id,
        participants: size(room),
        recent_count: buffered(room).length,
        last_seq: lastSeq(room),
        age_seconds: Math.floor((Date.now() - room.made) / 1000),
        idle_seconds: inUse(room) ? 0 : Math.floor((Date.now() - room.active) / 1000),
        signed_only: false,
      });
    case 'transcript': {
      if (!room) return reply(res, 200, nothing);
      const found = page(
        room,
        clamp(query.get('after'), 0, Number.MAX_SAFE_INTEGER, 0),
        clamp(query.get('limit'), 1, 500, 100),
      );
      return reply(res, 200, { ...found, count: found.messages.length, exists: true });
    }
    case 'wait':
      if (!room) return reply(res, 200, nothing);
      return wait(
        room,
        query,
        (body) => reply(res, 200, body),
        (gone) => res.on('close', gone),
      );
    case 'ws':
      throw fail(426, 'this path speaks WebSocket');
    case 'events': {
      const name = query.get('name');
      res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
      const entered = enter(id);
      const stream = {
        name: name && NAME.test(name) ? name : undefined,
        box_pub: keyOf(query.get('box_pub') ?? undefined),
        seen: Date.now(),
        wrote: Date.now(),
      };
      stream.send = (frame) => {
        stream.wrote = Date.now();
        res.write(`data: ${JSON.stringify(frame)}\n\n`);
      };
      stream.beat = () => {
        if (Date.now() - stream.wrote >= KEEPALIVE) {
          stream.wrote = Date.now();
          res.write(':\n\n');
        }
      };
      join(entered, stream, clamp(query.get('after'), 0, Number.MAX_SAFE_INTEGER, 0));
      res.on('close', () => leave(entered, stream));
    }
  }
}

// STREAM-9, STREAM-14: WebSocket by hand. An unmasked frame goes out, masked ones come in.
function frame(opcode, payload) {
  const { length } = payload;
  const head =
    length < 126
      ? Buffer.from([0x80 | opcode, length])
      : length < 65_536
        ? Buffer.from([0x80 | opcode, 126, length >> 8, length & 255])
        : Buffer.from([
            0x80 | opcode,
            127,
            0,
            0,
            0,
            0,
            (length >>> 24) & 255,
            (length >> 16) & 255,
            (length >> 8) & 255,
            length & 255,
          ]);
  return Buffer.concat([head, payload]);
}
function socketOf(req, socket) {
  const match = /^\/api\/rooms\/([^/]*)\/ws$/.exec(req.url.split('?', 1)[0]);
  const key = req.headers['sec-websocket-key'];
  if (!match || !key) throw fail(match ? 426 : 404, 'not a WebSocket handshake for a room');
  const room = enter(roomId(match[1]));
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  const stream = {
    name: undefined,
    box_pub: undefined,
    seen: Date.now(),
    beat: () => {},
    send: (json) => socket.write(frame(1, Buffer.from(JSON.stringify(json)))),
  };
  const end = (code) => socket.end(frame(8, Buffer.from([code >> 8, code & 255])));
  let held = Buffer.alloc(0),
    message = Buffer.alloc(0);
  socket.on('end', () => socket.end());
  socket.on('close', () => leave(room, stream));
  socket.on('data', (chunk) => {
    held = Buffer.concat([held, chunk]);
    while (held.length >= 2) {
      const opcode = held[0] & 15,
        short = held[1] & 127;
      const offset = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (held.length < offset) return;
      const length =
        short === 126 ? held.readUInt16BE(2) : short === 127 ? Number(held.readBigUInt64BE(2)) : short;
      if (length + message.length > FRAME) return end(1009);
      if (!(held[1] & 128)) return end(1002);
      if (held.length < offset + 4 + length) return;
      const mask = held.subarray(offset, offset + 4),
        payload = Buffer.from(held.subarray(offset + 4, offset + 4 + length));
      for (let i = 0; i < length; i++) payload[i] ^= mask[i & 3];
      const final = held[0] & 128;
      held = held.subarray(offset + 4 + length);
      if (opcode === 8) return end(1000);
      if (opcode === 9) socket.write(frame(10, payload));
      if (opcode > 2) continue;
      message = Buffer.concat([message, payload]);
      if (!final) continue;
      receive(room, stream, message.toString(), socket.remoteAddress);
      message = Buffer.alloc(0);
    }
  });
  join(room, stream, 0);
}
function receive(room, stream, text, address) {
  stream.seen = Date.now();
  let body;
  try {
    body = object(text);
  } catch {
    return;
  }
  if (body.type === 'hello' && typeof body.name === 'string' && NAME.test(body.name)) {
    const from = stream.name;
    stream.name = body.name;
    if (body.box_pub === null) stream.box_pub = undefined;
    else stream.box_pub = keyOf(body.box_pub) ?? stream.box_pub;
    if (from && from !== body.name) tell(room, { type: 'rename', from, to: body.name });
    presence(room);
  }
  if (Object.hasOwn(body, 'type')) return;
  try {
    admit(room.id, address);
    post(room.id, body);
  } catch ({ code = 400, message: error }) {
    stream.send({ type: 'error', code, error });
  }
}

const server = createServer((req, res) => void handle(req, res).catch((error) => refuse(res, error)));
server.on('upgrade', (req, socket) => {
  socket.on('error', () => socket.destroy());
  try {
    socketOf(req, socket);
  } catch ({ code = 400, message }) {
    const body = JSON.stringify({ error: message });
    socket.end(
      `HTTP/1.1 ${code} Refused\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
  }
});
server.on(
  'clientError',
  (_, socket) =>
    socket.writable &&
    socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'),
);
setInterval(
  () => {
    const now = Date.now();
    for (const room of rooms.values()) {
      for (const stream of room.streams) stream.beat();
      const before = room.beats.size;
      for (const [name, { seen }] of room.beats) if (now - seen >= LISTENING) room.beats.delete(name);
      if (room.beats.size < before) presence(room);
      if (!inUse(room) && now - room.active >= ROOM_IDLE) rooms.delete(room.id);
    }
    for (const [key, { at }] of buckets) if (now - at > 10_000) buckets.delete(key);
  },
  Math.min(500, ROOM_IDLE / 4, KEEPALIVE / 4),
);
const at = process.argv.indexOf('--port');
server.listen(Number(at > 0 ? process.argv[at + 1] : (process.env.PORT ?? 3000)), '127.0.0.1', () => {
  console.log(`tiny-relay listening on http://127.0.0.1:${server.address().port}`);
});
