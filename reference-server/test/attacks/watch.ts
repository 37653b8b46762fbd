/** Measures the cost of an attack to the relay's process, from outside. */
import { totalmem } from 'node:os';
import type { Started } from '../process.ts';
import { MIB } from './attack.ts';
import { forgetPeak, memoryOf, processorSeconds } from './cost.ts';

/** At this memory size the relay is killed, before the machine runs out of memory. */
const TOO_MUCH = Math.min(8_192 * MIB, totalmem() / 2);

export interface Cost {
  /** Peak of resident memory above that at the begin of the attack, in bytes. */
  readonly grown: number;
  readonly processorSeconds: number;
  /** Duration of the attack, in seconds. */
  readonly seconds: number;
}

export class Watch {
  readonly #pid: number;
  #base = { memory: 0, processor: 0, at: 0 };
  readonly #guard: NodeJS.Timeout;

  constructor(relay: Started, onTooMuch: () => void) {
    this.#pid = relay.child.pid ?? 0;
    this.#guard = setInterval(() => {
      try {
        if (memoryOf(this.#pid).now <= TOO_MUCH) return;
      } catch {
        // The process has exited; the next request to it reports this.
        return;
      }
      relay.child.kill('SIGKILL');
      onTooMuch();
    }, 100);
    this.begin();
  }

  begin(): void {
    forgetPeak(this.#pid);
    this.#base = {
      memory: memoryOf(this.#pid).now,
      processor: processorSeconds(this.#pid),
      at: performance.now(),
    };
  }

  /** @throws the system's error when the relay has exited. */
  cost(): Cost {
    return {
      grown: memoryOf(this.#pid).peak - this.#base.memory,
      processorSeconds: processorSeconds(this.#pid) - this.#base.processor,
      seconds: (performance.now() - this.#base.at) / 1000,
    };
  }

  /** Resolves when the relay is nearly idle, or after `mostMs`. */
  async settled(mostMs: number, pause: (ms: number) => Promise<void>): Promise<void> {
    const until = performance.now() + mostMs;
    for (let idle = 0; idle < 2 && performance.now() < until;) {
      const before = processorSeconds(this.#pid);
      await pause(150);
      idle = processorSeconds(this.#pid) - before <= 0.05 ? idle + 1 : 0;
    }
  }

  close(): void {
    clearInterval(this.#guard);
  }
}
