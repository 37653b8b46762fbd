/** Watches what an attack costs the relay's process, from outside. */
import { totalmem } from 'node:os';
import type { Started } from '../process.ts';
import { MIB } from './attack.ts';
import { forgetPeak, memoryOf, processorSeconds } from './cost.ts';

/** A relay that holds this much is stopped before the machine is out of memory. */
const TOO_MUCH = Math.min(8_192 * MIB, totalmem() / 2);

export interface Cost {
  /** Peak of resident memory above what it was when the attack began, in bytes. */
  readonly grown: number;
  readonly processorSeconds: number;
  /** How long the attack took, in seconds. */
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
        // It is gone; whoever asks it will know.
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

  /** @throws the system's error when the relay is gone. */
  cost(): Cost {
    return {
      grown: memoryOf(this.#pid).peak - this.#base.memory,
      processorSeconds: processorSeconds(this.#pid) - this.#base.processor,
      seconds: (performance.now() - this.#base.at) / 1000,
    };
  }

  /** Resolves when the relay hardly works any more. */
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
