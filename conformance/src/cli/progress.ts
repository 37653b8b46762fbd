/** Shows the progress of a run on the terminal. */
import type { Progress } from '../drive/runner.ts';

/** A line that is redrawn on a terminal; elsewhere, new lines. */
export function progressLine(): { show: (progress: Progress) => void; clear: () => void } {
  const { stderr } = process;
  let last = 0;
  let started = performance.now();
  return {
    show: ({ done, total, running, broken }) => {
      const now = performance.now();
      const seconds = Math.round((now - started) / 1000);
      if (stderr.isTTY) {
        const filled = Math.round((done / Math.max(1, total)) * 24);
        const bar = `${'█'.repeat(filled)}${'░'.repeat(24 - filled)}`;
        const state = broken.size === 0 ? '' : ` · broken: ${[...broken].slice(0, 4).join(' ')}`;
        const line = `${bar} ${done}/${total} · ${seconds} s${state} · ${running.at(-1) ?? ''}`;
        stderr.write(`\r\u001b[2K${line.slice(0, (stderr.columns ?? 80) - 1)}`);
      } else if (now - last > 10_000 || last === 0) {
        last = now;
        stderr.write(`${done} of ${total} cases, ${seconds} s\n`);
      }
    },
    clear: () => {
      started = 0;
      if (stderr.isTTY) stderr.write('\r\u001b[2K');
    },
  };
}
