/** Starts the process of an honest client, and gets its reports. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { start, stop, type Started } from '../process.ts';

const PER_SECOND = 20;

interface Report {
  readonly from: number;
  readonly accepted: number;
  /** Messages that were accepted but not received, counted for each of its two readers. */
  readonly lost: number;
  readonly twice: number;
  /** Posts that were never accepted. */
  readonly refused: number;
  readonly retried: number;
  readonly latencies: readonly number[];
}

/** Its results in an interval; latencies in ms from the planned time of a post until a reader had the message. */
export interface Honest extends Omit<Report, 'from' | 'latencies'> {
  readonly received: number;
  readonly p50: number;
  readonly p99: number;
}

/** Unix time in ms, with a finer resolution than `Date.now()`, comparable between processes. */
export const clockMs = () => performance.timeOrigin + performance.now();

export class HonestClient {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
    // Several callers may wait for reports.
    child.setMaxListeners(0);
  }

  /** Start the process and wait until both of its readers are connected. */
  static async start(port: number, room: string): Promise<HonestClient> {
    const file = join(import.meta.dirname, 'honest-client.mjs');
    const child = fork(file, [String(port), room, String(PER_SECOND)], { execArgv: [] });
    await once(child, 'message');
    return new HonestClient(child);
  }

  /** Results of all posts planned between two times, once each has been received or given up. */
  async between(from: number, to: number): Promise<Honest> {
    const answered = new Promise<Report>((resolve, reject) => {
      const take = (report: unknown) => {
        if ((report as Report).from !== from) return;
        this.#child.off('message', take);
        resolve(report as Report);
      };
      this.#child.on('message', take);
      this.#child.once('exit', () => reject(new Error('the honest client ended')));
    });
    this.#child.send({ from, to });
    const { from: _from, latencies, ...report } = await answered;
    const sorted = [...latencies].sort((a, b) => a - b);
    const quantile = (q: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN;
    return { ...report, received: latencies.length, p50: quantile(0.5), p99: quantile(0.99) };
  }

  close(): void {
    this.#child.removeAllListeners('exit');
    this.#child.kill('SIGKILL');
  }
}

/**
 * A control: an honest client of a relay that is not attacked, on the same machine at the same time. It shows how much the
 * machine itself affects latencies.
 */
export class Control {
  readonly client: HonestClient;
  readonly #relay: Started;

  private constructor(client: HonestClient, relay: Started) {
    this.client = client;
    this.#relay = relay;
  }

  static async start(): Promise<Control> {
    const relay = await start([]);
    return new Control(await HonestClient.start(Number(new URL(relay.url).port), 'control-room'), relay);
  }

  async close(): Promise<void> {
    this.client.close();
    await stop(this.#relay, 'SIGKILL');
  }
}
