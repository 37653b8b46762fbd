/**
 * `npm run alarm -- --minutes 60`: certifies conformant relays with fresh seeds until its time is over, while more busy
 * processes run than the machine has cores. No false alarm is allowed: each is saved with its trace.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { stop } from 'esbuild';
import { BENIGN, THROUGH } from '../mutants/benign.ts';
import { LAB } from '../mutants/mutants.ts';
import { writeReport } from '../src/index.ts';
import { accusations, certify, certifyBenign, type Certified, type Given } from '../test/certify.ts';

/** Concurrent runs: each uses only a few per cent of a core, and mostly waits. */
const AT_ONCE = 3;
const RUNS = 24;

const root = join(import.meta.dirname, '../..');
const relay = `exec node ${join(root, 'reference-server/bin/bot2bot-relay.mjs')} --port {port}`;
const tiny = `exec node ${join(root, 'conformance/test/tiny-relay.mjs')} --port {port}`;

const TARGETS: readonly (readonly [string, (given: Given) => Promise<Certified>])[] = [
  ['the reference relay', (given) => certify(relay, given)],
  ['the reference relay in lab', (given) => certify(`${relay} ${LAB.join(' ')}`, given)],
  ['tiny-relay', (given) => certify(tiny, given)],
  ...THROUGH.map(
    ([name, through]) =>
      [`tiny-relay as one ${name}`, (given: Given) => certify(tiny, given, through)] as const,
  ),
  ...BENIGN.map((benign) => [`one ${benign.name}`, (given: Given) => certifyBenign(benign, given)] as const),
  ...BENIGN.filter(({ level }) => level === 'hardened').map(
    (benign) =>
      [`one ${benign.name}, in plain timings`, (given: Given) => certifyBenign(benign, given, [])] as const,
  ),
];

function minutesOf(args: string[]): number {
  const { values } = parseArgs({ args, options: { minutes: { type: 'string', default: '60' } } });
  const minutes = Number(values.minutes);
  if (!(minutes > 0 && minutes <= 24 * 60)) throw new RangeError('--minutes takes a number up to 1440');
  return minutes;
}

const until = Date.now() + minutesOf(process.argv.slice(2)) * 60_000;
const folder = join(root, 'alarms', new Date().toISOString().replaceAll(':', '-'));
/** Busy processes; each ends by itself if this process is killed. */
const busy = Array.from({ length: availableParallelism() + 1 }, () =>
  spawn(
    process.execPath,
    ['-e', `while (Date.now() < ${until + 300_000} && process.ppid > 1) for (let i = 0; i < 1e7; i++);`],
    {
      stdio: 'ignore',
    },
  ),
);
let [runs, alarms, unfinished] = [0, 0, 0];

async function one(name: string, run: (given: Given) => Promise<Certified>): Promise<void> {
  const seed = Math.floor(Math.random() * 1e9);
  const time = () => new Date().toISOString().slice(11, 19);
  runs++;
  const number = runs;
  let made: Certified;
  try {
    made = await run({ seed, runs: RUNS });
  } catch (error) {
    unfinished++;
    process.stdout.write(`${time()} run ${number}, ${name}, seed ${seed}: NOT DONE: ${String(error)}\n`);
    return;
  }
  if (made.report.troubles.length > 0) unfinished++;
  const accused = accusations(made.report);
  process.stdout.write(
    `${time()} run ${number}, ${name}, seed ${seed}: ${accused.length === 0 ? made.report.outcome : `FALSE ALARM ${JSON.stringify(accused)}`}\n`,
  );
  if (accused.length === 0) return;
  const kept = join(folder, String(++alarms));
  mkdirSync(kept, { recursive: true });
  writeReport(kept, made);
  const { run: record, cases, shrunk } = made.trace;
  const lines = [record, ...cases.flatMap(({ start, events, end }) => [start, ...events, end]), ...shrunk];
  writeFileSync(join(kept, 'trace.ndjson'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}

let next = Math.floor(Math.random() * TARGETS.length);
try {
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (Date.now() < until) {
        const [name, run] = TARGETS[next++ % TARGETS.length] ?? ['', () => Promise.reject(new Error('none'))];
        await one(name, run);
      }
    }),
  );
} finally {
  for (const child of busy) child.kill();
}
if (unfinished > 0) process.stdout.write(`${unfinished} runs, or cases in them, did not run to their end\n`);
process.stdout.write(
  `${alarms} false alarms of ${runs} runs, beside ${busy.length} busy processes${alarms > 0 ? `: ${folder}` : ''}\n`,
);
await stop();
process.exit(alarms > 0 ? 1 : 0);
