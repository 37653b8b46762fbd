import type { Reporter, TestModule } from 'vitest/node';

/** Ends the output with one line that any runner of CI can read. */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const count = (state: string) => tests.filter((test) => test.result().state === state).length;
    const broken = modules.filter((module) => module.errors().length > 0).length;
    const line = `${count('passed')} passed, ${count('failed') + broken + unhandled.length} failed`;
    const skipped = count('skipped') + count('pending');
    // After the summary of the default reporter, which is written when this hook returns.
    process.on('exit', () =>
      process.stdout.write(`\n${line}${skipped === 0 ? '' : `, ${skipped} skipped`}\n`),
    );
  }
}
