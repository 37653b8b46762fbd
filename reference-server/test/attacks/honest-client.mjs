/**
 * An honest client in its own process. It posts into its own room at a constant rate, alternately on a new and on a
 * keep-alive connection, and reads the room by WebSocket and by SSE. It sends `{ ready: true }` to its parent when both are
 * open. When it gets `{ from, to }` (Unix ms), it waits until all posts planned in that interval (at least 10) have been
 * received, and then reports `{ from, accepted, lost, twice, refused, retried, latencies }`. Latencies are in ms, from the
 * planned time of a post until each reader has it.
 */
import { randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';
import { WebSocket } from 'ws';

const [port, room, perSecond] = [Number(process.argv[2]), process.argv[3], Number(process.argv[4])];
/** A post that has not been accepted after this time is given up. */
const PATIENCE_MS = 20_000;
/** An accepted message that has not reached a reader this long after the request for a report is lost. */
const GRACE_MS = 20_000;
/** Latencies of fewer posts say nothing: a shorter interval is extended. */
const LEAST = 10;
const READERS = ['ws', 'sse'];
const path = `/api/rooms/${room}`;
const kept = new Agent({ keepAlive: true, maxSockets: 4 });
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const now = () => performance.timeOrigin + performance.now();
/** Every post, in the order of their start; the sender label of a post contains its index. */
const posts = [];

/** @returns the status of the answer; 0 without an answer. */
function send(body, agent) {
  return new Promise((resolve) => {
    const headers = { 'Content-Type': 'application/json', 'Content-Length': body.length };
    const options = { host: '127.0.0.1', port, method: 'POST', path: `${path}/messages`, headers, agent };
    const outgoing = request(options, (incoming) => {
      incoming.resume().on('close', () => resolve(incoming.statusCode));
    });
    outgoing.on('error', () => resolve(0));
    outgoing.setTimeout(PATIENCE_MS, () => outgoing.destroy());
    outgoing.end(body);
  });
}

async function post() {
  const one = { at: now(), accepted: false, settled: false, retried: 0, twice: 0, seen: new Map() };
  const count = posts.push(one);
  const nonce = randomBytes(24).toString('base64');
  const body = JSON.stringify({ ciphertext: 'AAAA', nonce, sender: `h${count - 1}` });
  const agent = count % 2 === 0 ? kept : false;
  for (let wait = 50; now() - one.at < PATIENCE_MS; wait = Math.min(1_000, 2 * wait)) {
    const status = await send(body, agent);
    if (status === 200) {
      one.accepted = one.settled = true;
      return;
    }
    one.retried++;
    await pause(wait);
  }
  one.settled = true;
}

let [cursorWs, cursorSse] = [0, ''];
function take(reader, text) {
  const frame = JSON.parse(text);
  if (frame.type !== 'message') return;
  if (reader === 'ws') cursorWs = frame.seq;
  const one = posts[Number(frame.sender.slice(1))];
  if (one === undefined) return;
  if (one.seen.has(reader)) one.twice++;
  else one.seen.set(reader, now() - one.at);
}

let opened = 0;
const open = () => {
  opened++;
  if (opened === READERS.length) process.send({ ready: true });
};

function listen() {
  const ws = new WebSocket(`ws://127.0.0.1:${port}${path}/ws?after=${cursorWs}`, { handshakeTimeout: 5_000 });
  ws.on('open', open).on('error', () => undefined);
  ws.on('message', (data) => take('ws', Buffer.from(data).toString()));
  ws.on('close', () => setTimeout(listen, 100));
}

function follow() {
  const again = () => setTimeout(follow, 100);
  const headers = cursorSse === '' ? {} : { 'Last-Event-ID': cursorSse };
  const outgoing = request({ host: '127.0.0.1', port, path: `${path}/events`, headers, agent: false });
  outgoing.setTimeout(60_000, () => outgoing.destroy());
  outgoing.on('error', again);
  outgoing.on('response', (incoming) => {
    if (incoming.statusCode !== 200) {
      incoming.resume().on('close', again);
      return;
    }
    open();
    let rest = '';
    incoming.setEncoding('utf8').on('error', () => undefined);
    incoming.on('close', again).on('data', (text) => {
      const events = (rest + text).split('\n\n');
      rest = events.pop();
      for (const event of events) {
        const lines = event.split('\n');
        const field = (name) => lines.find((line) => line.startsWith(name))?.slice(name.length);
        const data = field('data: ');
        if (data !== undefined) take('sse', data);
        cursorSse = field('id: ') ?? cursorSse;
      }
    });
  });
  outgoing.end();
}

const isDone = (one) => one.settled && (!one.accepted || one.seen.size === READERS.length);

async function report({ from, to }) {
  const since = () => posts.filter(({ at }) => at >= from);
  while (since().length < LEAST) await pause(20);
  const mine = since().filter(({ at }, index) => at < to || index < LEAST);
  const until = now() + GRACE_MS;
  while (now() < until && !mine.every(isDone)) await pause(20);
  const accepted = mine.filter((one) => one.accepted);
  const sum = (figure) => mine.reduce((total, one) => total + figure(one), 0);
  process.send({
    from,
    accepted: accepted.length,
    lost: accepted.reduce((total, one) => total + READERS.length - one.seen.size, 0),
    twice: sum((one) => one.twice),
    refused: mine.length - accepted.length,
    retried: sum((one) => one.retried),
    latencies: mine.flatMap((one) => [...one.seen.values()]),
  });
}

process.on('message', (asked) => void report(asked));
process.on('disconnect', () => process.exit(0));
listen();
follow();
let startedAt = 0;
let begun = 0;
// Posts start at their planned times even if earlier ones are unanswered, so that a stall delays all posts planned in it.
setInterval(() => {
  if (opened < READERS.length) return;
  if (startedAt === 0) startedAt = performance.now();
  for (; begun < ((performance.now() - startedAt) / 1000) * perSecond; begun++) void post();
}, 10);
