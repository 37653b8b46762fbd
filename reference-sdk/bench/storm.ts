/**
 * The storm: many handles claim messages of one room, each in its own process. The processes are killed at random and
 * restarted while a producer posts messages. Then their diaries are checked against the rules of chapter 05.
 *
 *     npm run storm -- [--messages 20000] [--handles 16] [--kills 220] [--lease-ms 1000] [--ahead 1500] [--seed N]
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createRoomUrl, Identity, register, Room } from '@bot2bot/sdk';
import { saveIdentity } from '@bot2bot/sdk/node';
import { Diary } from './storm-diary.ts';

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '20000' },
    handles: { type: 'string', default: '16' },
    kills: { type: 'string', default: '220' },
    'lease-ms': { type: 'string', default: '1000' },
    ahead: { type: 'string', default: '1500' },
    seed: { type: 'string', default: String(Date.now() % 1e9) },
  },
});
const whole = (name: keyof typeof values) => {
  const value = Number(values[name]);
  if (!Number.isSafeInteger(value) || value < 1) {
    process.stderr.write(`storm: --${name} takes a whole number from 1, not '${values[name]}'\n`);
    process.exit(2);
  }
  return value;
};
const [messages, handles, kills] = [whole('messages'), whole('handles'), whole('kills')];
const [leaseMs, ahead, seed] = [whole('lease-ms'), whole('ahead'), whole('seed')];
/** Without progress for this long, the run has failed. */
const STUCK_MS = 60_000;
const SENDERS = 4;

/** Random numbers (mulberry32), so that the same seed picks the same victims. */
function random(from: number): () => number {
  let state = from >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function startRelay(): Promise<{ url: string; child: ChildProcess }> {
  const bin = join(import.meta.dirname, '../../reference-server/bin/bot2bot-relay.mjs');
  const most = String(1e9);
  const rates = ['room-burst', 'room-rate', 'address-burst', 'address-rate'].flatMap((name) => [
    `--${name}`,
    most,
  ]);
  const flags = ['--port', '0', ...rates, '--replay-entries', most];
  const child = spawn('node', [bin, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] });
  const url = await new Promise<string>((resolve, reject) => {
    let said = '';
    child.stdout.on('data', (text: Buffer) => {
      said += text.toString();
      const found = /http:\/\/\S+/.exec(said)?.[0];
      if (found !== undefined) resolve(found);
    });
    child.once('exit', (code) => reject(new Error(`the relay ended: ${code}`)));
  });
  return { url, child };
}

interface Worker {
  child: ChildProcess;
  readonly path: string;
  readonly identity: string;
  readonly diary: Diary;
  read: number;
  rest: string;
}

const folder = mkdtempSync(join(tmpdir(), 'bot2bot-storm-'));
const relay = await startRelay();
const url = createRoomUrl(relay.url);

function launch(worker: Pick<Worker, 'path' | 'identity'>): ChildProcess {
  return spawn('node', [join(import.meta.dirname, 'storm-worker.mjs')], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      STORM_ROOM: url,
      STORM_IDENTITY: worker.identity,
      STORM_DIARY: worker.path,
      STORM_LEASE_MS: String(leaseMs),
    },
  });
}

const workers: Worker[] = [];
for (let i = 0; i < handles; i++) {
  const identity = Identity.create(`storm-${i}`);
  await register(relay.url, identity);
  const files = { path: join(folder, `diary-${i}`), identity: join(folder, `identity-${i}.key`) };
  await saveIdentity(files.identity, identity);
  closeSync(openSync(files.path, 'a', 0o600));
  workers.push({ ...files, child: launch(files), diary: new Diary(), read: 0, rest: '' });
}

/** Read the new lines in a worker's diary. */
function follow(worker: Worker): void {
  const file = openSync(worker.path, 'r');
  const chunk = Buffer.alloc(1 << 16);
  for (;;) {
    const length = readSync(file, chunk, 0, chunk.length, worker.read);
    if (length === 0) break;
    worker.read += length;
    const lines = (worker.rest + chunk.toString('latin1', 0, length)).split('\n');
    worker.rest = lines.pop() ?? '';
    for (const line of lines) worker.diary.take(line);
  }
  closeSync(file);
}

const producer = new Room(url, { name: 'producer' });
const posted: number[] = [];
let begun = 0;
let killed = 0;
const slowest = () => Math.min(...workers.map(({ diary }) => diary.acked));
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const pick = random(seed);
const startedAt = performance.now();
const seconds = () => Math.round((performance.now() - startedAt) / 1000);
let stuck = false;

async function send(): Promise<void> {
  while (begun < messages && !stuck) {
    if (begun - slowest() >= ahead) {
      await pause(20);
      continue;
    }
    posted.push((await producer.send(`message ${begun++}`)).seq);
  }
}

async function watch(): Promise<void> {
  let [last, movedAt, shownAt] = [-1, performance.now(), 0];
  for (;;) {
    for (const worker of workers) follow(worker);
    const acked = workers.reduce((sum, { diary }) => sum + diary.acked, 0);
    const total = messages * handles;
    const now = performance.now();
    if (acked !== last) [last, movedAt] = [acked, now];
    if (acked >= total) return;
    if (now - movedAt > STUCK_MS) {
      stuck = true;
      return;
    }
    // Kills are spread evenly over the run.
    if (killed < kills && acked >= ((killed + 0.5) / kills) * total) {
      const victim = workers[Math.floor(pick() * workers.length)];
      if (victim !== undefined) {
        await pause(pick() * 10);
        const ended = new Promise((resolve) => victim.child.once('exit', resolve));
        victim.child.kill('SIGKILL');
        await ended;
        victim.child = launch(victim);
        killed++;
      }
    } else await pause(10);
    const line = `${acked} of ${total} acked · ${killed} killed · ${seconds()} s`;
    if (process.stderr.isTTY && now - shownAt > 200) process.stderr.write(`\r\u001b[2K${line}`);
    else if (now - shownAt > 15_000) process.stderr.write(`${line}\n`);
    else continue;
    shownAt = now;
  }
}

process.stdout.write(
  `storm: ${messages} messages, ${handles} handles, a process each, lease ${leaseMs} ms, ${kills} kills, at most ${ahead} ahead, seed ${seed}\n`,
);
await Promise.all([watch(), ...Array.from({ length: SENDERS }, send)]);
if (process.stderr.isTTY) process.stderr.write('\r\u001b[2K');
for (const { child } of workers) child.kill('SIGKILL');
producer.close();
relay.child.removeAllListeners('exit');
relay.child.kill('SIGTERM');
rmSync(folder, { recursive: true });

const sum = (of: (diary: Diary) => number) => workers.reduce((total, { diary }) => total + of(diary), 0);
const expected = new Set(posted);
const lost = sum((diary) => diary.missing(expected));
const figures: [string, number, string][] = [
  ['messages posted', posted.length, `of ${messages}`],
  ['acked', sum((diary) => diary.acked), `of ${messages * handles}`],
  ['killed and started again', killed, ''],
  ['granted', sum((diary) => diary.grants), ''],
  ['  resumed, same claim', sum((diary) => diary.resumed), 'the answer or the process was lost'],
  ['  granted again, another claim', sum((diary) => diary.regranted), 'after the lease had expired'],
  ['lost', lost, ''],
  ['gaps', sum((diary) => diary.gaps), ''],
  ['resets', sum((diary) => diary.resets), ''],
  ['granted after the ack', sum((diary) => diary.afterAck), ''],
  ['granted again too early', sum((diary) => diary.early), ''],
  ['granted out of order', sum((diary) => diary.disorder), ''],
  ['delivery miscounted', sum((diary) => diary.miscounted), ''],
];
for (const [name, value, more] of figures)
  process.stdout.write(`  ${name.padEnd(32)} ${String(value).padStart(8)}  ${more}\n`);
const took = (performance.now() - startedAt) / 1000;
process.stdout.write(
  `  ${Math.round(sum((diary) => diary.grants) / took)} grants/s over ${took.toFixed(1)} s\n`,
);
const broken = figures.slice(6).filter(([, value]) => value > 0);
const isComplete = !stuck && posted.length === messages && killed >= kills;
process.stdout.write(
  broken.length === 0 && isComplete
    ? 'storm: every promise held\n'
    : `storm: FAILED${stuck ? ', nothing moved for a minute' : ''}${broken.length === 0 ? '' : `: ${broken.map(([name]) => name).join(', ')}`}\n`,
);
process.exit(broken.length === 0 && isComplete ? 0 : 1);
