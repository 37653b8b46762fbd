/** The honest client's process, as the harness sees it. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const PER_SECOND = 20;

interface Report {
  readonly accepted: number;
  /** Accepted, and not received by one of its two readers: counted for each reader. */
  readonly lost: number;
  readonly twice: number;
  /** Posts that were never accepted. */
  readonly refused: number;
  readonly retried: number;
  /** Streams that were cut and had to come back. */
  readonly reconnected: number;
  readonly latencies: readonly number[];
}

/** What became of it in a window; latencies in ms from the intent to post until a reader had the message. */
export interface Honest extends Omit<Report, 'latencies'> {
  readonly received: number;
  readonly p50: number;
  readonly p99: number;
}

export class HonestClient {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Start it and wait until both of its readers are connected. */
  static async start(port: number, room: string): Promise<HonestClient> {
    const file = join(import.meta.dirname, 'honest-client.mjs');
    const child = fork(file, [String(port), room, String(PER_SECOND)], { execArgv: [] });
    await once(child, 'message');
    return new HonestClient(child);
  }

  /** What became of it since the last window. It waits for what is under way; meanwhile the next window runs. */
  async window(): Promise<Honest> {
    const answered = once(this.#child, 'message');
    this.#child.send('report');
    const [{ latencies, ...report }] = (await answered) as [Report];
    const sorted = [...latencies].sort((a, b) => a - b);
    const quantile = (q: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN;
    return { ...report, received: latencies.length, p50: quantile(0.5), p99: quantile(0.99) };
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }
}
